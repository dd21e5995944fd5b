"""The ledger as a state machine: any legal history, a crash after any step, and the books balance.

The model beside it is a dict of positions per request, counted anew after each step. A crash is a
connection that is dropped without a goodbye; what was returned from must be there afterwards.
"""

import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from pipeline.errors import InvariantBroken
from pipeline.ledger import Ledger
from pipeline.ledger.states import FINAL, TRANSITIONS
from pipeline.model import (
    ApiError,
    Aside,
    BatchId,
    Change,
    Positions,
    RequestLine,
    StagedPart,
    State,
    Status,
)

LEAVES = (State.DELIVERED, State.REFUSED, State.FAILED, State.IN_DOUBT)
SETTLED = {status.value: status for status in FINAL.values()}


@dataclass(slots=True)
class Known:
    """What the model knows of a batch."""

    rows: int
    first_row: int
    requests: dict[Positions, RequestLine] = field(default_factory=dict)
    sent: int = 0
    attempts: int = 0
    results: str = ""
    provisional: bool = False
    folded: Counter[Status] = field(default_factory=Counter)

    @property
    def unnamed(self) -> Positions:
        named = {place for positions in self.requests for place in positions}
        return Positions.of(set(range(self.rows)) - named)

    @property
    def statuses(self) -> Counter[Status]:
        """Rows by status, recounted from the requests."""
        counted = Counter(self.folded)
        for positions, line in self.requests.items():
            if line.state in FINAL:
                counted[FINAL[line.state]] += len(positions)
        return counted

    @property
    def settled(self) -> bool:
        return self.statuses.total() == self.rows


class Books(RuleBasedStateMachine):
    """Stage, send, settle, split, write results, withdraw them, crash."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.sqlite"
        self.batches: dict[int, Known] = {}
        self.rejected = self.staged_parts = self.rejected_parts = self.results_parts = 0
        self.read = 0

    @initialize()
    def create(self) -> None:
        self.ledger = Ledger.create(self.path)

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    # ── what may happen ──────────────────────────────────────────────────────────────────────

    @rule(sizes=st.lists(st.integers(1, 12), max_size=3), rejected=st.integers(0, 3))
    def stage(self, sizes: list[int], rejected: int) -> None:
        if not sizes and not rejected:
            return
        lines = []
        for rows in sizes:
            lines.append((rows, self.read + 1))
            self.read += rows
        self.staged_parts += bool(sizes)
        self.rejected_parts += bool(rejected)
        part = StagedPart(
            file=f"part-{self.staged_parts}.parquet" if sizes else "",
            batches=tuple(lines),
            aside=(self.aside(rejected),) if rejected else (),
        )
        numbers = self.ledger.stage(part)
        assert list(numbers) == list(
            range(len(self.batches) + 1, len(self.batches) + 1 + len(lines))
        )
        for number, (rows, first_row) in zip(numbers, lines, strict=True):
            self.batches[number] = Known(rows=rows, first_row=first_row)
        self.rejected += rejected
        self.read += rejected

    def aside(self, rows: int) -> Aside:
        file = f"rejected-{self.rejected_parts}.parquet"
        return Aside(status=Status.REJECTED, file=file, rows=rows)

    @precondition(lambda self: self.movable())
    @rule(data=st.data())
    def settle_some(self, data: st.DataObject) -> None:
        """Commit a group of legal changes in one transaction."""
        changes = [
            self.change(data, data.draw(st.sampled_from(movable)))
            for _ in range(data.draw(st.integers(1, 3)))
            if (movable := self.movable())
        ]
        self.ledger.commit(changes)

    @precondition(lambda self: any(b.requests for b in self.batches.values()))
    @rule(data=st.data())
    def break_the_law(self, data: st.DataObject) -> None:
        """An illegal transition, in a group with a legal one: an error, and nothing happens."""
        number = data.draw(st.sampled_from([n for n, b in self.batches.items() if b.requests]))
        line = data.draw(st.sampled_from(list(self.batches[number].requests.values())))
        illegal = [state for state in State if state not in TRANSITIONS[line.state]]
        bad = Change(
            batch=BatchId(number), line=replace(line, state=data.draw(st.sampled_from(illegal)))
        )
        group = [bad]
        if unnamed := self.batches[number].unnamed:
            legal = RequestLine(positions=unnamed, state=State.DELIVERED)
            group.insert(0, Change(batch=BatchId(number), line=legal, attempts=1))
        with pytest.raises(InvariantBroken):
            self.ledger.commit(group)

    @precondition(lambda self: self.writable(doubts=False) or self.writable(doubts=True))
    @rule(data=st.data(), rows_max=st.integers(1, 30))
    def write_results(self, data: st.DataObject, rows_max: int) -> None:
        doubts = data.draw(st.sampled_from([d for d in (False, True) if self.writable(doubts=d)]))
        found = self.ledger.unwritten(rows_max=rows_max, doubts=doubts)
        expected = self.writable(doubts=doubts)
        assert [line.id for line in found] == expected[: len(found)]
        assert sum(line.rows for line in found[:-1]) < rows_max
        assert len(found) == len(expected) or sum(line.rows for line in found) >= rows_max
        self.results_parts += 1
        file = f"part-{self.results_parts}.parquet"
        self.ledger.name_results(file, found, provisional=doubts)
        for line in found:
            known = self.batches[line.id]
            known.results, known.provisional = file, doubts
            if not doubts:
                known.folded = known.statuses
                known.requests = {}

    @rule()
    def withdraw(self) -> None:
        expected = {known.results for known in self.batches.values() if known.provisional}
        assert set(self.ledger.withdraw_provisional()) == expected
        for known in self.batches.values():
            if known.provisional:
                known.results, known.provisional = "", False

    @rule()
    def crash(self) -> None:
        """Nothing is said goodbye to: the file stands as the last commit left it."""
        gone = self.ledger
        self.ledger = Ledger.open(self.path)
        gone._connection.close()

    # ── what must hold ───────────────────────────────────────────────────────────────────────

    @invariant()
    def totals_are_a_recount(self) -> None:
        totals = self.ledger.totals()
        counted: Counter[Status] = Counter()
        for known in self.batches.values():
            counted += known.statuses
        assert totals.rows == sum(b.rows for b in self.batches.values()) + self.rejected
        assert totals.of(Status.REJECTED) == self.rejected
        for status in SETTLED.values():
            assert totals.of(status) == counted[status]
        assert sum(totals.by_status.values()) == totals.rows
        assert totals.batches == len(self.batches)
        assert totals.requests == sum(b.sent for b in self.batches.values())
        assert totals.retries == sum(b.attempts - b.sent for b in self.batches.values())

    @invariant()
    def every_batch_is_as_the_model_has_it(self) -> None:
        for number, known in self.batches.items():
            line = self.ledger.batch(BatchId(number))
            assert line is not None
            assert {request.positions: request for request in line.requests} == known.requests
            assert line.rows == known.rows
            if not known.results or known.provisional:
                places = Counter(
                    place
                    for request in line.requests
                    if request.state is not State.SPLIT
                    for place in request.positions
                )
                places.update(line.unnamed)
                assert places == Counter(range(known.rows))  # in one leaf, or unnamed

    @invariant()
    def open_batches_are_those_with_pending_rows(self) -> None:
        found = self.ledger.open_batches(after=BatchId(0), limit=10_000)
        assert [line.id for line in found] == [n for n, b in self.batches.items() if not b.settled]
        assert list(self.ledger.staged_batches()) == [
            (b.rows, b.first_row) for b in self.batches.values()
        ]
        doubtful = [
            number
            for number, known in self.batches.items()
            if known.statuses[Status.IN_DOUBT]
            or any(line.state is State.SENDING for line in known.requests.values())
        ]
        assert [line.id for line in self.ledger.doubtful()] == doubtful

    @invariant()
    def results_count_what_they_name(self) -> None:
        named = sum(known.rows for known in self.batches.values() if known.results)
        assert self.ledger.results_rows() == named + self.rejected

    # ── how changes are drawn ────────────────────────────────────────────────────────────────

    def movable(self) -> list[int]:
        """Batches whose results are not written, with a request that may change or be made."""
        return [
            number
            for number, known in self.batches.items()
            if not known.results
            and (known.unnamed or any(TRANSITIONS[r.state] for r in known.requests.values()))
        ]

    def writable(self, *, doubts: bool) -> list[int]:
        return [
            number
            for number, known in self.batches.items()
            if known.settled
            and not known.results
            and bool(known.statuses[Status.IN_DOUBT]) is doubts
        ]

    def change(self, data: st.DataObject, number: int) -> Change:
        """Draw a legal change of batch *number*, and let the model follow."""
        known = self.batches[number]
        alive = [line for line in known.requests.values() if TRANSITIONS[line.state]]
        if known.unnamed:
            places = data.draw(st.sets(st.sampled_from(list(known.unnamed)), min_size=1))
            alive.append(RequestLine(positions=Positions.of(places), state=State.PENDING))
        line = data.draw(st.sampled_from(alive))
        states = TRANSITIONS[line.state] - ({State.SPLIT} if len(line.positions) == 1 else set())
        after = data.draw(st.sampled_from(sorted(states)))
        attempts = data.draw(st.integers(0, 3))
        answer = data.draw(st.none() | st.binary(max_size=20))
        line = replace(
            line,
            state=after,
            attempts=line.attempts + attempts,
            answer=answer,
            error=ApiError(title=data.draw(st.text(max_size=5)), pointer="/x/1"),
            http_status=data.draw(st.none() | st.integers(200, 599)),
            sent_at=data.draw(st.none() | st.floats(0, 2e9)),
        )
        children = self.children(data, line) if after is State.SPLIT else ()
        for request in (line, *children):
            known.requests[request.positions] = request
        known.sent += bool(attempts)
        known.attempts += attempts
        return Change(batch=BatchId(number), line=line, children=children, attempts=attempts)

    def children(self, data: st.DataObject, line: RequestLine) -> tuple[RequestLine, ...]:
        cuts: dict[int, list[int]] = {}
        count = data.draw(st.integers(2, min(4, len(line.positions))))
        for index, place in enumerate(line.positions):
            cuts.setdefault(index if index < count else index % count, []).append(place)
        return tuple(
            RequestLine(
                positions=Positions.of(places),
                state=data.draw(st.sampled_from([State.PENDING, State.REFUSED])),
                parent=line.positions,
            )
            for places in cuts.values()
        )


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=30, stateful_step_count=25)


def test_what_was_not_committed_is_not_there_after_a_crash(tmp_path: Path) -> None:
    """A second connection sees nothing of an open transaction: the group is all or nothing."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.create(path)
    ledger.stage(StagedPart(file="part-1.parquet", batches=((3, 1),)))
    good = Change(
        batch=BatchId(1),
        line=RequestLine(positions=Positions.span(0, 2), state=State.DELIVERED),
        attempts=1,
    )
    of_no_batch = replace(good, batch=BatchId(99))
    with pytest.raises(InvariantBroken):
        ledger.commit([good, of_no_batch])
    ledger.close()
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("SELECT count(*) FROM requests").fetchone() == (0,)
        assert connection.execute("SELECT delivered, requests FROM batches").fetchone() == (0, 0)
    finally:
        connection.close()
