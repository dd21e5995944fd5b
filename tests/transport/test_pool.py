"""Places and connections: never more than allowed, none lost, first come first served."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InvariantBroken
from pipeline.transport.pool import IDLE_S_MAX, Pool

pytestmark = pytest.mark.anyio


@dataclass(eq=False)
class Line:
    """A connection without a wire: open until it is aborted or hung up, and lost a turn later."""

    net: "Net"
    on_lost: Callable[["Line"], None] | None = None
    is_reusable: bool = True
    idle_since: float = 0.0
    is_lost: bool = False

    def is_usable(self) -> bool:
        return self.is_reusable

    def abort(self) -> None:
        if self.is_reusable or not self.is_lost:
            self.is_reusable = False
            asyncio.get_running_loop().call_soon(self.lose)

    def lose(self) -> None:
        if not self.is_lost:
            self.is_lost, self.is_reusable = True, False
            self.net.open.discard(self)
            if self.on_lost:
                self.on_lost(self)


@dataclass
class Net:
    """Where lines come from; *fails* says which attempts to connect do not succeed."""

    maximum: int
    fails: Callable[[], bool] = lambda: False
    open: set[Line] = field(default_factory=set)
    opened: int = 0
    connecting: int = 0

    async def connect(self) -> Line:
        self.connecting += 1
        assert self.connecting + len(self.open) <= self.maximum
        try:
            await anyio.lowlevel.checkpoint()
            if self.fails():
                raise OSError
        finally:
            self.connecting -= 1
        self.opened += 1
        line = Line(self)
        self.open.add(line)
        return line


def pool_of(net: Net) -> Pool:
    return Pool(net.connect, connections_max=net.maximum)  # type: ignore[arg-type]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def all_places_are_free(pool: Pool, net: Net) -> bool:
    """Take as many as there may be, at once; and one more has to wait."""
    net.fails = lambda: False
    await turns()
    with anyio.fail_after(5):
        taken = [await pool.take() for _ in range(net.maximum)]
    with anyio.move_on_after(0.01) as waiting:
        await pool.take()
    for connection in taken:
        pool.give_back(connection)
    return waiting.cancelled_caught


@given(st.integers(min_value=1, max_value=4), st.integers(min_value=0), st.booleans())
@settings(max_examples=100)
def test_no_place_is_lost_whatever_becomes_of_those_who_took_one(
    maximum: int, seed: int, crowded: bool
) -> None:
    """Connections fail, break, are hung up on when idle; takers are cancelled at any moment."""
    random = Random(seed)
    net = Net(maximum, fails=lambda: random.random() < 0.2)

    async def use(pool: Pool) -> None:
        await turns(random.randrange(6))
        with anyio.CancelScope() as scope:
            if random.random() < 0.4:
                asyncio.get_running_loop().call_later(random.random() * 0.001, scope.cancel)
            with contextlib.suppress(OSError):
                connection = await pool.take()
                assert connection.is_usable()
                try:
                    await turns(random.randrange(6))
                finally:
                    if random.random() < 0.4:
                        connection.abort()
                    pool.give_back(connection)
        idle = [line for line in net.open if line in pool._idle]
        for line in random.sample(idle, len(idle) // 2):
            line.lose()

    async def crowd() -> None:
        pool = pool_of(net)
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                for _ in range(30 if crowded else maximum):
                    tasks.start_soon(use, pool)
        assert await all_places_are_free(pool, net)
        await pool.close()
        assert not net.open

    anyio.run(crowd)


async def test_those_who_wait_are_served_in_order() -> None:
    net = Net(1)
    pool, served = pool_of(net), []
    taken = await pool.take()

    async def wait(number: int) -> None:
        connection = await pool.take()
        served.append(number)
        await turns(2)
        if number % 2:
            connection.abort()  # then the place is passed on, else the connection
        pool.give_back(connection)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(wait, number)
        await turns()
        pool.give_back(taken)
        tasks.start_soon(wait, 6)
    assert served == list(range(7))
    assert net.opened == 4


async def test_a_failed_connection_lets_the_next_one_try() -> None:
    outcomes = iter([True, True, False])
    net = Net(1, fails=lambda: next(outcomes))
    pool, got = pool_of(net), []

    async def use() -> None:
        try:
            got.append(await pool.take())
        except OSError:
            got.append(None)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(use)
    assert [line is None for line in got] == [True, True, False]


@pytest.mark.parametrize("is_connection", [False, True])
async def test_what_is_given_to_one_who_is_cancelled_goes_to_the_next(is_connection: bool) -> None:
    """Cancelled by asyncio's own means in the very turn in which it was served."""
    net = Net(1)
    pool, served = pool_of(net), []
    taken = await pool.take()
    takers: list[asyncio.Task[None]] = []

    async def wait(number: int) -> None:
        if (task := asyncio.current_task()) is not None:
            takers.append(task)
        with contextlib.suppress(asyncio.CancelledError):
            pool.give_back(await pool.take())
            served.append(number)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(wait, number)
            await turns()
            if is_connection:
                pool.give_back(taken)
            else:
                taken.lose()  # type: ignore[attr-defined]
            takers[0].cancel()
    assert served == [1]
    assert await all_places_are_free(pool, net)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_connection_that_breaks_on_its_way_to_a_waiter_is_replaced(is_lost: bool) -> None:
    """And whoever it was for is still served before those who came later."""
    net = Net(1)
    pool, served = pool_of(net), []
    taken = await pool.take()

    async def wait(number: int) -> None:
        connection = await pool.take()
        assert connection is not taken
        served.append(number)
        pool.give_back(connection)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
            await turns()
            pool.give_back(taken)
            if is_lost:
                taken.lose()  # type: ignore[attr-defined]
            else:
                taken.is_reusable = False
    assert sorted(served) == [0, 1, 2]
    assert is_lost or served == [0, 1, 2]  # a place that is lost at once went to the second
    assert await all_places_are_free(pool, net)


async def test_the_connection_that_was_used_last_is_used_next() -> None:
    net = Net(3)
    pool = pool_of(net)
    first, second = await pool.take(), await pool.take()
    pool.give_back(first)
    pool.give_back(second)
    assert pool.idle() is second
    assert pool.idle() is first
    assert pool.idle() is None


async def test_a_connection_that_was_idle_for_too_long_is_closed_and_not_used() -> None:
    net = Net(2)
    pool = pool_of(net)
    old, young = await pool.take(), await pool.take()
    pool.give_back(old)
    pool.give_back(young)
    old.idle_since -= IDLE_S_MAX + 1
    pool._sweep()
    await turns()
    assert net.open == {young}
    young.idle_since -= IDLE_S_MAX + 1
    assert pool.idle() is None
    await turns()
    assert not net.open
    assert await all_places_are_free(pool, net)
    await pool.close()


async def test_closing_ends_every_connection_and_whoever_waits() -> None:
    net = Net(1)
    pool, ends = pool_of(net), []
    await pool.take()

    async def wait() -> None:
        try:
            await pool.take()
        except InvariantBroken as error:
            ends.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await turns()
        await pool.close()
    assert not net.open
    assert len(ends) == 1
    with pytest.raises(InvariantBroken, match="closed"):
        await pool.take()
