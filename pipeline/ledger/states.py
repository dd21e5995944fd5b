"""The states of a request, and which may follow which; pure, and the only place that says so.

Knows neither SQL nor what made a request change. A leaf request's state is the status of its rows.
"""

from pipeline.errors import InvariantBroken
from pipeline.model import State, Status

TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset(State) - {State.PENDING},
    # Back to pending: certainly not applied (or harmless to repeat), and the run stops.
    State.SENDING: frozenset(State) - {State.SENDING},
    # A doubt may be settled later by asking the API, or by a replay that is known to be safe; or
    # it stays one, of which more is known.
    State.IN_DOUBT: frozenset(State) - {State.SPLIT},
    State.DELIVERED: frozenset(),
    State.REFUSED: frozenset(),
    State.FAILED: frozenset(),
    State.SPLIT: frozenset(),
}

FINAL: dict[State, Status] = {
    State.DELIVERED: Status.DELIVERED,
    State.REFUSED: Status.REFUSED,
    State.FAILED: Status.FAILED,
    State.IN_DOUBT: Status.IN_DOUBT,
}
"""The states that give rows a status other than pending."""


def check(before: State, after: State) -> None:
    """Raise InvariantBroken when *after* may not follow *before*."""
    if after not in TRANSITIONS[before]:
        raise InvariantBroken(f"a request that is {before} cannot become {after}")
