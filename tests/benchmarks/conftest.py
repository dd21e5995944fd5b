"""One compiled sink for all tests of this room, and a benchmark to ask for its programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import QUICK
from tests.benchmarks.sections import Bench
from tests.benchmarks.sink import Sink, build, running


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A benchmark of small sizes, in a folder of its own."""
    folder = tmp_path_factory.mktemp("bench")
    return Bench(sizes=QUICK, folder=folder, sink=build(folder))


@pytest.fixture
def sink_program(bench: Bench) -> Path:
    return bench.sink


@pytest.fixture
def sink(sink_program: Path) -> Iterator[Sink]:
    """A sink that answers at once."""
    with running(sink_program, latency_ms=0) as started:
        yield started
