"""Stagings that are interrupted, one process after the other, and one that nothing interrupts.

Sizes of everything are given, a process dies as it names a part, and readers count what they give.
Knows how a staging is driven; never what must hold of it.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from pipeline import journey as journeys
from pipeline import preparation
from pipeline.checkpoint import Checkpoint
from pipeline.clock import SystemClock
from pipeline.config.job import Job
from pipeline.config.toml import Overrides, job_from
from pipeline.journey import Journey
from pipeline.ledger import CHECKPOINT, ROWS, Ledger
from pipeline.model import BatchId, StagedPart
from pipeline.parts import read_part
from pipeline.preparation import Preparation
from pipeline.run_folder import RunFolder
from pipeline.stages import batching, staging
from pipeline.stages.batching import Batcher
from pipeline.stages.source import BEGINNING, Block, Start, csv
from pipeline.stages.source.locate import Reader

FIELDS = {
    "profiles": ("integrationId", "attributes.Note"),
    "coupon-reservations": ("integrationId", "couponValue"),
    "profiles-one-by-one": ("integrationId", "attributes.Note"),
    "sessions": ("customerSessionId", "cartItem.sku"),
}
"""A bulk operation, one that gathers, one that sends row by row, and one that folds."""
SEQ = {
    "profiles": "attributes.Seq",
    "coupon-reservations": "",
    "profiles-one-by-one": "attributes.Seq",
    "sessions": "cartItem.quantity",
}


class Died(BaseException):
    """The process is gone."""


class Sizes(Struct, frozen=True, kw_only=True):
    """How large all that has a size is."""

    block_rows: int
    block_bytes: int
    batch_rows: int
    body_bytes: int
    pool_rows: int
    part_rows: int
    rejected_rows: int
    parts_between: int

    @contextmanager
    def set(self) -> Iterator[None]:
        """Let everything have these sizes, for the block."""
        batcher = Batcher.__init__.__kwdefaults__
        places: list[tuple[dict[str, Any], str, int]] = [
            (vars(preparation), "BLOCK_ROWS", self.block_rows),
            (csv.open_csv.__kwdefaults__, "block_bytes", self.block_bytes),
            (batcher, "rows_max", self.batch_rows),
            (batcher, "body_bytes_max", self.body_bytes),
            (batcher, "pool_rows_max", self.pool_rows),
            (vars(batching), "SOME_ROWS", self.batch_rows),
            (vars(staging), "FIRST_PART_ROWS", self.part_rows),
            (vars(staging), "PART_ROWS", self.part_rows),
            (vars(staging), "REJECTED_ROWS_MAX", self.rejected_rows),
            (vars(staging), "PARTS_BETWEEN_REJECTED", self.parts_between),
        ]
        before = [place[name] for place, name, _ in places]
        try:
            for place, name, size in places:
                place[name] = size
            yield
        finally:
            for (place, name, _), size in zip(places, before, strict=True):
                place[name] = size


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A process dies when it names its part number *part*, before or after that is durable."""

    part: int
    named: bool


class Mortal(Ledger):
    """A ledger in whose hands a process may die."""

    death: Death | None = None
    parts = 0

    def stage(self, part: StagedPart, checkpoint: str | None = None) -> tuple[BatchId, ...]:
        self.parts += 1
        due = self.death is not None and self.parts == self.death.part
        if due and self.death and not self.death.named:
            raise Died
        numbers = super().stage(part, checkpoint)
        if due:
            raise Died
        return numbers


@dataclass(slots=True)
class Counting:
    """A reader that counts the rows it gives."""

    reader: Reader
    rows: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def blocks(self, start: Start = BEGINNING) -> Iterator[Block]:
        for block in self.reader.blocks(start):
            self.rows += block.frame.height + block.broken.height
            yield block


@dataclass(slots=True, kw_only=True)
class Staging:
    """A run folder in which one source is staged, by one process after the other."""

    job: Job
    folder: RunFolder
    read_by: list[int] = field(default_factory=list)
    """How many rows each process has read."""

    def begin(self) -> "Staging":
        for path in (self.folder.staged, self.folder.rejected, self.folder.results):
            path.mkdir(parents=True)
        Ledger.create(self.folder.ledger).close()
        return self

    def process(self, death: Death | None = None) -> bool:
        """Stage until the end or *death*; return whether it lived."""
        ledger = Mortal.open(self.folder.ledger)
        assert isinstance(ledger, Mortal)
        ledger.death = death
        journey = Journey(
            job=self.job,
            folder=self.folder,
            ledger=ledger,
            tell=lambda _: None,
            clock=SystemClock(),
        )
        prepared = Preparation(self.job)
        readers = [Counting(reader) for reader in prepared.source.readers]
        prepared.source = replace(prepared.source, readers=tuple(readers))
        try:
            journeys.recover(journey)
            journeys.stage(journey, prepared)
        except Died:
            return False
        else:
            return True
        finally:
            self.read_by.append(sum(reader.rows for reader in readers))
            ledger.close()

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        ledger = Ledger.open(self.folder.ledger, readonly=True)
        try:
            yield ledger
        finally:
            ledger.close()

    def read(self, kind: str) -> list[pl.DataFrame]:
        with self.ledger() as ledger:
            place = self.folder.place(kind)
            assert {path.name for path in place.iterdir()} == set(ledger.files(kind))
            return [read_part(place / file) for file in ledger.files(kind)]

    def checkpoint(self) -> Checkpoint:
        with self.ledger() as ledger:
            fact = ledger.fact(CHECKPOINT)
        return Checkpoint.from_json(fact) if fact else Checkpoint()

    def outcome(self) -> dict[str, Any]:
        """What it has come to, but for batches and parts, whose cuts may differ."""
        with self.ledger() as ledger:
            rows = ledger.fact(ROWS)
            totals = ledger.totals()
        staged, rejected = self.read("staged"), self.read("rejected")
        places = ["file", "row", "line", "key"]
        return {
            "rows": rows,
            "totals": totals.by_status,
            "staged": Counter(row for part in staged for row in part.select(places).rows()),
            "content": sorted(str(row) for part in staged for row in part.drop("batch").rows()),
            "rejected": Counter(str(row) for part in rejected for row in part.rows()),
            "told": Counter(row for part in self.read("results") for row in part["row"]),
        }


class Case(Struct, frozen=True, kw_only=True):
    """Files, sizes, and the deaths of one process after the other."""

    operation: str
    files: Sequence[bytes]
    sizes: Sizes
    deaths: Sequence[Death]

    @contextmanager
    def staged(self) -> Iterator[tuple[Staging, Staging]]:
        """Yield a staging that these deaths have interrupted, and one that nothing has."""
        with self.begun() as (dying, whole):
            for death in self.deaths:
                if dying.process(death):
                    break
            else:
                assert dying.process()
            yield dying, whole

    @contextmanager
    def begun(self) -> Iterator[tuple[Staging, Staging]]:
        """Yield a staging of which nothing is done, and one that is finished."""
        with tempfile.TemporaryDirectory() as name, self.sizes.set():
            folder = Path(name)
            for number, content in enumerate(self.files):
                (folder / f"{number}.csv").write_bytes(content)
            job = job_from([str(folder / "*.csv")], overrides(self.operation))
            whole, dying = (
                Staging(job=job, folder=RunFolder(path=folder / one)).begin()
                for one in ("whole", "dying")
            )
            assert whole.process()
            yield dying, whole


def overrides(operation: str) -> Overrides:
    name = SEQ[operation]
    columns: dict[str, object] = {name: {"column": name, "type": "integer"}} if name else {}
    return Overrides(to=operation, columns=columns, empty="ok", max_rejected="100%")
