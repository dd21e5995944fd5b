"""One sandbox for this room, whose rules give effects, emptied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.journey.account import Account


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    options = {"effects": "sample", "coupons": "SUMMER10,10$OFF %/é"}
    with Embedded(options=options) as running:
        yield running


@pytest.fixture
def account(embedded: Embedded, tmp_path: Path) -> Account:
    """An empty account and a folder for runs."""
    made = Account(embedded.base_url, embedded.api_key, tmp_path / "runs")
    made.lever("reset")
    return made
