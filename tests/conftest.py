"""What every test may rely on: a clean environment, a named Hypothesis profile, one event loop.

Only what is of use to many folders lives here; a fixture of one room lives beside its tests.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pipeline import run_folder
from pipeline.ledger import Ledger
from pipeline.run_folder import RunFolder

# No deadline anywhere: the machines are shared, and speed is not what these tests are about.
SLOW_DRAWING = (HealthCheck.too_slow,)
settings.register_profile(
    "ci", max_examples=25, derandomize=True, deadline=None, suppress_health_check=SLOW_DRAWING
)
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=SLOW_DRAWING)
settings.register_profile(
    "nightly", max_examples=1000, deadline=None, suppress_health_check=SLOW_DRAWING
)
settings.load_profile("dev")  # `pytest --hypothesis-profile=NAME` takes another one

# What a developer's shell may hold, and what would send a test to a real API or through a proxy.
FOREIGN_PREFIXES = ("TALON_ONE_", "PIPELINE_")
FOREIGN_NAMES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC"})


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """No variable of the developer's shell reaches the program under test."""
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith(FOREIGN_PREFIXES) or name.upper() in FOREIGN_NAMES:
                environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio; a test of virtual time overrides this with trio's MockClock."""
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The folder of a run that has just begun."""
    return run_folder.create(tmp_path, "job", now=0.0, suffix="test")


@pytest.fixture
def ledger(folder: RunFolder) -> Iterator[Ledger]:
    """Its ledger, in which nothing stands."""
    ledger = Ledger.create(folder.ledger)
    yield ledger
    ledger.close()
