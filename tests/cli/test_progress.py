"""The bars: what they count, and that nothing they do ends a run."""

import io
from functools import partial

from tqdm import tqdm

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
from pipeline.progress import Bar

BEGUN = RunStarted(run="r", folder="f", operation="profiles", rows_total=None)
RESUMED = RunStarted(run="r", folder="f", operation="profiles", rows_total=50, rows_settled=20)


def settled(rows: int, status: Status = Status.DELIVERED) -> RequestsSettled:
    return RequestsSettled(rows={status: rows}, requests=1)


def shown(*events: Event) -> list[str]:
    """What the bars show of *events* in the end, the last state of each."""
    screen = io.StringIO()
    with Bar(partial(tqdm, file=screen, mininterval=0, ncols=200)) as bar:
        for event in events:
            bar(event)
    states = screen.getvalue().replace("\r", "\n").splitlines()
    last = {state.partition(":")[0].strip(): state for state in states if ":" in state}
    return list(last.values())


def test_reading_has_a_bar_and_delivery_another() -> None:
    reading, delivery = shown(
        BEGUN,
        RowsStaged(read=40, rejected=4, share_read=0.5),
        RequestSent(in_flight=1),
        settled(30),
        StagingFinished(rows=80, rejected=8),
        RequestSent(in_flight=2),
        settled(42),
    )
    assert "reading: 100%" in reading
    assert "80/80 rows" in reading
    assert "rejected 8" in reading
    assert "72/72 rows" in delivery
    assert "in flight 1" in delivery


def test_the_bar_shows_how_much_the_api_takes() -> None:
    found = LimitChanged(limit=32, rate=285.04, why="status 429")
    (delivery,) = shown(BEGUN, found, RequestSent(in_flight=6))
    assert "in flight 6 of 32, 285/s" in delivery


def test_the_end_is_a_guess_until_the_source_is_read() -> None:
    _, delivery = shown(BEGUN, RowsStaged(read=40, rejected=4, share_read=0.5), settled(18))
    assert "18/72 rows" in delivery


def test_a_guess_that_was_too_low_is_not_passed() -> None:
    _, delivery = shown(BEGUN, RowsStaged(read=40, rejected=0, share_read=1.0), settled(41))
    assert "41/41 rows" in delivery


def test_without_a_guess_rows_are_counted_all_the_same() -> None:
    (reading,) = shown(BEGUN, RowsStaged(read=40, rejected=1))
    assert "40 rows" in reading
    assert "%" not in reading


def test_a_resumed_run_goes_on_where_it_stood() -> None:
    (delivery,) = shown(RESUMED, RequestSent(in_flight=1), settled(10))
    assert "30/50 rows" in delivery


def test_rows_that_did_not_arrive_are_counted_apart() -> None:
    (delivery,) = shown(RESUMED, settled(10, Status.REFUSED), settled(2, Status.IN_DOUBT))
    assert "not delivered 12" in delivery


def test_a_terminal_that_has_gone_ends_no_run() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    with Bar(partial(tqdm, file=Gone(), mininterval=0)) as bar:
        bar(RESUMED)
        bar(settled(10))
        bar(settled(10))


def test_where_there_is_no_terminal_nothing_is_shown() -> None:
    with Bar() as bar:
        bar(RESUMED)
        bar(settled(10))
