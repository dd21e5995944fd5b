"""Parts on their way from staging to a delivery: from memory where it keeps up, else from disk."""

import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, Queue

import anyio
import polars as pl
import pytest
from anyio import to_thread

from pipeline.ledger import Ledger
from pipeline.model import StagedPart
from pipeline.operations import Operation, find
from pipeline.parts import write_part
from pipeline.run_folder import RunFolder
from pipeline.supply import AHEAD_ROWS, Supply

BOUND_S = 10.0
HEADSTART_S = 0.3
"""In which staging writes more parts than are kept in memory, if nothing holds it back."""
PROFILES = find("profiles")
assert isinstance(PROFILES, Operation)


@pytest.fixture
def some(folder: RunFolder, ledger: Ledger) -> Supply:
    return Supply(operation=PROFILES, ledger=ledger, folder=folder, complete=False)


def name_of(number: int) -> str:
    return f"part-{number:06}.parquet"


def write(to: Supply, number: int, *, height: int = 1) -> tuple[str, pl.DataFrame]:
    """Write and name a part of one batch, in which all rows are the same."""
    one = pl.DataFrame({"row": [number], "key": [f"c{number}"], "integrationId": [f"c{number}"]})
    file, rows = name_of(number), one[[0] * height]
    write_part(rows, to.folder.staged / file)
    to.ledger.stage(StagedPart(file=file, batches=((1, number),)))
    return file, rows


def stage(to: Supply, numbers: range, then: Callable[[Path], None] = lambda _path: None) -> None:
    """Stage parts one after the other, as staging does; *then* is told where each lies."""
    for number in numbers:
        file, rows = write(to, number)
        to.staged(file, rows)
        then(to.folder.staged / file)
    to.all_staged()


async def bodies(of: Supply) -> AsyncIterator[bytes]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(of.fill)
        async for draft in of.drafts():
            assert draft.request is not None
            assert draft.request.body is not None
            yield draft.request.body


def body(number: int) -> bytes:
    return b'{"customerProfiles":[{"integrationId":"c%d"}]}' % number


def test_a_delivery_that_keeps_up_finds_all_parts_in_memory(some: Supply) -> None:
    """The files are deleted as soon as staging has told of them."""
    some.room_s = BOUND_S

    async def deliver() -> list[bytes]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(to_thread.run_sync, stage, some, range(1, 30), Path.unlink)
            await anyio.sleep(HEADSTART_S)
            return [one async for one in bodies(some)]

    assert anyio.run(deliver) == [body(number) for number in range(1, 30)]


def test_a_delivery_that_takes_nothing_does_not_hold_staging_back(some: Supply) -> None:
    some.room_s = 0.001
    stage(some, range(1, 30))

    async def deliver() -> list[bytes]:
        return [one async for one in bodies(some)]

    assert anyio.run(deliver) == [body(number) for number in range(1, 30)]


def test_staging_waits_when_it_is_far_ahead_until_nobody_takes_any_more(some: Supply) -> None:
    some.room_s, told, fits = 0.001, Queue[int](), 4

    def stage_all() -> None:
        for number in range(1, 8):
            some.staged(*write(some, number, height=AHEAD_ROWS // fits))
            told.put(number)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(stage_all)
        assert [told.get(timeout=BOUND_S) for _ in range(4)] == [1, 2, 3, 4]
        with pytest.raises(Empty):
            told.get(timeout=HEADSTART_S)
        some.end()
        assert [told.get(timeout=BOUND_S) for _ in range(3)] == [5, 6, 7]


def test_a_part_that_is_told_of_after_it_was_read_takes_no_room(some: Supply) -> None:
    """It is named before it is told of, so the delivery may be first; its rows come once."""
    late = write(some, 1), write(some, 2)

    async def deliver() -> list[bytes]:
        found = []
        async for one in bodies(some):
            found.append(one)
            if one == body(2):
                for file, rows in late:
                    some.staged(file, rows)
                some.room_s = BOUND_S
                thread.submit(stage, some, range(3, 9), Path.unlink)
        return found

    began = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        assert anyio.run(deliver) == [body(number) for number in range(1, 9)]
    assert time.monotonic() - began < BOUND_S
