"""A request carried to its verdict, in virtual time: trio's clock jumps, nothing is waited for."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from pipeline.events import AttemptFailed, Event, Noticed, RequestSent
from pipeline.model import Answer, Exchange, Fault, Request, Verdict
from pipeline.operations.operation import Repeat
from pipeline.transport.exchange import Exchanger, Slot
from pipeline.transport.retry import Policy
from pipeline.transport.verdict import Rule
from tests.transport.fakes import EPOCH, ScriptedSend, VirtualClock

pytestmark = pytest.mark.anyio

PUT = Request(method="PUT", target="/v2/customer_profiles", body=b"{}")
SAFE, KEYED, NEVER = (Rule(repeat=r, success=frozenset({200, 204})) for r in Repeat)
HOUR_S = 3600.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


def key_for(generation: int) -> str:
    return f"key {generation}"


class Scene:
    """An exchanger before a scripted network; what it tells is kept."""

    def __init__(self, script: str, *, took_s: float = 0.0, slot: Slot | None = None) -> None:
        self.send = ScriptedSend(script, took_s)
        self.clock = VirtualClock()
        self.told: list[Event] = []
        self.exchanger = Exchanger(
            send=self.send, clock=self.clock, random=random.Random(7), tell=self.told.append
        )
        if slot is not None:
            self.exchanger.slot = slot

    async def carry(self, rule: Rule, *, sent_before: float | None = None) -> Exchange:
        request = replace(PUT, idempotency_key="key 0")
        return await self.exchanger.exchange(
            request, rule, key_for=key_for, sent_before=sent_before
        )

    async def carry_all(self, rules: list[Rule]) -> list[Exchange]:
        """Carry a request for each rule, all at once; in order."""
        done: dict[int, Exchange] = {}

        async def one(index: int, rule: Rule) -> None:
            done[index] = await self.carry(rule)

        async with anyio.create_task_group() as tasks:
            for index, rule in enumerate(rules):
                tasks.start_soon(one, index, rule)
        return [done[index] for index in range(len(rules))]

    def notices(self) -> list[str]:
        return [event.text for event in self.told if isinstance(event, Noticed)]


async def test_what_is_taken_at_once_is_delivered() -> None:
    scene = Scene("204", took_s=0.5)
    done = await scene.carry(NEVER)
    assert done == Exchange(
        verdict=Verdict.DELIVERED,
        answer=Answer(status=204, body=b"{}"),
        attempts=1,
        first_sent_at=EPOCH,
        sent_at=EPOCH,
        finished_at=EPOCH + 0.5,
    )
    assert scene.told == [RequestSent(in_flight=1)]
    assert scene.exchanger.in_flight == 0


async def test_a_request_without_keys_goes_as_it_is() -> None:
    scene = Scene("204")
    await scene.exchanger.exchange(PUT, SAFE)
    assert scene.send.keys == [""]


async def test_safe_takes_a_fresh_key_after_a_whole_answer_and_keeps_it_after_a_lost_one() -> None:
    scene = Scene("500 cut refused 429 204")
    done = await scene.carry(SAFE)
    assert (done.verdict, done.attempts) == (Verdict.DELIVERED, 5)
    assert scene.send.keys == ["key 0", "key 1", "key 1", "key 1", "key 2"]


async def test_keyed_keeps_its_key_whatever_comes_back() -> None:
    scene = Scene("500 cut refused 429 204")
    done = await scene.carry(KEYED)
    assert (done.verdict, done.attempts) == (Verdict.DELIVERED, 5)
    assert set(scene.send.keys) == {"key 0"}


@pytest.mark.parametrize("lost", ["cut", "500", "502"])
async def test_never_is_repeated_while_certainly_not_applied_and_then_never(lost: str) -> None:
    scene = Scene(f"refused 429 503:1 {lost} 204")
    done = await scene.carry(NEVER)
    assert (done.verdict, done.attempts) == (Verdict.IN_DOUBT, 4)
    assert len(scene.send.sent) == 4


@pytest.mark.parametrize(
    ("rule", "script", "verdict"),
    [
        (SAFE, "429", Verdict.FAILED),
        (SAFE, "500", Verdict.FAILED),
        (KEYED, "429", Verdict.FAILED),
        (KEYED, "500", Verdict.IN_DOUBT),
        (KEYED, "cut 429", Verdict.IN_DOUBT),
        (NEVER, "429", Verdict.FAILED),
    ],
)
async def test_spent_tries_end_by_what_is_certain(
    rule: Rule, script: str, verdict: Verdict
) -> None:
    scene = Scene(script)
    done = await scene.carry(rule)
    assert (done.verdict, done.attempts) == (verdict, 10)
    assert "given up after 10 attempts" in done.reason


async def test_what_was_asked_for_is_waited() -> None:
    scene = Scene("429:7 204")
    await scene.carry(SAFE)
    (_, _), (at, _) = scene.send.sent
    assert 7.0 <= at < 7.5
    failed = [event for event in scene.told if isinstance(event, AttemptFailed)]
    assert [(e.what, e.attempt, e.wait_s) for e in failed] == [("429 Too Many Requests", 1, at)]


async def test_a_fault_that_was_not_sent_leaves_no_time_of_sending() -> None:
    scene = Scene("refused")
    done = await scene.carry(NEVER)
    assert (done.verdict, done.first_sent_at) == (Verdict.STOP, None)
    assert isinstance(done.fault, Fault)


async def test_a_refused_key_ends_every_exchange_at_once() -> None:
    scene = Scene("429:60 429:60 401 204")
    done = await scene.carry_all([SAFE, NEVER, SAFE])
    assert [e.verdict for e in done] == [Verdict.STOP] * 3
    assert trio.current_time() < 1
    assert all("the API refused the key" in e.reason for e in done)
    later = await scene.carry(SAFE)
    assert (later.verdict, later.attempts) == (Verdict.STOP, 0)
    assert len(scene.send.sent) == 3


async def test_stop_lets_attempts_finish_and_waits_end() -> None:
    scene = Scene("429:600 500 500 204", took_s=1.0)
    done: dict[str, Exchange] = {}

    async def one(name: str, rule: Rule, after_s: float) -> None:
        await anyio.sleep(after_s)
        done[name] = await scene.carry(rule)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "not applied", NEVER, 0.0)
        tasks.start_soon(one, "safe", SAFE, 0.001)
        tasks.start_soon(one, "keyed", KEYED, 0.002)
        tasks.start_soon(one, "in flight", NEVER, 0.7)
        await anyio.sleep(1.003)
        scene.exchanger.stop()
    assert trio.current_time() == pytest.approx(1.7)
    assert {name: e.verdict for name, e in done.items()} == {
        "not applied": Verdict.STOP,
        "safe": Verdict.STOP,
        "keyed": Verdict.IN_DOUBT,
        "in flight": Verdict.DELIVERED,
    }
    assert done["safe"].reason == scene.exchanger.halted == "stopped"
    assert (await scene.carry(SAFE)).attempts == 0


async def test_stop_ends_the_wait_for_a_slot() -> None:
    limiter = anyio.Semaphore(1)
    scene = Scene("204", took_s=5.0, slot=lambda: limiter)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scene.carry, SAFE)
        tasks.start_soon(scene.carry, SAFE)
        await anyio.sleep(1.0)
        scene.exchanger.stop()
    assert trio.current_time() == 5.0
    assert len(scene.send.sent) == 1


async def test_a_slot_is_held_for_an_attempt_and_not_for_the_waits() -> None:
    held: list[tuple[str, float]] = []

    @asynccontextmanager
    async def slot() -> AsyncIterator[None]:
        held.append(("taken", trio.current_time()))
        yield
        held.append(("given back", trio.current_time()))

    scene = Scene("429:7 204", took_s=1.0, slot=slot)
    await scene.carry(SAFE)
    assert [word for word, _ in held] == ["taken", "given back"] * 2
    assert [at for _, at in held[:2]] == [0.0, 1.0]
    assert held[2][1] >= 8.0


@pytest.mark.parametrize("at_once", [1, 16])
@pytest.mark.parametrize(("word", "took_s"), [("refused", 0.0), ("cut", 0.1), ("refused", 3.0)])
async def test_an_address_that_does_not_answer_ends_the_run_in_seconds(
    at_once: int, word: str, took_s: float
) -> None:
    scene = Scene(word, took_s=took_s)
    done = await scene.carry_all([SAFE] * at_once)
    assert {e.verdict for e in done} == {Verdict.STOP}
    assert 10 <= trio.current_time() <= 10 + 2 * took_s + 0.01
    assert done[0].reason.startswith("nothing has ever come back from the API: ")


@pytest.mark.parametrize("at_once", [1, 16])
async def test_an_outage_of_minutes_is_sat_out_and_told_once(at_once: int) -> None:
    scene = Scene("200 " + "refused " * 20 + "200", took_s=0.01)
    await scene.carry(SAFE)
    done = await scene.carry_all([NEVER] * at_once)
    assert {e.verdict for e in done} == {Verdict.DELIVERED}
    assert sum(e.attempts for e in done) == 20 + at_once
    opening, closing = scene.notices()
    assert opening.startswith("nothing gets through (127.0.0.1 cannot be reached): ")
    assert closing.startswith("the API answers again, after ")


@pytest.mark.parametrize("at_once", [1, 16])
async def test_an_outage_is_not_charged_to_the_requests_own_time(at_once: int) -> None:
    scene = Scene("200 " + "refused " * 26 + "200", took_s=0.01)
    scene.exchanger.policy = Policy(time_max_s=100.0)
    await scene.carry(SAFE)
    done = await scene.carry_all([NEVER] * at_once)
    assert {e.verdict for e in done} == {Verdict.DELIVERED}
    assert trio.current_time() > 100


async def test_a_hiccup_is_not_worth_a_word() -> None:
    scene = Scene("200 " + "503 " * 16 + "200", took_s=0.01)
    await scene.carry(SAFE)
    done = await scene.carry_all([SAFE] * 16)
    assert {e.verdict for e in done} == {Verdict.DELIVERED}
    assert scene.notices() == []


async def test_429s_of_one_round_trip_do_not_pause_the_run() -> None:
    """Eight failures open the breaker; sixteen at a time that were too fast are one."""
    scene = Scene("200 " + "429 " * 16 + "200", took_s=0.01)
    await scene.carry(SAFE)
    done = await scene.carry_all([SAFE] * 16)
    assert {e.attempts for e in done} == {2}
    assert trio.current_time() < 0.01 * 3 + Policy().wait_s


async def test_429s_one_after_the_other_do() -> None:
    scene = Scene("200 " + "429 " * 8 + "200", took_s=0.01)
    scene.exchanger.policy = Policy(wait_s=0.001, wait_max_s=0.001)
    await scene.carry(SAFE)
    await scene.carry(SAFE)
    assert trio.current_time() > scene.exchanger.patience.pause_s


async def test_probes_go_one_at_a_time() -> None:
    scene = Scene("200 " + "refused " * 60, took_s=0.01)
    await scene.carry(SAFE)
    scene.send.in_flight_max = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scene.carry_all, [SAFE] * 16)
        await anyio.sleep(5.0)  # by now it is open, and what was under way is back
        scene.send.in_flight_max, before = 0, len(scene.send.sent)
        await anyio.sleep(300.0)
        assert scene.send.in_flight_max == 1
        assert 3 <= len(scene.send.sent) - before <= 12
        tasks.cancel_scope.cancel()
    assert scene.exchanger.in_flight == 0


async def test_an_outage_without_end_stops_the_run_after_a_quarter_of_an_hour() -> None:
    scene = Scene("200 cut")
    await scene.carry(SAFE)
    done = await scene.carry_all([SAFE] * 16 + [KEYED])
    assert {e.verdict for e in done[:16]} == {Verdict.STOP}
    assert done[16].verdict is Verdict.IN_DOUBT
    assert 900 <= trio.current_time() < 900 + 65
    assert "nothing has got through for 15 minutes" in scene.exchanger.halted


@pytest.mark.parametrize("word", ["500", "cut", "429"])
@pytest.mark.parametrize("at_once", [1, 4])
async def test_a_few_requests_that_never_succeed_do_not_stop_the_run(
    word: str, at_once: int
) -> None:
    scene = Scene(f"200 {word}")
    await scene.carry(SAFE)
    done = await scene.carry_all([SAFE] * at_once)
    assert [(e.verdict, e.attempts) for e in done] == [(Verdict.FAILED, 10)] * at_once
    assert scene.exchanger.halted == ""


@pytest.mark.parametrize(
    ("rule", "age_s", "verdict", "sent"),
    [
        (SAFE, 100 * HOUR_S, Verdict.DELIVERED, ["key 0"]),
        (SAFE, -HOUR_S, Verdict.DELIVERED, ["key 0"]),
        (KEYED, 22.9 * HOUR_S, Verdict.DELIVERED, ["key 0"]),
        (KEYED, 23.1 * HOUR_S, Verdict.IN_DOUBT, []),
        (KEYED, -1.0, Verdict.IN_DOUBT, []),
        (NEVER, 1.0, Verdict.IN_DOUBT, []),
    ],
)
async def test_what_an_earlier_process_sent_is_taken_up_as_after_a_lost_answer(
    rule: Rule, age_s: float, verdict: Verdict, sent: list[str]
) -> None:
    scene = Scene("204")
    done = await scene.carry(rule, sent_before=EPOCH - age_s)
    assert (done.verdict, scene.send.keys) == (verdict, sent)
    assert done.first_sent_at == EPOCH - age_s


async def test_a_key_grows_too_old_between_attempts() -> None:
    scene = Scene("429:200", took_s=1.0)
    done = await scene.carry(KEYED, sent_before=EPOCH - 23 * HOUR_S + 300)
    assert (done.verdict, done.attempts) == (Verdict.IN_DOUBT, 2)
    assert "older than 23 h" in done.reason


async def test_a_wall_clock_that_is_set_back_while_we_run_is_not_asked() -> None:
    scene = Scene("cut cut 204", took_s=1.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(set_back, scene.clock)
        done = await scene.carry(KEYED)
    assert (done.verdict, done.attempts) == (Verdict.DELIVERED, 3)


async def set_back(clock: VirtualClock) -> None:
    await anyio.sleep(0.5)
    clock.wall_offset = -7 * HOUR_S


async def test_a_cancelled_attempt_leaves_nothing_behind() -> None:
    scene = Scene("204", took_s=100.0)
    with anyio.move_on_after(1.0):
        await scene.carry(NEVER)
    assert scene.exchanger.in_flight == 0
    scene.send.took_s = 0.0
    assert (await scene.carry(NEVER)).verdict is Verdict.DELIVERED


async def test_the_same_chance_makes_the_same_waits() -> None:
    moments = []
    for _ in range(2):
        scene, began = Scene("429 429 429 204"), trio.current_time()
        await scene.carry(SAFE)
        moments.append([round(at - began, 9) for at, _ in scene.send.sent])
    assert moments[0] == moments[1]
    assert len(set(moments[0])) == 4
