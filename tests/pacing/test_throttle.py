"""The throttle around real exchanges, on trio's clock: the plumbing does what the policy says."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import pytest
import trio
from trio.testing import MockClock

from pipeline.events import Event, LimitChanged
from pipeline.model import Answer, Fault, Noting, Request
from pipeline.operations.operation import Repeat
from pipeline.transport.breaker import Breaker
from pipeline.transport.exchange import Exchanger
from pipeline.transport.pace import LATE_S_MAX
from pipeline.transport.throttle import LEAD_S, SPARE, Speed, Throttle
from pipeline.transport.verdict import Rule
from tests.pacing.physics import TAKEN, Physics, Server
from tests.pacing.simulation import Adaptive, run
from tests.transport.fakes import VirtualClock

pytestmark = pytest.mark.anyio
PUT = Request(method="PUT", target="/v2/customer_profiles", body=b"{}")
SAFE = Rule(repeat=Repeat.SAFE, success=frozenset({204}))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@dataclass(slots=True)
class Road:
    """An exchanger with a throttle, before an API that *answer* makes; when what left."""

    answer: Callable[[int], Answer | Fault]
    speed: Speed = field(default_factory=Speed)
    took_s: Callable[[], float] = lambda: 0.05
    sent: list[float] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    in_flight: int = 0
    in_flight_max: int = 0
    throttle: Throttle = field(init=False)
    exchanger: Exchanger = field(init=False)

    def __post_init__(self) -> None:
        clock = VirtualClock()
        self.throttle = Throttle(
            inner=self.attempt, clock=clock, tell=self.told.append, speed=self.speed
        )
        self.exchanger = Exchanger(
            send=self.throttle.send,
            slot=self.throttle.slot,
            moment=self.throttle.moment,
            crowded=self.throttle.crowded,
            at_once=self.throttle.at_once,
            clock=clock,
            random=random.Random(7),
            tell=self.told.append,
        )

    async def attempt(self, request: Request) -> Answer | Fault:
        self.sent.append(trio.current_time())
        number = len(self.sent)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        await anyio.sleep(self.took_s())
        self.in_flight -= 1
        return self.answer(number)

    async def carry(self, requests: int) -> None:
        """Carry so many requests, as many begun at a time as the throttle wants."""
        begun = anyio.CapacityLimiter(self.exchanger.at_once())

        async def one(place: object) -> None:
            await self.exchanger.exchange(PUT, SAFE)
            begun.total_tokens = self.exchanger.at_once()
            begun.release_on_behalf_of(place)

        async with anyio.create_task_group() as tasks:
            for _ in range(requests):
                place = object()
                await begun.acquire_on_behalf_of(place)
                tasks.start_soon(one, place)


def taken(_number: int) -> Answer:
    return Answer(status=204, body=b"")


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


async def test_a_fixed_number_is_what_is_in_flight() -> None:
    road = Road(taken, Speed(fixed=5))
    await road.carry(100)
    assert road.in_flight_max == 5
    assert trio.current_time() == pytest.approx(100 / 5 * 0.05)


async def test_a_rate_is_even_whatever_the_number() -> None:
    road = Road(taken, Speed(fixed=16, rate=20.0))
    await road.carry(50)
    assert gaps(road.sent) == pytest.approx([0.05] * 49)


async def test_the_number_grows_and_is_told_a_few_times() -> None:
    road = Road(taken, took_s=lambda: 0.2)
    await road.carry(4000)
    assert road.in_flight_max > 150
    told = [event for event in road.told if isinstance(event, LimitChanged)]
    assert 1 <= len(told) <= trio.current_time() + 1
    assert told[-1].why == "all that was sent was taken"


async def test_only_a_few_more_are_begun_than_are_in_flight() -> None:
    road = Road(taken)
    assert road.exchanger.at_once() == 8 + SPARE


@pytest.mark.parametrize("speed", [Speed(), Speed(fixed=16)])
async def test_quiet_that_one_is_asked_for_is_kept_by_all(speed: Speed) -> None:
    def answer(number: int) -> Answer:
        return Answer(status=429, body=b"", retry_after="7") if number == 30 else taken(number)

    road = Road(answer, speed)
    await road.carry(200)
    heard = road.sent[29] + 0.05
    assert not [at for at in road.sent if heard < at < heard + 7.0]
    assert [at for at in road.sent if at >= heard + 7.0]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (Answer(status=429, body=b""), "status 429"),
        (Answer(status=503, body=b""), "status 503"),
        (Fault(what="no whole answer within 60 s", sent=True), "no whole answer within 60 s"),
    ],
)
async def test_trouble_of_any_kind_slows_it_down(trouble: Answer | Fault, why: str) -> None:
    road = Road(lambda n: trouble if n > 60 and n % 3 == 0 else taken(n))
    with anyio.move_on_after(6.0):
        await road.carry(10_000)
    assert len([at for at in road.sent if at >= 5.0]) < 60
    told = [event for event in road.told if isinstance(event, LimitChanged)]
    assert why in {event.why for event in told}
    assert told[-1].rate is not None


@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize(
    "speed",
    [Speed(fixed=1), Speed(fixed=8, rate=0.1), Speed(fixed=8, rate=12)],
    ids=["for a place", "for its turn", "for its moment"],
)
async def test_stop_ends_each_wait_at_once(speed: Speed, before: int) -> None:
    """One leaves, and takes a minute; the others wait for something, or behind each other."""
    road = Road(taken, speed, took_s=lambda: 60.0)
    ended: list[float] = []

    async def carry() -> None:
        await road.exchanger.exchange(PUT, SAFE)
        ended.append(trio.current_time())

    async with anyio.create_task_group() as tasks:
        for _ in range(1 + before):
            tasks.start_soon(carry)
            await anyio.sleep(0.001)
        await anyio.sleep(0.02)
        road.exchanger.stop()
    assert len(road.sent) == 1
    assert len([at for at in ended if at < 0.03]) == before


async def test_stop_ends_the_wait_for_a_note_and_for_a_breaker() -> None:
    road = Road(taken, Speed(fixed=8))

    async def carry(note: Noting | None = None) -> None:
        await road.exchanger.exchange(PUT, SAFE, note=note)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(carry, partial(anyio.sleep, 60.0))
        await anyio.sleep(0.001)
        road.exchanger._breaker = Breaker(answered=True, failures=9, pause_s=60.0, probe_at=60.0)
        tasks.start_soon(carry)
        await anyio.sleep(0.01)
        road.exchanger.stop()
    assert trio.current_time() == pytest.approx(0.011)
    assert not road.sent


async def test_what_waits_for_its_turn_has_not_been_noted() -> None:
    """One request in five seconds: a crash would leave one in doubt, and for a tenth of a second.

    DESIGN §4: what was noted as sent and not answered is in doubt.
    """
    road = Road(taken, Speed(fixed=8, rate=0.2))
    noted: list[float] = []

    async def note() -> None:
        noted.append(trio.current_time())
        await anyio.sleep(0.03)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(partial(road.exchanger.exchange, PUT, SAFE, note=note))
    assert road.sent == pytest.approx([0.0, 5.0, 10.0, 15.0], abs=0.04)
    waits = [sent - before for sent, before in zip(road.sent, noted, strict=True)]
    assert max(waits) <= LEAD_S + 0.001


async def test_what_is_written_down_before_does_not_make_the_pace_uneven() -> None:
    """Notes become durable together, a group at a time; the requests leave one by one."""
    road = Road(taken, Speed(fixed=32, rate=100.0))

    async def note() -> None:
        await anyio.sleep(0.05 - trio.current_time() % 0.05)

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(partial(road.exchanger.exchange, PUT, SAFE, note=note))
    in_a_tenth = [sum(at <= other < at + 0.1 for other in road.sent) for at in road.sent]
    assert max(in_a_tenth) <= 11 + LATE_S_MAX * 100
    assert road.sent[-1] < 1.2


async def test_a_request_is_noted_once_however_often_it_is_tried() -> None:
    road = Road(lambda n: taken(n) if n == 3 else Answer(status=429, body=b""))
    noted: list[float] = []

    async def note() -> None:
        noted.append(trio.current_time())

    await road.exchanger.exchange(PUT, SAFE, note=note)
    assert (len(road.sent), len(noted)) == (3, 1)


async def test_a_refused_row_is_no_trouble() -> None:
    road = Road(lambda _: Answer(status=400, body=b'{"message": "no"}'))
    await road.carry(300)
    assert road.throttle.places > 8


async def test_stop_ends_the_wait_for_a_moment_to_leave() -> None:
    road = Road(taken, Speed(fixed=4, rate=0.01))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(road.carry, 3)
        await anyio.sleep(1.0)
        road.exchanger.stop()
    assert trio.current_time() == 1.0
    assert len(road.sent) == 1


async def test_the_real_exchange_fares_as_the_simulated_one() -> None:
    """A hard limit on a rate, half a minute: places, pace, retries and all."""
    physics: dict[str, Any] = {"latency_s": 0.1, "at_once": 20}
    server = Server({0.0: Physics(**physics)}, random.Random(1))
    counts = {204: 0, 429: 0}

    async def attempt(request: Request) -> Answer | Fault:
        took_s, status = server.arrive(trio.current_time())
        await anyio.sleep(took_s)
        if status == TAKEN:
            server.leave()
        counts[status] += 1
        return taken(0) if status == TAKEN else Answer(status=status, body=b"")

    road = Road(taken)
    road.throttle.inner = attempt
    with anyio.move_on_after(30.0):
        await road.carry(100_000)
    simulated = run(Server({0.0: Physics(**physics)}, random.Random(1)), Adaptive(), 30.0)
    assert counts[204] == pytest.approx(len(simulated.taken), rel=0.03)
    assert counts[429] / counts[204] < 0.015
