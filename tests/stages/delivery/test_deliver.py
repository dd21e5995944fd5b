"""The delivery in virtual time: how many at once, in what order, what is durable before what.

An hour of waiting takes a millisecond: the tests run on trio's clock, and an API that takes time.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
import polars as pl
import pytest
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.errors import Interrupted, PipelineError, ServiceError, StorageError
from pipeline.model import (
    Answer,
    BatchId,
    BatchLine,
    Change,
    Exchange,
    Fault,
    KeyFor,
    Noting,
    Positions,
    Request,
    RequestLine,
    State,
    Verdict,
)
from pipeline.operations import Operation, Repeat, find
from pipeline.stages.delivery import (
    Delivery,
    Draft,
    LaneKeys,
    Ports,
    Proof,
    deliver,
    drafts,
    lane_keys,
)
from pipeline.stages.delivery.deliver import BATCHES_WAITING_MAX
from tests.fakes.clock import EPOCH, FixedClock
from tests.fakes.simulated_api import Books, exchanged, ports

PROFILES = find("profiles")
assert PROFILES is not None
KEYED = replace(PROFILES, repeat=Repeat.KEYED)
NEVER = replace(PROFILES, repeat=Repeat.NEVER, idempotency_key=False)
DONE = exchanged(Verdict.DELIVERED, 204, b"")


@dataclass(slots=True)
class Road:
    """What was on the road when: keys in flight, and in which order things happened."""

    took_s: Callable[[str], float] = lambda _key: 1.0
    verdict: Callable[[list[str]], Exchange] = lambda _keys: DONE
    in_flight: Counter[str] = field(default_factory=Counter)
    requests_in_flight: int = 0
    most: int = 0
    story: list[tuple[str, list[str]]] = field(default_factory=list)
    sent: list[tuple[str, float | None]] = field(default_factory=list)
    key_for: KeyFor | None = None

    async def exchange(
        self,
        request: Request,
        key_for: KeyFor | None,
        sent_before: float | None,
        note: Noting | None,
    ) -> Exchange:
        if note is not None:
            await note()
        self.key_for = key_for
        keys = [row["integrationId"] for row in json.loads(request.body or b"[]")]
        self.sent.append((request.idempotency_key, sent_before))
        self.story.append(("sent", keys))
        self.in_flight.update(keys)
        assert max(self.in_flight.values()) == 1  # no key twice in flight
        self.requests_in_flight += 1
        self.most = max(self.most, self.requests_in_flight)
        await anyio.sleep(max(map(self.took_s, keys)))
        self.requests_in_flight -= 1
        self.in_flight.subtract(keys)
        self.story.append(("answered", keys))
        return self.verdict(keys)


def batch_of(
    number: int, keys: Sequence[str], *lines: RequestLine
) -> tuple[BatchLine, pl.DataFrame]:
    batch = BatchLine(id=BatchId(number), file="part", start=0, rows=len(keys), requests=lines)
    return batch, pl.DataFrame({"integrationId": keys}, schema={"integrationId": pl.String})


@dataclass(slots=True)
class Trip:
    """A delivery of batches of keys, and what the ledger has of it."""

    road: Road
    operation: Operation = PROFILES
    concurrency: int = 4
    proven: bool = True
    books: Books = field(default_factory=Books)
    clock: FixedClock = field(default_factory=FixedClock)
    note: Callable[[Change], Awaitable[None]] | None = None
    in_a_burst: bool = False
    """Whether one draft follows the other at once, with no turn of the loop between them."""
    drafted: int = 0
    settled: int = 0
    alive_max: int = 0
    delivery: Delivery = field(init=False)
    stopped: PipelineError | None = None

    def carry(
        self, *batches: tuple[BatchLine, pl.DataFrame], fails: PipelineError | None = None
    ) -> "Trip":
        made = ports(self.road.exchange, self.books, self.clock)
        self.delivery = Delivery(
            operation=self.operation,
            run="run",
            ports=Ports(
                exchange=made.exchange, note=self.keep, encode=made.encode, clock=made.clock
            ),
            concurrency=self.concurrency,
            proof=Proof(proven=self.proven),
        )

        async def supply() -> AsyncIterator[Draft]:
            known: list[LaneKeys] = []
            for batch, rows in batches:
                known.append(lane_keys(self.operation, rows, known))
                for draft in drafts(batch, rows, known[-1]):
                    self.drafted += 1
                    self.alive_max = max(self.alive_max, self.drafted - self.settled)
                    yield draft
                    if not self.in_a_burst:
                        await trio.lowlevel.checkpoint()
            if fails is not None:
                raise fails

        async def main() -> None:
            try:
                await deliver(self.delivery, supply())
            except PipelineError as error:
                self.stopped = error

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        return self

    async def keep(self, change: Change) -> None:
        await (self.note or self.books.note)(change)
        state = change.line.state
        self.road.story.append((state.value, [str(change.line.positions)]))
        self.settled += state is not State.SENDING

    def of(self, word: str) -> list[list[str]]:
        return [keys for said, keys in self.road.story if said == word]


def singles(count: int) -> list[tuple[BatchLine, pl.DataFrame]]:
    return [batch_of(number, [f"p{number}"]) for number in range(1, count + 1)]


def test_as_many_are_in_flight_as_are_allowed() -> None:
    trip = Trip(Road(), concurrency=5).carry(*singles(50))
    assert trip.road.most == 5
    assert len(trip.of("delivered")) == 50


def test_drafts_in_memory_are_bounded() -> None:
    """The first request takes a year, and shares its key with what follows: all others wait."""
    road = Road(took_s=lambda key: 3e7 if key == "slow" else 0.001)
    blocked = [batch_of(n, ["slow"]) for n in range(1, 30)]
    trip = Trip(road, concurrency=3).carry(*blocked)
    assert trip.alive_max <= 3 + BATCHES_WAITING_MAX
    assert len(trip.of("delivered")) == 29


def test_fewer_drafts_are_in_memory_when_fewer_requests_are_taken() -> None:
    def verdict(_: list[str]) -> Exchange:
        trip.delivery.concurrency = 1
        if trip.settled == 100:  # those that had been drawn before are sent
            trip.alive_max = 0
        return DONE

    trip = Trip(Road(verdict=verdict), concurrency=60)
    trip.carry(*singles(200))
    assert trip.alive_max <= 1 + BATCHES_WAITING_MAX
    assert len(trip.of("delivered")) == 200


def test_what_waits_for_a_key_is_overtaken_by_what_does_not() -> None:
    road = Road(took_s=lambda key: 100.0 if key == "slow" else 1.0)
    trip = Trip(road, concurrency=2).carry(
        batch_of(1, ["slow"]), batch_of(2, ["slow"]), *[batch_of(n, [f"p{n}"]) for n in range(3, 9)]
    )
    assert trip.of("sent")[-1] == ["slow"]
    assert trip.of("answered").index(["slow"]) == 6


@given(
    wanted=st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True)),
    concurrency=st.integers(1, 6),
    pace=st.fixed_dictionaries({key: st.sampled_from([0.0, 1.0, 7.0]) for key in "abcdef"}),
    in_a_burst=st.booleans(),
)
@settings(max_examples=60)
def test_rows_of_a_key_arrive_in_order_and_never_together(
    wanted: list[list[str]], concurrency: int, pace: dict[str, float], *, in_a_burst: bool
) -> None:
    batches = [batch_of(number, keys) for number, keys in enumerate(wanted, 1)]
    trip = Trip(Road(took_s=pace.__getitem__), concurrency=concurrency, in_a_burst=in_a_burst)
    trip.carry(*batches)
    for key in "abcdef":
        sent = [keys for keys in trip.of("sent") if key in keys]
        assert sent == [keys for keys in wanted if key in keys]
    assert len(trip.of("delivered")) == len(wanted)
    assert trip.road.most <= concurrency


def test_until_a_row_is_taken_one_request_is_in_flight() -> None:
    """A job that is wrong shall not be told so by sixteen requests at once."""
    refused = Answer(status=400, body=b'{"message": "no"}')
    taken: list[int] = []

    def verdict(keys: list[str]) -> Exchange:
        if not taken and keys != ["p3"]:
            assert trip.road.most == 1
            return Exchange(verdict=Verdict.REFUSED, answer=refused, attempts=1)
        taken.append(trip.road.most)
        return DONE

    trip = Trip(Road(verdict=verdict), proven=False)
    trip.carry(*singles(30))
    assert taken[0] == 1
    assert trip.road.most == 4


def test_a_run_that_is_stopped_finishes_what_is_in_flight_and_starts_nothing() -> None:
    drafted: list[int] = []

    def verdict(keys: list[str]) -> Exchange:
        if keys == ["p6"]:
            trip.delivery.stop(Interrupted("somebody asked"))
            trip.delivery.stop(Interrupted("and asked again"))
            drafted.append(trip.drafted)
        return DONE

    road = Road(verdict=verdict, took_s=lambda key: 1.0 + int(key[1:]) / 100)
    trip = Trip(road, concurrency=4)
    trip.carry(*singles(50))
    assert str(trip.stopped) == "somebody asked"
    assert len(trip.of("sent")) == len(trip.of("answered")) == len(trip.of("delivered"))
    assert 6 <= len(trip.of("sent")) <= 6 + 4
    assert trip.drafted <= drafted[0] + 1 < 50


def test_a_stop_in_the_middle_of_an_isolation_leaves_the_rest_pending() -> None:
    refused = Answer(status=400, body=b'{"message": "no"}')

    def verdict(keys: list[str]) -> Exchange:
        trip.delivery.stop(Interrupted("somebody asked"))
        return Exchange(verdict=Verdict.REFUSED, answer=refused, attempts=1)

    trip = Trip(Road(verdict=verdict))
    batch = batch_of(1, [f"p{n}" for n in range(100)])
    trip.carry(batch)
    assert len(trip.of("sent")) == 1
    leaves = trip.books.leaves(batch[0])
    assert sorted(leaves) == list(range(100))
    assert {line.state for line in leaves.values()} == {State.PENDING}


def test_when_the_supply_fails_what_is_in_flight_ends_all_the_same() -> None:
    """A staged part is gone: that must not put the requests on the road in doubt."""
    trip = Trip(Road(), operation=NEVER)
    trip.carry(*singles(3), fails=StorageError("a part is gone"))
    assert str(trip.stopped) == "a part is gone"
    assert 1 <= len(trip.of("sent")) == len(trip.of("delivered"))


# ── what is durable before what ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", [KEYED, NEVER])
def test_what_must_not_be_repeated_is_noted_before_its_first_byte(operation: Operation) -> None:
    trip = Trip(Road(), operation=operation).carry(batch_of(1, ["a"]))
    assert [word for word, _ in trip.road.story] == ["sending", "sent", "answered", "delivered"]
    noted = trip.books.changes[0].line
    assert noted.first_sent_at == EPOCH
    assert noted.digest
    assert bool(noted.idempotency_key) is operation.idempotency_key


def test_what_may_be_repeated_needs_no_note() -> None:
    trip = Trip(Road()).carry(batch_of(1, ["a"]))
    assert [word for word, _ in trip.road.story] == ["sent", "answered", "delivered"]


def test_a_lane_is_free_only_when_the_verdict_is_durable() -> None:
    """Else a crash could send the older row after the newer one."""
    books = Books()

    async def slowly(change: Change) -> None:
        await anyio.sleep(50)
        await books.note(change)

    trip = Trip(Road(), note=slowly).carry(batch_of(1, ["a"]), batch_of(2, ["a"]))
    words = [word for word, _ in trip.road.story]
    assert words == ["sent", "answered", "delivered"] * 2


def test_a_record_that_fails_ends_the_delivery() -> None:
    async def broken(change: Change) -> None:
        raise ServiceError("no disk")

    with pytest.raises(ExceptionGroup):
        Trip(Road(), operation=NEVER, note=broken).carry(*singles(3))


def test_nothing_is_sent_that_could_not_be_noted() -> None:
    async def broken(change: Change) -> None:
        raise ServiceError("no disk")

    trip = Trip(Road(), operation=NEVER, note=broken)
    with pytest.raises(ExceptionGroup):
        trip.carry(*singles(3))
    assert trip.of("sent") == []


# ── keys and answers ────────────────────────────────────────────────────────────────────────────


def test_keys_differ_by_batch_and_bytes_and_are_the_same_every_time() -> None:
    trip = Trip(Road()).carry(batch_of(1, ["a"]), batch_of(2, ["a"]), batch_of(3, ["b"]))
    other_bytes = Trip(Road()).carry(batch_of(1, ["b"]))
    assert len({key for key, _ in trip.road.sent + other_bytes.road.sent}) == 4
    twin = Trip(Road()).carry(batch_of(1, ["a"]), batch_of(2, ["a"]), batch_of(3, ["b"]))
    assert twin.road.sent == trip.road.sent


@pytest.mark.parametrize("operation", [PROFILES, NEVER])
def test_a_fresh_key_is_another_one_and_the_same_every_time(operation: Operation) -> None:
    fresh = [Trip(Road(), operation=operation).carry(batch_of(1, ["a"])).road for _ in range(2)]
    made = [[road.key_for(n) for n in (1, 2)] if road.key_for else [] for road in fresh]
    assert made[0] == made[1]
    keys = {*made[0], fresh[0].sent[0][0]}
    assert len(keys) == (3 if operation.idempotency_key else 1)


def test_a_refused_key_leaves_its_rows_to_a_resume() -> None:
    """401: nothing is marked as failed, and nothing more is sent."""
    stop = Exchange(
        verdict=Verdict.STOP,
        answer=Answer(status=401, body=b""),
        attempts=1,
        reason="the API refused the key",
    )
    for operation, states in ((PROFILES, []), (NEVER, [State.SENDING, State.PENDING])):
        trip = Trip(Road(verdict=lambda _: stop), operation=operation, concurrency=1)
        trip.carry(*singles(10))
        assert str(trip.stopped) == "the API refused the key"
        assert len(trip.of("sent")) == 1
        assert [change.line.state for change in trip.books.changes] == states


def test_a_lost_answer_is_in_doubt_not_failed() -> None:
    lost = Exchange(
        verdict=Verdict.IN_DOUBT, fault=Fault(what="cut", sent=True), attempts=1, reason="not again"
    )
    trip = Trip(Road(verdict=lambda _: lost), operation=NEVER).carry(batch_of(1, ["a", "b"]))
    line = trip.books.changes[-1].line
    assert (line.state, line.positions) == (State.IN_DOUBT, Positions.span(0, 2))
    assert (line.error.title, line.error.details) == ("cut", "not again")
