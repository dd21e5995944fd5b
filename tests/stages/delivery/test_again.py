"""What a crash left between sending and answer, and what a later delivery makes of it."""

import pytest
from msgspec.structs import replace

from pipeline.model import RequestLine, State
from pipeline.operations import Operation
from pipeline.stages.delivery.drafts import REPLAY_S
from tests.fakes.clock import EPOCH, FixedClock
from tests.stages.delivery.test_deliver import KEYED, NEVER, Road, Trip, batch_of


def crashed(operation: Operation) -> RequestLine:
    """The line that a crash between sending and answer leaves of a batch of one row."""
    first = Trip(Road(), operation=operation).carry(batch_of(1, ["a"]))
    assert first.books.changes[0].line.state is State.SENDING
    return first.books.changes[0].line


def again(operation: Operation, line: RequestLine, *, after_s: float) -> Trip:
    trip = Trip(Road(), operation=operation, clock=FixedClock(EPOCH + after_s))
    batch = batch_of(1, ["a"], line)
    trip.books.lines[batch[0].id, line.positions] = line
    return trip.carry(batch)


def test_what_was_sent_and_must_not_be_repeated_is_in_doubt() -> None:
    trip = again(NEVER, crashed(NEVER), after_s=1.0)
    assert trip.of("sent") == []
    assert trip.books.changes[-1].line.state is State.IN_DOUBT
    assert "interrupted" in trip.books.changes[-1].line.error.details


def test_what_has_a_key_is_repeated_with_it_and_told_when_it_was_first_sent() -> None:
    line = crashed(KEYED)
    trip = again(KEYED, line, after_s=REPLAY_S - 1)
    assert trip.road.sent == [(line.idempotency_key, EPOCH)]
    assert [change.line.state for change in trip.books.changes] == [State.DELIVERED]
    assert trip.books.changes[-1].line.first_sent_at == EPOCH


@pytest.mark.parametrize("after_s", [REPLAY_S, -1.0])
def test_a_key_of_an_age_that_is_too_high_or_unknown_is_in_doubt(after_s: float) -> None:
    trip = again(KEYED, crashed(KEYED), after_s=after_s)
    assert trip.of("sent") == []
    assert trip.books.changes[-1].line.state is State.IN_DOUBT


def test_a_key_is_never_used_for_other_bytes() -> None:
    trip = again(KEYED, replace(crashed(KEYED), digest="of an older version"), after_s=1.0)
    assert trip.of("sent") == []
    assert trip.books.changes[-1].line.state is State.IN_DOUBT
