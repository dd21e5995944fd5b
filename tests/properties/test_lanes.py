"""Laws of the lanes, for any keys and any order of leaving; beside them a model that looks at all.

The model is the law itself: a ticket is in flight exactly when every earlier ticket that shares a
key has left.
"""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.stages.delivery.lanes import Lanes, Ticket

KEYS = st.frozensets(st.integers(0, 5), max_size=4)


class Traffic:
    """Tickets by their number of entry, and which of them are in flight."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.keys: list[frozenset[int]] = []
        self.tickets: list[Ticket] = []
        self.admitted: list[int] = []
        self.gone: set[int] = set()

    def enter(self, keys: frozenset[int], *, apart: bool = False) -> None:
        number = len(self.keys)
        self.keys.append(keys)

        def admit() -> None:
            self.admitted.append(number)

        ticket = self.lanes.enter(lambda: keys, apart=apart)
        self.tickets.append(ticket)
        if ticket.waits_for:
            ticket.admit = admit
        else:
            admit()

    def is_alone(self, keys: frozenset[int]) -> bool:
        """Whether nobody within shares a key of *keys*: then a ticket may enter apart."""
        within = (self.keys[n] for n in range(len(self.keys)) if n not in self.gone)
        return all(keys.isdisjoint(others) for others in within)

    def leave(self, number: int) -> None:
        self.gone.add(number)
        self.lanes.leave(self.tickets[number])

    @property
    def in_flight(self) -> list[int]:
        return [number for number in self.admitted if number not in self.gone]

    def check(self) -> None:
        assert len(self.admitted) == len(set(self.admitted))  # each is called once
        for number, keys in enumerate(self.keys):
            earlier = [n for n in range(number) if n not in self.gone and self.keys[n] & keys]
            assert (number in self.admitted) is not bool(earlier)
        assert len(self.lanes) == len(self.keys) - len(self.gone)


@given(st.lists(KEYS, max_size=25), st.data())
@example([frozenset({1}), frozenset({1, 2}), frozenset({2})], None)
def test_who_shares_a_key_waits_for_who_came_first_and_nobody_else(
    wanted: Sequence[frozenset[int]], data: st.DataObject | None
) -> None:
    traffic = Traffic()
    waiting = list(wanted)
    while waiting or traffic.in_flight:
        leaving = traffic.in_flight
        enters = data.draw(st.booleans()) if data and waiting and leaving else bool(waiting)
        if enters:
            keys = waiting.pop(0)
            apart = bool(data) and traffic.is_alone(keys) and data.draw(st.booleans())
            traffic.enter(keys, apart=apart)
        else:
            traffic.leave(data.draw(st.sampled_from(leaving)) if data else leaving[0])
        traffic.check()
    assert len(traffic.admitted) == len(wanted)  # everybody is admitted in the end
    for key in range(6):
        of_key = [number for number in traffic.admitted if key in traffic.keys[number]]
        assert of_key == sorted(of_key)  # in order of entry
    assert not traffic.lanes._held
    assert not len(traffic.lanes)


def test_who_shares_nothing_overtakes_whoever_waits() -> None:
    traffic = Traffic()
    for keys in ({1}, {1}, {2}, set()):
        traffic.enter(frozenset(keys))
    assert traffic.admitted == [0, 2, 3]


def test_who_stood_apart_is_seen_by_whoever_comes_to_share_a_key() -> None:
    traffic = Traffic()
    traffic.enter(frozenset({1}), apart=True)
    traffic.enter(frozenset({2}), apart=True)
    traffic.enter(frozenset({2, 3}))
    traffic.enter(frozenset({4}), apart=True)
    assert traffic.admitted == [0, 1, 3]
    traffic.leave(0)
    traffic.leave(1)
    assert traffic.admitted == [0, 1, 3, 2]


@pytest.mark.parametrize("keys", [{1}, {2}, {1, 2}])
def test_a_session_and_its_profile_are_both_held(keys: set[int]) -> None:
    traffic = Traffic()
    traffic.enter(frozenset({1, 2}))
    traffic.enter(frozenset(keys))
    assert traffic.admitted == [0]
    traffic.leave(0)
    assert traffic.admitted == [0, 1]
