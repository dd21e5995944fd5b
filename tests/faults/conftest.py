"""The account that the cases are made for, and an oracle to ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.faults.cases import account
from tests.faults.oracle import Oracle


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """A sandbox as its own process, which sees all loaders of a test module die."""
    options = account(tmp_path_factory.mktemp("account"))
    with Embedded(options=options) as sandbox:
        yield Oracle(sandbox.base_url, sandbox.api_key)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for one round."""
    return tmp_path
