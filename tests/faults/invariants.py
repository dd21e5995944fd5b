"""What must hold when a run has come to its end, however often it was killed (DESIGN §4).

Compares three that do not know each other: the source (`cases.py`), the run folder, and the
sandbox. Returns sentences; none means that everything is in order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.model import Status
from pipeline.operations import Repeat, find
from pipeline.run import Run
from pipeline.stages.delivery.verdicts import NOT_ISOLATED
from tests.faults.cases import DELIVERED, REFUSED, REJECTED, Case, Mark, marks_in
from tests.faults.ends import differences
from tests.faults.oracle import Oracle

IN_DOUBT = Status.IN_DOUBT
CONCURRENCY = 4
"""Requests that a killed loader may have had under way."""
CLEAR = (429, 409)
"""Statuses of faults that leave no doubt; a 503 does neither where it says when to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run at its end: its rows by number, and every row that the sandbox applied, in order."""

    case: Case
    run: Run
    oracle: Oracle
    results: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    applied: list[int]
    """Numbers of rows in the order of their application; the first of those that look alike."""
    kills: int

    @classmethod
    def of(cls, case: Case, run: Run, oracle: Oracle, kills: int) -> "Ended":
        requests, rows_of = oracle.requests(case), case.rows_of()
        done = [mark for one in requests if one["applied"] for mark in marks_in(one)]
        return cls(
            case=case,
            run=run,
            oracle=oracle,
            results=run.results.to_dicts(),
            requests=requests,
            applied=[rows_of[mark][0] for mark in done if mark in rows_of],
            kills=kills,
        )

    def statuses(self) -> dict[int, str]:
        return {result["row"]: result["status"] for result in self.results}


def violations(ended: Ended) -> list[str]:
    """Return what does not hold."""
    found = [*_books(ended), *_together(ended)]
    if len(ended.statuses()) == len(ended.case.lines):  # else there is nothing to compare with
        repeat = find(ended.case.operation).repeat
        by_class = {Repeat.SAFE: _safe, Repeat.KEYED: _keyed, Repeat.NEVER: _never}[repeat]
        found += [*_each_row(ended, repeat), *by_class(ended)]
    return found


def _books(ended: Ended) -> Iterator[str]:
    """Rows = sum of statuses = results; one result per row; the exit code says how it went."""
    rows, totals = len(ended.case.lines), ended.run.ended.totals
    counts = {status: count for status, count in totals.by_status.items() if count}
    if totals.rows != rows or sum(counts.values()) != rows or Status.PENDING in counts:
        yield f"{rows} rows in the source, {counts} in the ledger"
    numbers = Counter(result["row"] for result in ended.results)
    if sorted(numbers.elements()) != list(range(1, rows + 1)):
        missing = sorted(set(range(1, rows + 1)) - set(numbers))
        twice = [row for row, count in numbers.items() if count > 1]
        yield f"results are missing for rows {missing[:5]}, and twice there for {twice[:5]}"
    if counts != Counter(Status(result["status"]) for result in ended.results):
        yield "the results count other statuses than the ledger"
    bad = sum(counts.get(s, 0) for s in (REJECTED, REFUSED, Status.FAILED))
    if len(ended.run.failures) != bad:
        yield f"{len(ended.run.failures)} rows to mend, and {bad} that failed"
    if (code := ended.run.ended.exit_code) != (counts.get(DELIVERED, 0) < rows):
        yield f"exit code {code} for {counts}"


def _each_row(ended: Ended, repeat: Repeat) -> Iterator[str]:
    """Each row has its own key and the status that is known beforehand, or is in doubt."""
    for result in ended.results:
        row, status = result["row"], result["status"]
        expected = ended.case.expected(row)
        may_be = {expected}
        if repeat is Repeat.NEVER and expected is not REJECTED:
            may_be.add(IN_DOUBT)
        if expected is REFUSED and result["error_title"] == NOT_ISOLATED:
            may_be.add(Status.FAILED)  # nothing was delivered with it, and the API named no row
        if status not in may_be:
            why = f"{result['error_title']}: {result['error_details']}"
            yield f"row {row} is {status} ({why}) and should be {expected}"
        if status != REJECTED and result["key"] != ended.case.keyed(row):
            yield f"row {row} has the result of {result['key']}"


def _together(ended: Ended) -> Iterator[str]:
    """Two requests that share a key are never in flight together, unless they only read."""
    overlaps = ended.oracle.state()["overlaps"]
    if overlaps["max"] > 1 and find(ended.case.operation).lanes:
        yield f"requests of one key in flight together: {overlaps['keys']}"


def _in_order(ended: Ended) -> Iterator[str]:
    """Of each key, the last row that was applied never goes back in the file."""
    last: dict[tuple[str, ...], int] = defaultdict(int)
    for row in ended.applied:
        what = ended.case.changes(row)
        if row < last[what]:
            yield f"row {row} of {what} was applied after row {last[what]}"
        last[what] = max(last[what], row)


def _safe(ended: Ended) -> Iterator[str]:
    """What was delivered was applied, in order, and the end state is that of one delivery."""
    if find(ended.case.operation).method != "GET":
        for mark, delivered, applied in _counts(ended):
            if applied < delivered:
                yield f"{mark}: {delivered} rows are delivered, {applied} were applied"
    yield from _in_order(ended)
    yield from differences(ended.case, ended.oracle, ended.results)


def _keyed(ended: Ended) -> Iterator[str]:
    """What was delivered was applied once, and in order; nothing else was."""
    for mark, delivered, applied in _counts(ended):
        if applied != delivered:
            yield f"{mark}: {delivered} rows are delivered, {applied} were applied"
    yield from _in_order(ended)


def _counts(ended: Ended) -> Iterator[tuple[Mark, int, int]]:
    """Yield each mark, how many of its rows are delivered, and how often it was applied."""
    statuses, applied = ended.statuses(), Counter(ended.applied)
    for mark, rows in ended.case.rows_of().items():
        yield mark, sum(statuses[row] == DELIVERED for row in rows), applied[rows[0]]


def _never(ended: Ended) -> Iterator[str]:
    """Delivered exactly once, with the code that the account holds; else at most once."""
    codes = {one["code"]: one for one in ended.oracle.held("referrals")}
    made = Counter(
        (one["advocateProfileIntegrationId"], str(one["campaignId"])) for one in codes.values()
    )
    told: Counter[str] = Counter()
    statuses = ended.statuses()
    for result in ended.results:
        mark = ended.case.lines[result["row"] - 1][0]
        if result["status"] == DELIVERED:
            told[result["code"]] += 1
            found = codes.get(result["code"], {})
            if (found.get("advocateProfileIntegrationId"), str(found.get("campaignId"))) != mark:
                yield f"row {result['row']} has the code of {found or 'nobody'}"
    if repeated := [code for code, count in told.items() if count > 1]:
        yield f"codes told of more than one row: {repeated[:5]}"
    for mark, rows in ended.case.rows_of().items():
        counts = Counter(statuses[row] for row in rows)
        most = counts[DELIVERED] + counts[IN_DOUBT]
        if not counts[DELIVERED] <= made[mark] <= most:
            yield f"{made[mark]} codes of {mark}, whose rows {rows} are {dict(counts)}"
    yield from _doubts(ended)


def _doubts(ended: Ended) -> Iterator[str]:
    """Rows in doubt are those of requests that were cut off: by a fault, or by a kill."""
    batches = {result["batch"] for result in ended.results if result["status"] == IN_DOUBT}
    cut = sum(
        bool(one["fault"])
        and one["status"] not in CLEAR
        and not (one["status"] == 503 and "retry-after" in one["fault"])
        for one in ended.requests
    )
    if len(batches) > cut + ended.kills * CONCURRENCY:
        yield f"{len(batches)} batches in doubt, after {cut} faults and {ended.kills} kills"
