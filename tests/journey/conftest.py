"""One sandbox for this room, emptied for each test, and a way to carry a source all the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.journey.account import Account


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    with Embedded() as running:
        yield running


@pytest.fixture
def account(embedded: Embedded, tmp_path: Path) -> Account:
    """An empty account, without faults, and a folder for runs."""
    made = Account(embedded.base_url, embedded.api_key, tmp_path / "runs")
    made.lever("reset")
    made.faults("")
    return made
