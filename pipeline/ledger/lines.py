"""Lines of requests in SQL: how changes are written, and how a line is read back.

Every transition is checked before it is written, and the counters of a batch follow its requests.
"""

import sqlite3
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.errors import InvariantBroken
from pipeline.ledger import states
from pipeline.ledger.states import FINAL
from pipeline.model import ApiError, BatchId, Change, Positions, RequestLine, State, Status

STATUSES = tuple(FINAL.values())
COLUMNS = (
    "positions, state, parent, attempts, idempotency_key, digest, first_sent_at, sent_at, "
    "finished_at, http_status, error_title, error_details, error_pointer, answer"
)
PUT = (
    f"INSERT INTO requests (batch, {COLUMNS}) VALUES (?{', ?' * 14}) "
    "ON CONFLICT (batch, positions) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])
)
COUNTERS = (*STATUSES, "requests", "attempts")
COUNT = (
    f"UPDATE batches SET {', '.join(f'{name} = {name} + ?' for name in COUNTERS)} "
    "WHERE id = ? AND results IS NULL"
)
ASKED_MAX = 64
"""Requests asked for in one statement."""


def apply(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Write *changes*, in their order. Raises InvariantBroken for one that cannot follow."""
    known = _states(connection, changes)
    lines: list[tuple[object, ...]] = []
    counts: dict[BatchId, Counter[str]] = {change.batch: Counter() for change in changes}
    for change in changes:
        line, count = change.line, counts[change.batch]
        before = known.get((change.batch, str(line.positions)), State.PENDING)
        states.check(before, line.state)
        _check_split(change)
        if before is State.IN_DOUBT:
            count[Status.IN_DOUBT] -= len(line.positions)
        for request in (line, *change.children):
            known[change.batch, str(request.positions)] = request.state
            if request.state in FINAL:
                count[FINAL[request.state]] += len(request.positions)
            lines.append(_values(change.batch, request))
        count["requests"] += bool(change.attempts)
        count["attempts"] += change.attempts
    connection.executemany(PUT, lines)
    for batch, count in counts.items():
        written = connection.execute(COUNT, (*(count[name] for name in COUNTERS), batch))
        if not written.rowcount:
            raise InvariantBroken(f"batch {batch} is not there, or its results are written")


def _states(
    connection: sqlite3.Connection, changes: Sequence[Change]
) -> dict[tuple[BatchId, str], State]:
    """Return the state of each request that *changes* are about and that has a line already."""
    wanted: dict[BatchId, list[str]] = {}
    for change in changes:
        wanted.setdefault(change.batch, []).append(str(change.line.positions))
    known: dict[tuple[BatchId, str], State] = {}
    for batch, positions in wanted.items():
        for start in range(0, len(positions), ASKED_MAX):
            asked = positions[start : start + ASKED_MAX]
            places = ", ".join("?" * len(asked))
            sql = "SELECT positions, state FROM requests WHERE batch = ? AND positions IN"
            found = connection.execute(f"{sql} ({places})", (batch, *asked))
            known |= {(batch, place): State(state) for place, state in found}
    return known


def _check_split(change: Change) -> None:
    """Raise InvariantBroken unless the children, if any, divide the rows of a split request."""
    places = sorted(place for child in change.children for place in child.positions)
    split = change.line.state is State.SPLIT
    if places != (list(change.line.positions) if split else []):
        raise InvariantBroken(
            f"batch {change.batch}: a request that is {change.line.state} has rows "
            f"{change.line.positions}, and its parts do not add up to them"
        )


def _values(batch: BatchId, line: RequestLine) -> tuple[object, ...]:
    return (
        batch,
        str(line.positions),
        line.state,
        str(line.parent) if line.parent else None,
        line.attempts,
        line.idempotency_key or None,
        line.digest or None,
        line.first_sent_at,
        line.sent_at,
        line.finished_at,
        line.http_status,
        line.error.title or None,
        line.error.details or None,
        line.error.pointer or None,
        zlib.compress(line.answer, 1) if line.answer is not None else None,
    )


def read(values: Sequence[Any]) -> RequestLine:
    """Return the line that *values*, those of COLUMNS, write down."""
    (positions, state, parent, attempts, key, digest, first_sent, sent, finished,
     http_status, title, details, pointer, answer) = values  # fmt: skip
    return RequestLine(
        positions=Positions.parse(positions),
        state=State(state),
        parent=Positions.parse(parent) if parent else None,
        attempts=attempts,
        idempotency_key=key or "",
        digest=digest or "",
        first_sent_at=first_sent,
        sent_at=sent,
        finished_at=finished,
        http_status=http_status,
        error=ApiError(title=title or "", details=details or "", pointer=pointer or ""),
        answer=zlib.decompress(answer) if answer is not None else None,
    )
