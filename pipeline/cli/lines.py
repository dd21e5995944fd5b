"""Events as lines of a log, for a person or for a machine: `events` in, text out.

Knows which events matter to whom; never where the lines go.
"""

import json
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from pipeline.clock import Clock, stamp
from pipeline.events import (
    AttemptFailed,
    Event,
    LimitChanged,
    Noticed,
    RequestSent,
    RequestsSettled,
    ResultsWritten,
    RowsRefused,
    RowsStaged,
    RunStarted,
    StagingFinished,
)
from pipeline.model import Status

if TYPE_CHECKING:
    from pipeline.cli.console import Console

REFUSALS_SHOWN = 5
"""Later ones are in the results; with --verbose, all are shown."""
PROGRESS_S = 30.0
"""How often a log says how far the run is."""
BAD = (Status.REFUSED, Status.FAILED, Status.IN_DOUBT)


class Weight(IntEnum):
    """How much a line matters: warnings are never left out, details only shown when asked for."""

    DETAIL = 0
    NEWS = 1
    WARNING = 2


class Lines:
    """Tell *write* the lines of a log. clock: None leaves times, and regular progress, to a bar."""

    def __init__(
        self, console: "Console", write: Callable[[str], None], clock: Clock | None
    ) -> None:
        self._console = console
        self._write = write
        self._clock = clock
        self._least = Weight.NEWS
        if console.verbose:
            self._least = Weight.DETAIL
        if console.quiet:
            self._least = Weight.WARNING
        self._refusals = self._read = self._settled = self._bad = 0
        self._told_at = clock.monotonic() if clock else 0.0

    def __call__(self, event: Event) -> None:
        """Write the line of *event*, if it has one that matters enough."""
        text = _words(event)
        if (text or self._console.log_is_json) and self._weight(event) >= self._least:
            self._tell(text, type(event).__name__, asdict(event))
        self._tell_progress(event)

    def _tell(self, text: str, name: str, values: Mapping[str, object]) -> None:
        at = stamp(self._clock.now()) if self._clock else ""
        if self._console.log_is_json:
            self._write(json.dumps({"at": at, "event": name, **values}))
        else:
            self._write(f"{at or 'pipeline:'} {text}".replace("\n", " "))

    def _weight(self, event: Event) -> Weight:
        if isinstance(event, Noticed):
            return Weight.WARNING
        if isinstance(event, RowsRefused):
            self._refusals += 1
            return Weight.NEWS if self._refusals <= REFUSALS_SHOWN else Weight.DETAIL
        return Weight.NEWS if isinstance(event, RunStarted | StagingFinished) else Weight.DETAIL

    def _tell_progress(self, event: Event) -> None:
        if isinstance(event, RowsStaged):
            self._read = event.read
        elif isinstance(event, RequestsSettled):
            self._settled += sum(event.rows.values())
            self._bad += sum(event.rows.get(status, 0) for status in BAD)
        elif not isinstance(event, RequestSent):
            return
        if self._clock is None or self._least > Weight.NEWS:
            return
        now = self._clock.monotonic()
        if now - self._told_at >= PROGRESS_S:
            self._told_at = now
            read = f"{_rows(self._read)} read, " if self._read else ""
            text = f"{read}{self._settled:,} settled, {self._bad:,} of them not delivered"
            values = {"read": self._read, "settled": self._settled, "not_delivered": self._bad}
            self._tell(text, "Progress", values)


def _words(event: Event) -> str:  # noqa: C901, PLR0911 - a table, written as a match
    """Return what *event* says to a person; "" where it says nothing by itself."""
    match event:
        case RunStarted(rows_settled=0):
            return f"{event.operation}: run {event.run} begins, in {event.folder}"
        case RunStarted():
            done = f"{event.rows_settled:,} rows are done"
            return f"{event.operation}: run {event.run} goes on, {done}; in {event.folder}"
        case StagingFinished():
            return f"{_rows(event.rows)} read, {event.rejected:,} rejected"
        case LimitChanged():
            rate = "" if event.rate is None else f", {event.rate:,.1f} a second"
            return f"sending up to {event.limit} request(s) at a time{rate}: {event.why}"
        case AttemptFailed():
            wait = f"; again in {event.wait_s:.1f} s" if event.wait_s else ""
            return f"attempt {event.attempt} failed: {event.what}{wait}"
        case ResultsWritten():
            return f"results of {_rows(event.rows)} written: {event.part}"
        case RowsRefused():
            why = ": ".join(filter(None, (event.title, event.details)))
            return f"{_rows(event.rows)} refused: {why}"
        case Noticed():
            return event.text
    return ""


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
