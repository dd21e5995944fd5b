"""Faults that the harness is for, each put into the loader's own process from outside.

A mutant breaks one law of the product (pipeline/README.md §3). If a round with it comes out clean,
the harness is blind to that law.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from msgspec.structs import replace

from pipeline import checkpoint, scribe, supply
from pipeline.checkpoint import Checkpoint, Course
from pipeline.ledger import Ledger
from pipeline.model import BatchLine, Change, Request, State
from pipeline.operations import Operation, catalogue
from pipeline.operations.operation import Repeat
from pipeline.scribe import Scribe
from pipeline.stages import results, staging
from pipeline.stages.delivery import LaneKeys
from pipeline.stages.delivery.lanes import Keys, Lanes, Ticket
from pipeline.stages.staging import Reached, Stager
from pipeline.transport.exchange import Exchanger


def staged_before_written() -> None:
    """Name each staged part in the ledger, and write it then."""
    _claim_first(staging, "stage")


def results_before_written() -> None:
    """Name each results part in the ledger, and write it then."""
    _claim_first(scribe, "name_results")


def _claim_first(writer: Any, claim: str) -> None:
    """Let *writer* write its parts only when *claim*, of the ledger, has named them."""
    write, name = writer.write_part, getattr(Ledger, claim)
    waiting: list[tuple[Any, ...]] = []

    def later(*args: Any) -> None:
        waiting.append(args)

    def named(*args: Any, **more: Any) -> Any:
        result = name(*args, **more)
        while waiting:
            write(*waiting.pop())
        return result

    writer.write_part = later
    setattr(Ledger, claim, named)


def no_lanes() -> None:
    """Let requests that share a key be in flight together."""
    enter = Lanes.enter

    def at_once(self: Lanes, keys: Keys, *, apart: bool = False) -> Ticket:
        return enter(self, frozenset, apart=apart)

    Lanes.enter = at_once


def parts_not_compared() -> None:
    """Take a part for apart that shares keys with one on its way."""
    lane_keys = supply.lane_keys

    def alone(
        operation: Operation, rows: pl.DataFrame, others: Iterable[LaneKeys] = ()
    ) -> LaneKeys:
        return lane_keys(operation, rows)

    vars(supply)["lane_keys"] = alone


def fresh_keys() -> None:
    """Give each attempt an idempotency key of its own."""
    attempt = vars(Exchanger)["_try"]

    async def forgetful(self: Exchanger, request: Request, *args: Any) -> Any:
        return await attempt(self, replace(request, idempotency_key=str(uuid.uuid4())), *args)

    Exchanger._try = forgetful


def doubts_sent_again() -> None:
    """Take what may be applied once only for harmless to repeat."""
    catalogue.OPERATIONS = tuple(
        replace(one, repeat=Repeat.SAFE) if one.repeat is Repeat.NEVER else one
        for one in catalogue.OPERATIONS
    )


def sending_not_written() -> None:
    """Send without having written down that it is being sent."""
    note = Scribe.note

    async def hasty(self: Scribe, change: Change) -> None:
        if change.line.state is not State.SENDING:
            await note(self, change)

    Scribe.note = hasty


def results_twice() -> None:
    """Write and name each results part a second time."""
    name_results = Ledger.name_results

    def twice(self: Ledger, file: str, batches: Sequence[BatchLine], *, provisional: bool) -> None:
        name_results(self, file, batches, provisional=provisional)
        name_results(self, f"again-{file}", batches, provisional=provisional)

    write = scribe.write_part

    def copied(frame: pl.DataFrame, path: Path) -> None:
        write(frame, path)
        write(frame, path.with_name(f"again-{path.name}"))

    Ledger.name_results = twice
    scribe.write_part = copied


def results_short() -> None:
    """Leave the last row out of each results part."""
    of_batches = results.of_batches
    results.of_batches = lambda *args, **more: of_batches(*args, **more).head(-1)


def results_on_wrong_rows() -> None:
    """Give the rows of each results part the numbers of others."""
    of_batches = results.of_batches
    results.of_batches = lambda *args, **more: of_batches(*args, **more).with_columns(
        pl.col("row").reverse()
    )


def batch_lost() -> None:
    """Skip one batch too many when an interrupted staging is gone through again."""
    staged_batches = Ledger.staged_batches

    def one_more(self: Ledger) -> Iterator[Any]:
        yield from staged_batches(self)
        if self.files("staged"):
            yield ()

    Ledger.staged_batches = one_more
    Stager._recognised = lambda self, batches: len(
        self.before.batches[self._batch : self._batch + len(batches.sizes)]
    )


def sought_too_little() -> None:
    """Begin one row too early behind the checkpoint: that row is staged twice."""
    skip = _skip()
    _set_skip(lambda self: max(0, skip(self) - 1))


def sought_too_far() -> None:
    """Begin one row too late behind the checkpoint: that row is never staged."""
    skip = _skip()
    _set_skip(lambda self: skip(self) + bool(self.rows))


def _skip() -> Callable[[Checkpoint], int]:
    getter: Callable[[Checkpoint], int] = vars(Checkpoint)["skip"].fget
    return getter


def _set_skip(skip: Callable[[Checkpoint], int]) -> None:
    setattr(Checkpoint, "skip", property(skip))  # noqa: B010 - to a type checker it is read-only


def rejects_sought_past() -> None:
    """Name a checkpoint behind rejected rows that are not written yet."""
    vars(checkpoint)["_covers"] = lambda reached, mark: mark.good <= reached.rows


def gathered_sought_past() -> None:
    """Name a checkpoint though rows before it still wait to be gathered."""
    after = Course.after

    def always(self: Course, reached: Reached, *, in_order: bool) -> Checkpoint:
        return after(self, reached, in_order=True)

    Course.after = always


MUTANTS: Mapping[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        staged_before_written,
        results_before_written,
        no_lanes,
        parts_not_compared,
        fresh_keys,
        doubts_sent_again,
        sending_not_written,
        results_twice,
        results_short,
        results_on_wrong_rows,
        batch_lost,
        sought_too_little,
        sought_too_far,
        rejects_sought_past,
        gathered_sought_past,
    )
}
