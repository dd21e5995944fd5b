"""A running sandbox for the tests of this folder: one for all, reset before each that asks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.sandbox.door import Door


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Embedded]:
    """A sandbox with every switch at its default."""
    with Embedded() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Embedded) -> Embedded:
    """The shared sandbox, with an empty account, no faults, and the clock set right."""
    door = Door(shared_sandbox.base_url, shared_sandbox.api_key)
    assert door.ask("POST", "/_sandbox/reset").status == 200
    door.faults("")
    door.connection.close()
    return shared_sandbox


@pytest.fixture
def open_door() -> Iterator[Callable[[Embedded], Door]]:
    """Opens connections to a sandbox, as many as a test wants; they are closed after it."""
    with ExitStack() as opened:

        def open_one(sandbox: Embedded) -> Door:
            door = Door(sandbox.base_url, sandbox.api_key)
            opened.callback(door.connection.close)
            return door

        yield open_one


@pytest.fixture
def door(sandbox: Embedded, open_door: Callable[[Embedded], Door]) -> Door:
    """A connection to the shared sandbox."""
    return open_door(sandbox)


@pytest.fixture
def start() -> Iterator[Callable[..., Embedded]]:
    """Starts sandboxes of one's own; they are stopped after the test."""
    with ExitStack() as started:

        def start_one(
            *, faults: str = "", options: Mapping[str, str] | None = None, seed: int = 0
        ) -> Embedded:
            return started.enter_context(Embedded(faults=faults, options=options, seed=seed))

        yield start_one
