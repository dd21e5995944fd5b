"""Numbers as a person reads them: aligned tables, and the summary of a run.

Text in, text out; reads what a `Run` has to say, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.model import Status, Summary

REASONS_SHOWN = 10
REASON_LENGTH_MAX = 150
"""The results have the rest."""
BEFORE_SENDING = "rejected before sending"
"""What results say of a rejected row before they say why."""
GAP = "  "
MINUTES_FROM_S, HOURS_FROM_S = 120, 7200
BAD = (Status.REJECTED, Status.REFUSED, Status.FAILED, Status.IN_DOUBT)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return *lines* below *head*, in columns; those that only hold numbers stand to the right."""
    cells = [[_one_line(cell) for cell in line] for line in lines]
    columns = list(zip(head, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [bool(cells) and all(map(_is_number, column[1:])) for column in columns]

    def aligned(line: Sequence[str]) -> str:
        sides = zip(line, widths, right, strict=True)
        return GAP.join(c.rjust(w) if to_right else c.ljust(w) for c, w, to_right in sides).rstrip()

    return "\n".join(aligned(line) for line in [head, *cells])


def summary(ended: Summary) -> str:
    """Return what a run has come to, a fact a line."""
    totals = ended.totals
    found = [("rows", f"{totals.rows:,}")]
    found += [
        (status.value.replace("_", " "), f"{totals.of(status):,}")
        for status in Status
        if totals.of(status)
    ]
    found += [
        ("requests", f"{totals.requests:,} ({totals.retries:,} retries)"),
        ("seconds", f"{ended.seconds:,.1f} ({ended.rows_per_second:,.0f} rows/s)"),
        ("folder", ended.folder),
    ]
    return f"{ended.operation}: run {ended.run}\n{facts(found)}"


def foretold(ended: Summary) -> str:
    """Return what the real run would take, by what a rehearsal on a sandbox took; an estimate."""
    totals, settled = ended.totals, ended.totals.rows - ended.totals.of(Status.PENDING)
    attempts = totals.requests + totals.retries
    if not (settled and attempts and ended.seconds):
        return "Nothing was settled, so nothing can be said of how long the real run would take."
    whole = totals.rows / settled
    return (
        f"A rehearsal: on an account that answers like this sandbox, {totals.rows:,} rows would "
        f"take\nabout {duration(ended.seconds * whole)} and {attempts * whole:,.0f} requests "
        f"({attempts / ended.seconds:,.1f} a second). An estimate from what was\nmeasured here, "
        f"of {settled:,} rows in {ended.seconds:,.1f} s; the real API may be faster or slower."
    )


def duration(seconds: float) -> str:
    """Return *seconds* in the unit that one would say: 8 s, 12 min, 3.5 h."""
    if seconds < MINUTES_FROM_S:
        return f"{max(seconds, 1):.0f} s"
    if seconds < HOURS_FROM_S:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"


def comparison(ended: Mapping[str, Summary]) -> str:
    """Return a line for each of several runs, by its name."""
    head = ("file", "operation", "rows", "delivered", "rejected", "refused", "requests", "rows/s")
    statuses = (Status.DELIVERED, Status.REJECTED, Status.REFUSED)
    return table(
        head,
        [
            (
                name,
                run.operation,
                f"{run.totals.rows:,}",
                *(f"{run.totals.of(status):,}" for status in statuses),
                f"{run.totals.requests:,}",
                f"{run.rows_per_second:,.0f}",
            )
            for name, run in ended.items()
        ],
    )


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a line for each name and value; a value of nothing is left out."""
    return "\n".join(f"  {name:<12} {_one_line(value)}" for name, value in pairs if value)


def reasons(
    frame: Any,  # noqa: ANN401 - a polars frame
    *,
    most: int = REASONS_SHOWN,
) -> str:
    """Return the `Run.reasons` in *frame*, the most frequent first; "" when all rows arrived."""
    found = list(frame.head(most + 1).iter_rows())
    lines = [
        (f"{rows:,}", status.replace("_", " "), f"{first:,}", _reason(title, details))
        for status, title, details, rows, first in found[:most]
    ]
    if not lines:
        return ""
    more = "\n… and others" if len(found) > most else ""
    return table(("rows", "status", "first row", "reason"), lines) + more


def not_delivered(ended: Summary) -> int:
    """Return how many rows somebody has to look at."""
    return sum(ended.totals.of(status) for status in BAD)


def rejected(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rejected *rows*, each with all its reasons: number, line and reasons."""
    lines = [
        (str(row["row"]), str(row["line"] or ""), _cut(reason))
        if n == 0
        else ("", "", _cut(reason))
        for row in rows
        for n, reason in enumerate(row["reasons"])
    ]
    return table(("row", "line", "reason"), lines)


def _reason(title: str | None, details: str | None) -> str:
    """Return the reason alone where it says everything: of rejected rows."""
    if details and title == BEFORE_SENDING:
        title = ""
    return _cut(": ".join(filter(None, (title, details))))


def _cut(text: str) -> str:
    return text if len(text) <= REASON_LENGTH_MAX else f"{text[: REASON_LENGTH_MAX - 1]}…"


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", "\\t")


def _is_number(text: str) -> bool:
    return not text.strip("0123456789,.%-")
