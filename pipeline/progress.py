"""A progress bar that listens: rows read and rows settled, on a terminal or in a notebook.

Knows events and tqdm; never Click, never the journey, and decides nothing.
"""

import sys
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from pipeline.events import (
    Event,
    LimitChanged,
    RequestSent,
    RequestsSettled,
    RowsStaged,
    RunStarted,
    StagingFinished,
)
from pipeline.model import Status

GUESS_SHARE_MIN = 0.02
"""Of a source of which less was read, the number of rows is not guessed yet."""
BAD = (Status.REFUSED, Status.FAILED, Status.IN_DOUBT)
RATE = "{rate_noinv_fmt}{postfix}]"
ENDLESS = "{desc}: {n:,} rows [{elapsed}, " + RATE
"""How a bar looks as long as its end is not known."""
ENDING = "{desc}: {percentage:3.0f}%|{bar}| {n:,}/{total:,} rows [{elapsed}<{remaining}, " + RATE


class Bar:
    """Show how far a run is; a context manager, and a `Listener` inside of it.

        with Bar() as bar:
            verbs.stage(job, Terms(tell=bar, …))

    Two bars, each from the first thing that it has to show: rows read, and rejected; rows settled,
    and not delivered, and requests in flight. The end of the second is a guess until the source is
    read. make: a tqdm class; None: that of a notebook, of a terminal, or none, as it suits.
    """

    def __init__(self, make: Callable[..., Any] | None = None) -> None:
        self._make = make or _suitable()
        self._reading: Any = None
        self._delivery: Any = None
        self._rows: int | None = None
        """How many rows there are to settle; None: not known, not even by guess."""
        self._settled = self._bad = self._in_flight = 0
        self._found = ""
        """How much the API takes, where that is found out."""
        self._gone = False

    def __enter__(self) -> Self:
        """Show nothing yet: a bar comes with what it has to show."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bars as they stand, and the cursor below them."""
        for bar in (self._reading, self._delivery):
            if bar is not None and not self._gone:
                bar.close()

    def __call__(self, event: Event) -> None:
        """Show what *event* says. A terminal that has gone away does not end a run."""
        if self._gone:
            return
        try:
            self._show(event)
        except OSError:
            self._gone = True

    def write(self, text: str) -> None:
        """Print a line above the bars, to standard error."""
        from tqdm import tqdm  # noqa: PLC0415 - this file is imported before it is known to be used

        tqdm.write(text, file=sys.stderr)

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._settled, self._rows = event.rows_settled, event.rows_total
            case RowsStaged():
                self._read(event.read, event.rejected, event.share_read)
            case StagingFinished():
                self._read(event.rows, event.rejected, 1.0)
                self._reading.close()
            case LimitChanged():
                rate = "" if event.rate is None else f", {event.rate:,.0f}/s"
                self._found = f" of {event.limit}{rate}"
            case RequestSent():
                self._in_flight = event.in_flight
                self._deliver()
            case RequestsSettled():
                self._settled += sum(event.rows.values())
                self._bad += sum(event.rows.get(status, 0) for status in BAD)
                self._in_flight = max(0, self._in_flight - event.requests)
                self._deliver()

    def _read(self, rows: int, rejected: int, share: float | None) -> None:
        if self._reading is None:
            self._reading = self._bar("reading", position=0)
        guess = None
        if share is not None and share >= GUESS_SHARE_MIN:
            guess = max(rows, round(rows / share))
            self._rows = guess - round(rejected / share)
        _advance(self._reading, rows, guess, f"rejected {rejected:,}")

    def _deliver(self) -> None:
        if self._delivery is None:
            self._delivery = self._bar("delivery", position=1 if self._reading else 0)
        said = f"not delivered {self._bad:,}, in flight {self._in_flight}{self._found}"
        _advance(self._delivery, self._settled, self._rows, said)

    def _bar(self, what: str, *, position: int) -> Any:  # noqa: ANN401 - whichever tqdm it is
        looks = {"unit": " rows", "unit_scale": True, "dynamic_ncols": True}
        return self._make(desc=f"{what:>8}", position=position, bar_format=ENDLESS, **looks)


def _advance(bar: Any, rows: int, end: int | None, said: str) -> None:  # noqa: ANN401 - a tqdm
    """Set *bar* to *rows* of *end*; an end that is a guess may turn out too low."""
    bar.total = None if end is None else max(end, rows, 1)
    bar.bar_format = ENDLESS if end is None else ENDING
    bar.set_postfix_str(said, refresh=False)
    bar.update(rows - bar.n)


def _suitable() -> Callable[..., Any]:
    """Return a notebook's bar in a notebook; else a terminal's, which shows itself only on one."""
    from tqdm.asyncio import tqdm_asyncio  # noqa: PLC0415 - as in `write`
    from tqdm.auto import tqdm  # noqa: PLC0415 - as in `write`

    return partial(tqdm, disable=None if tqdm is tqdm_asyncio else False)
