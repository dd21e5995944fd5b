"""Lines of requests in SQL: how changes are written, and how a line is read back.

Every transition is checked before it is written, and the counters of a batch follow its requests.
"""

import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from pipeline.errors import InvariantBroken
from pipeline.ledger import states
from pipeline.ledger.states import FINAL
from pipeline.model import ApiError, BatchId, Change, Positions, RequestLine, State, Status


def element(number: int) -> str:
    """Return the SQL for an element of the list that a row of `json_each` is, from 0."""
    return f"json_extract(value, '$[{number}]')"


STATUSES = tuple(FINAL.values())
COLUMNS = (
    "positions, state, parent, attempts, idempotency_key, digest, first_sent_at, sent_at, "
    "finished_at, http_status, error_title, error_details, error_pointer, answer"
)
PUT = f"INSERT INTO requests (batch, {COLUMNS}) VALUES "
VALUES = f"(?{', ?' * 14})"
REPLACING = " ON CONFLICT (batch, positions) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:]
)
LINES_AT_ONCE = 32
"""Requests written by one statement: SQLite before 3.32 takes 999 values."""
TIMES, ANSWER = ("first_sent_at", "sent_at", "finished_at"), "answer"
EXACT = {name: f"CASE WHEN {name} NOT NULL THEN printf('%!.17g', {name}) END" for name in TIMES}
READ = ", ".join((EXACT | {ANSWER: f"hex({ANSWER})"}).get(n, n) for n in COLUMNS.split(", "))
"""COLUMNS as JSON can hold them; `read` reads them."""
COUNTERS = (*STATUSES, "requests", "attempts")
ADDED = ", ".join(f"{element(n)} AS {name}" for n, name in enumerate(("batch", *COUNTERS)))
COUNT = (
    f"UPDATE batches SET {', '.join(f'{n} = batches.{n} + added.{n}' for n in COUNTERS)} "
    f"FROM (SELECT {ADDED} FROM json_each(?)) AS added "
    "WHERE batches.id = added.batch AND results IS NULL"
)
STATES = (
    "SELECT json_group_array(json_array(r.batch, r.positions, r.state)) "
    "FROM json_each(?) AS asked CROSS JOIN requests AS r "
    f"ON r.batch = {element(0)} AND r.positions = {element(1)}"
)


def apply(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Write *changes*, in their order. Raises InvariantBroken for one that cannot follow."""
    known = _states(connection, changes)
    lines: dict[tuple[BatchId, str], RequestLine] = {}
    counts: dict[BatchId, Counter[str]] = {change.batch: Counter() for change in changes}
    for change in changes:
        line, count = change.line, counts[change.batch]
        before = known.get((change.batch, str(line.positions)), State.PENDING)
        states.check(before, line.state)
        _check_split(change)
        if before is State.IN_DOUBT:
            count[Status.IN_DOUBT] -= len(line.positions)
        for request in (line, *change.children):
            place = change.batch, str(request.positions)
            known[place], lines[place] = request.state, request
            if request.state in FINAL:
                count[FINAL[request.state]] += len(request.positions)
        count["requests"] += bool(change.attempts)
        count["attempts"] += change.attempts
    _put(connection, [_values(batch, line) for (batch, _), line in lines.items()])
    added = [(batch, *(count[name] for name in COUNTERS)) for batch, count in counts.items()]
    if connection.execute(COUNT, (json.dumps(added),)).rowcount != len(added):
        batches = ", ".join(map(str, counts))
        raise InvariantBroken(f"of batches {batches} one is not there, or its results are written")


def _put(connection: sqlite3.Connection, lines: Sequence[tuple[object, ...]]) -> None:
    """Write *lines*, a new one or in the place of an earlier one."""
    for start in range(0, len(lines), LINES_AT_ONCE):
        some = lines[start : start + LINES_AT_ONCE]
        sql = PUT + ", ".join([VALUES] * len(some)) + REPLACING
        connection.execute(sql, list(chain.from_iterable(some)))


def _states(
    connection: sqlite3.Connection, changes: Sequence[Change]
) -> dict[tuple[BatchId, str], State]:
    """Return the state of each request that *changes* are about and that has a line already."""
    asked = [(change.batch, str(change.line.positions)) for change in changes]
    ((found,),) = connection.execute(STATES, (json.dumps(asked),))
    return {(BatchId(batch), place): State(state) for batch, place, state in json.loads(found)}


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
    """Return the line that *values*, those of READ, write down."""
    (positions, state, parent, attempts, key, digest, first_sent, sent, finished,
     http_status, title, details, pointer, answer) = values  # fmt: skip
    return RequestLine(
        positions=Positions.parse(positions),
        state=State(state),
        parent=Positions.parse(parent) if parent else None,
        attempts=attempts,
        idempotency_key=key or "",
        digest=digest or "",
        first_sent_at=first_sent and float(first_sent),
        sent_at=sent and float(sent),
        finished_at=finished and float(finished),
        http_status=http_status,
        error=ApiError(title=title or "", details=details or "", pointer=pointer or ""),
        answer=zlib.decompress(bytes.fromhex(answer)) if answer else None,
    )
