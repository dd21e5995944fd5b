"""The table of transitions, read as sentences."""

import pytest

from pipeline.errors import InvariantBroken
from pipeline.ledger.states import FINAL, TRANSITIONS, check
from pipeline.model import State


def test_every_state_has_a_line_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("state", [State.DELIVERED, State.REFUSED, State.FAILED, State.SPLIT])
@pytest.mark.parametrize("after", list(State))
def test_what_is_settled_stays_settled(state: State, after: State) -> None:
    with pytest.raises(InvariantBroken, match=f"{state} cannot become {after}"):
        check(state, after)


@pytest.mark.parametrize("state", sorted(set(State) - {State.IN_DOUBT}))
def test_no_state_follows_itself(state: State) -> None:
    with pytest.raises(InvariantBroken):
        check(state, state)


@pytest.mark.parametrize("after", sorted(set(State) - {State.SPLIT}))
def test_a_doubt_can_be_settled_or_stay_one_of_which_more_is_known(after: State) -> None:
    check(State.IN_DOUBT, after)


def test_a_doubt_is_not_split() -> None:
    """Nothing is known of it: there is no answer that could divide its rows."""
    with pytest.raises(InvariantBroken):
        check(State.IN_DOUBT, State.SPLIT)


def test_a_leaf_that_is_pending_sending_or_split_gives_its_rows_no_status() -> None:
    assert set(State) - set(FINAL) == {State.PENDING, State.SENDING, State.SPLIT}
