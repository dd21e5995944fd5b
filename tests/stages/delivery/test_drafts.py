"""What a crash left behind, and which keys a request occupies."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.model import BatchId, BatchLine, Positions, Request, RequestLine, State
from pipeline.operations import Operation, Repeat, find
from pipeline.stages.delivery.drafts import REPLAY_S, Draft, doubt_of, drafts, lane_keys, take

NOW = 1_790_000_000.0
PROFILES = find("profiles")
assert PROFILES is not None
SESSIONS = replace(
    PROFILES, rows_max=1, envelope="", lanes=("integrationId", "profileId"), repeat=Repeat.KEYED
)

REQUESTS = [Request(method="PUT", target=f"/{n}", body=b"") for n in range(3)]


def rows_of(count: int) -> pl.DataFrame:
    return pl.DataFrame({"integrationId": [f"p{n}" for n in range(count)]})


def batch_of(rows: int, *lines: RequestLine) -> BatchLine:
    return BatchLine(id=BatchId(1), file="part", start=0, rows=rows, requests=lines)


def line(positions: str, state: State) -> RequestLine:
    return RequestLine(positions=Positions.parse(positions), state=state)


def drawn(operation: Operation, batch: BatchLine, rows: pl.DataFrame) -> list[Draft]:
    requests = [] if operation.bulk else REQUESTS[: len(rows)]
    return list(drafts(batch, rows, lane_keys(operation, rows), requests))


@given(st.lists(st.sampled_from([None, *State]), min_size=1, max_size=30))
def test_what_is_open_is_drafted_once_and_nothing_else(states: list[State | None]) -> None:
    """None: the row is in no request yet."""
    lines = [
        RequestLine(positions=Positions.span(n, n + 1), state=state)
        for n, state in enumerate(states)
        if state is not None
    ]
    batch, rows = batch_of(len(states), *lines), rows_of(len(states))
    found = [place for draft in drawn(PROFILES, batch, rows) for place in draft.positions]
    open_ = (None, State.PENDING, State.SENDING)
    assert sorted(found) == [n for n, state in enumerate(states) if state in open_]
    assert len(drawn(PROFILES, batch, rows)) <= len(lines) + 1  # the unnamed rows go together


def test_a_single_row_operation_has_a_draft_for_each_row_with_its_request() -> None:
    batch = batch_of(3, line("1-2", State.DELIVERED))
    found = drawn(SESSIONS, batch, rows_of(3))
    assert [draft.positions for draft in found] == [Positions.span(0, 1), Positions.span(2, 3)]
    assert [draft.request for draft in found] == [REQUESTS[0], REQUESTS[2]]


def test_a_draft_occupies_the_keys_of_its_own_rows() -> None:
    whole = drawn(PROFILES, batch_of(3), rows_of(3))[0]
    part = drawn(PROFILES, batch_of(3, line("1-3", State.DELIVERED)), rows_of(3))[0]
    assert len(whole.keys()) == 3
    assert len(part.keys()) == 1
    assert part.keys() < whole.keys()


def test_equal_keys_meet_across_batches() -> None:
    first = drawn(PROFILES, batch_of(2), rows_of(2))[0]
    second = drawn(PROFILES, batch_of(5), rows_of(5))[0]
    assert len(first.keys() & second.keys()) == 2


def test_a_session_and_its_profile_are_two_keys() -> None:
    rows = rows_of(1).with_columns(profileId=pl.lit("q"))
    assert len(drawn(SESSIONS, batch_of(1), rows)[0].keys()) == 2


def test_sessions_of_nobody_do_not_wait_for_each_other() -> None:
    rows = rows_of(2).with_columns(profileId=pl.lit(None, pl.String))
    first, second = drawn(SESSIONS, batch_of(2), rows)
    assert len(first.keys()) == len(second.keys()) == 1
    assert first.keys().isdisjoint(second.keys())


@given(st.sets(st.integers(0, 19)))
def test_rows_are_taken_by_their_places(places: set[int]) -> None:
    taken = take(rows_of(20), Positions.of(places))
    assert taken["integrationId"].to_list() == [f"p{n}" for n in sorted(places)]


def interrupted(*, age: float = 10.0, digest: str = "d", state: State = State.SENDING) -> Draft:
    sent = replace(line("0-1", state), first_sent_at=NOW - age, digest=digest)
    return Draft(
        batch=batch_of(1), part=rows_of(1), positions=sent.positions, keys=frozenset, line=sent
    )


@pytest.mark.parametrize(
    ("repeat", "draft", "doubtful"),
    [
        (Repeat.SAFE, interrupted(age=10 * REPLAY_S, digest="other"), False),
        (Repeat.NEVER, interrupted(age=0.0), True),
        (Repeat.NEVER, interrupted(state=State.PENDING), False),
        (Repeat.KEYED, interrupted(age=REPLAY_S - 1), False),
        (Repeat.KEYED, interrupted(age=REPLAY_S), True),
        (Repeat.KEYED, interrupted(age=-1.0), True),  # the clock was set back: nobody can tell
        (Repeat.KEYED, interrupted(digest="other"), True),
        (Repeat.KEYED, interrupted(digest="other", state=State.PENDING), False),
    ],
)
def test_what_was_interrupted_is_repeated_only_where_that_is_safe(
    repeat: Repeat, draft: Draft, doubtful: bool
) -> None:
    assert bool(doubt_of(draft, repeat, now=NOW, digest="d")) is doubtful


def test_what_was_never_sent_is_in_no_doubt() -> None:
    draft = replace(interrupted(), line=None)
    assert doubt_of(draft, Repeat.NEVER, now=NOW, digest="d") == ""
