"""Events as log lines: what matters, to whom, and how often."""

import json
from dataclasses import dataclass

import msgspec
import pytest

from pipeline.cli.console import Console
from pipeline.cli.lines import PROGRESS_S, REFUSALS_SHOWN, Lines
from pipeline.events import (
    AttemptFailed,
    Event,
    LimitChanged,
    Noticed,
    RequestsSettled,
    RowsRefused,
    RowsStaged,
    StagingFinished,
)
from pipeline.model import Status

FAILED = AttemptFailed(what="503", attempt=1, wait_s=0.5)
READ = StagingFinished(rows=7, rejected=2)
NOTICED = Noticed(text="two rows\ndid not arrive")
REFUSED = RowsRefused(rows=1, title="Bad", details="no such tier", batch=1, place=4)


@dataclass(slots=True)
class Watch:
    """A clock that is set by hand."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def told(*events: Event, console: Console, watch: Watch | None = None) -> list[str]:
    lines: list[str] = []
    tell = Lines(console, lines.append, watch or Watch())
    for event in events:
        tell(event)
    return lines


@pytest.mark.parametrize(
    ("console", "said"),
    [
        (Console(quiet=True), 1),
        (Console(), 2),
        (Console(verbose=True), 3),
    ],
)
def test_how_much_is_told_is_asked_for(console: Console, said: int) -> None:
    lines = told(FAILED, READ, NOTICED, console=console)
    assert len(lines) == said
    assert lines[-1] == "1970-01-01T00:00:00Z two rows did not arrive"


def test_what_the_api_was_found_to_take_is_a_detail() -> None:
    found = LimitChanged(limit=32, rate=285.04, why="status 429")
    begun = LimitChanged(limit=16, rate=None, why="all that was sent was taken")
    assert told(found, console=Console()) == []
    lines = told(found, begun, console=Console(verbose=True))
    assert [line.partition("Z ")[2] for line in lines] == [
        "sending up to 32 request(s) at a time, 285.0 a second: status 429",
        "sending up to 16 request(s) at a time: all that was sent was taken",
    ]


def test_only_the_first_refusals_are_told() -> None:
    assert len(told(*[REFUSED] * 20, console=Console())) == REFUSALS_SHOWN
    assert len(told(*[REFUSED] * 20, console=Console(verbose=True))) == 20


def test_a_log_says_from_time_to_time_how_far_the_run_is() -> None:
    watch = Watch()
    lines: list[str] = []
    tell = Lines(Console(), lines.append, watch)
    for _ in range(10):
        tell(RowsStaged(read=5000, rejected=0))
        tell(RequestsSettled(rows={Status.DELIVERED: 990, Status.REFUSED: 10}, requests=1))
        watch.seconds += PROGRESS_S / 4
    assert [line.partition("Z ")[2] for line in lines] == [
        "5,000 rows read, 4,000 settled, 40 of them not delivered",
        "5,000 rows read, 8,000 settled, 80 of them not delivered",
    ]


def test_a_json_log_has_the_events_as_they_are() -> None:
    (line,) = told(REFUSED, console=Console(log_format="json"))
    assert json.loads(line) == {
        "at": "1970-01-01T00:00:00Z",
        "event": "RowsRefused",
        **msgspec.structs.asdict(REFUSED),
    }
