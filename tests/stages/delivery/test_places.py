"""Places in the delivery: never more inside than there are, in turn, and none is lost."""

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.delivery.deliver import _Places as Places

TURNS = 5
"""Turns of the loop in which everybody has done what they can."""


async def settle() -> None:
    for _ in range(TURNS):
        await anyio.lowlevel.checkpoint()


class Crowd:
    """People who want a place, and keep it until they are told to go."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.inside: list[int] = []
        self.came: list[int] = []
        self.gone: set[int] = set()
        self.scopes: dict[int, anyio.CancelScope] = {}
        self.go: dict[int, anyio.Event] = {}

    async def come(self, who: int) -> None:
        self.go[who] = anyio.Event()
        with anyio.CancelScope() as self.scopes[who]:
            await self.places.take()
            try:
                self.inside.append(who)
                self.came.append(who)
                await self.go[who].wait()
            finally:
                self.inside.remove(who)
                self.places.give_back()
        self.gone.add(who)


STEPS = st.lists(
    st.one_of(
        st.just(("come", 0)),
        st.tuples(st.sampled_from(["leave", "cancel"]), st.integers(0, 12)),
        st.tuples(st.just("fit"), st.integers(0, 4)),
    ),
    max_size=40,
)


@given(STEPS)
def test_places_are_taken_in_turn_and_none_is_lost(steps: list[tuple[str, int]]) -> None:
    anyio.run(_walk, steps)


async def _walk(steps: list[tuple[str, int]]) -> None:
    places = Places()
    crowd, count = Crowd(places), 0
    async with anyio.create_task_group() as tasks:
        for what, number in steps:
            before = len(crowd.inside)
            if what == "come":
                tasks.start_soon(crowd.come, count)
                count += 1
            elif what == "fit":
                places.fit(number)
            elif number < count and what == "leave":
                crowd.go[number].set()
            elif number < count:
                crowd.scopes[number].cancel()
            await settle()
            waiting = set(range(count)) - crowd.gone - set(crowd.inside)
            assert len(crowd.inside) <= max(places.total, before)
            assert not waiting or len(crowd.inside) >= places.total
            assert crowd.came == sorted(crowd.came)
        tasks.cancel_scope.cancel()
    places.fit(1)
    with anyio.fail_after(1):
        await places.take()


@pytest.mark.anyio
async def test_a_place_handed_over_to_whoever_is_cancelled_goes_to_the_next() -> None:
    places = Places(total=1)
    await places.take()
    crowd = Crowd(places)
    async with anyio.create_task_group() as tasks:
        for who in (0, 1):
            tasks.start_soon(crowd.come, who)
            await settle()
        places.give_back()  # it is the first one's now, who has not woken yet
        crowd.scopes[0].cancel()
        await settle()
        assert crowd.inside == [1]
        crowd.go[1].set()
