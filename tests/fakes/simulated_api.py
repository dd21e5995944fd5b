"""The API and the ledger as the delivery sees them: pure, in memory, every request counted.

`Api` takes a request as JSON rows, refuses it when it holds a bad row, and says so in one of the
forms of API.md §2.10. `Books` keeps each change and sees that it may follow the one before it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.clock import Clock
from pipeline.errors import InvariantBroken
from pipeline.ledger import states
from pipeline.model import (
    Answer,
    BatchId,
    BatchLine,
    Change,
    Exchange,
    KeyFor,
    Noting,
    Positions,
    Request,
    RequestLine,
    State,
    Verdict,
)
from pipeline.operations import Operation
from pipeline.stages.delivery import Ports
from tests.fakes.clock import FixedClock

Naming = Callable[[Sequence[int]], Sequence[int | None]]
"""Indices of the bad rows → the index that each error of the answer names, or None."""
NAMING: Mapping[str, Naming] = {
    "all": lambda bad: bad,
    "the first": lambda bad: bad[:1],
    "nothing": lambda bad: (),
    "a place within the row": lambda bad: [None],
    "the last, then a place within the row": lambda bad: [bad[-1], None],
}


@dataclass(slots=True, kw_only=True)
class Api:
    """Refuses the keys in *bad*, each with its words; *missing* values with a 404."""

    operation: Operation
    bad: Mapping[str, str] = field(default_factory=dict)
    naming: str = "all"
    missing: frozenset[int] = frozenset()
    rows_max: int = 1000
    delivered: list[str] = field(default_factory=list)
    requests: int = 0

    async def exchange(
        self,
        request: Request,
        key_for: KeyFor | None,
        sent_before: float | None,
        note: Noting | None,
    ) -> Exchange:
        self.requests += 1
        if note is not None:
            await note()
        return self.judged(json.loads(request.body or b"[]"))

    def judged(self, rows: list[dict[str, object]]) -> Exchange:
        keys = [str(row[self.operation.key]) for row in rows]
        bad = [index for index, key in enumerate(keys) if key in self.bad]
        if len(rows) > self.rows_max:
            return exchanged(Verdict.TOO_LARGE, 413, b"too large")
        if self.missing & {row.get(self.operation.missing_names) for row in rows}:
            return exchanged(Verdict.REFUSED, 404, b'{"message": "audience not found"}')
        if not bad:
            self.delivered += keys
            return exchanged(Verdict.DELIVERED, 204, b"")
        named = NAMING[self.naming](bad) or [None]
        errors = [
            {
                "title": "Invalid",
                "details": self.bad[keys[bad[0] if index is None else index]],
                "source": {"pointer": self.pointer(index)},
            }
            for index in named
        ]
        if self.naming == "nothing":
            errors[0]["source"] = {}
        body = {"message": "The submitted data was invalid", "errors": errors}
        return exchanged(Verdict.REFUSED, 400, json.dumps(body).encode())

    def pointer(self, index: int | None) -> str:
        place = "attributes/A3"
        return f"/{place}" if index is None else f"/{self.operation.envelope}/{index}/{place}"


def exchanged(verdict: Verdict, status: int, body: bytes) -> Exchange:
    return Exchange(verdict=verdict, answer=Answer(status=status, body=body), attempts=1)


@dataclass(slots=True)
class Books:
    """What was recorded, request by request; an illegal change raises."""

    changes: list[Change] = field(default_factory=list)
    lines: dict[tuple[BatchId, Positions], RequestLine] = field(default_factory=dict)

    async def note(self, change: Change) -> None:
        before = self.lines.get((change.batch, change.line.positions))
        states.check(before.state if before else State.PENDING, change.line.state)
        self.changes.append(change)
        for line in (change.line, *change.children):
            self.lines[change.batch, line.positions] = line

    def leaves(self, batch: BatchLine) -> dict[int, RequestLine]:
        """Return the leaf of each place of *batch*. Raises where a place has two, or a stranger."""
        found: dict[int, RequestLine] = {}
        for (number, positions), line in self.lines.items():
            for place in positions if number == batch.id and line.state is not State.SPLIT else ():
                if place in found or place >= batch.rows:
                    raise InvariantBroken(f"place {place} of batch {number} is in two requests")
                found[place] = line
        return found


def ports(exchange: Callable[..., object], books: Books, clock: Clock | None = None) -> Ports:
    """Return ports that encode rows as a JSON list of their fields."""

    async def encode(operation: Operation, frame: pl.DataFrame) -> Request:
        names = [name for name in frame.columns if operation.field(name)]
        body = json.dumps(frame.select(names).to_dicts()).encode()
        return Request(method=operation.method, target=operation.path, body=body)

    return Ports(
        exchange=exchange,  # type: ignore[arg-type]
        note=books.note,
        encode=encode,
        clock=clock or FixedClock(),
    )
