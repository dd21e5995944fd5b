"""The shell of the delivery: drafts in, changes for the ledger out, many at a time.

Tasks take one draft after the other: each waits for its lanes, then for a slot, and has every row
of it settled before it takes the next. Order of durable steps (DESIGN §4): `sending` before the
first byte where the operation may not be repeated; the verdict before the lanes are freed. Knows
`Ports` and nothing behind them.
"""

import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import anyio
import polars as pl
from anyio.abc import TaskGroup
from msgspec import Struct, field
from msgspec.structs import replace

from pipeline.clock import Clock
from pipeline.errors import PipelineError, ServiceError
from pipeline.model import (
    Change,
    Exchange,
    KeyFor,
    Noting,
    Positions,
    Request,
    RequestLine,
    State,
    Verdict,
)
from pipeline.operations import Operation, Repeat
from pipeline.stages.delivery.drafts import Draft, digest_of, doubt_of, take
from pipeline.stages.delivery.isolation import Trail
from pipeline.stages.delivery.lanes import Lanes, Ticket
from pipeline.stages.delivery.proof import Proof
from pipeline.stages.delivery.verdicts import change_of, doubted, given_up, in_doubt

WAITING_MAX, BATCHES_WAITING_MAX = 64, 16
"""Drafts in memory beyond the requests begun, at most: what waits for a lane is overtaken. A batch
is encoded already, and may have 250 KB."""
GO_ON = (
    "mend the job and `pipeline retry RUN --job MENDED`; `pipeline resume RUN` goes on with the "
    "rows that were not sent"
)

Exchanging = Callable[[Request, KeyFor | None, float | None, Noting | None], Awaitable[Exchange]]
"""Carry a request to its verdict: the request, fresh idempotency keys by number, when an earlier
process sent it without learning the answer (seconds since the epoch) or None, and what is to be
awaited when it is about to leave: what waits for its turn has not been sent."""
Storing = Callable[[RequestLine, pl.DataFrame], Awaitable[str]]
"""Ask whether rows of a refused request were stored all the same: why that may be, or ""."""
SAMPLE = 3
"""Rows that are asked about at most: one of each part that would be sent again."""


class Ports(Struct, frozen=True, kw_only=True):
    """What the delivery is given. `note` returns when its change is durable."""

    exchange: Exchanging
    note: Callable[[Change], Awaitable[None]]
    encode: Callable[[Operation, pl.DataFrame], Awaitable[Request]]
    clock: Clock
    stored: Storing | None = None


class Delivery(Struct, kw_only=True, eq=False):
    """One delivery of one run: what its tasks share."""

    operation: Operation
    run: str
    ports: Ports
    concurrency: int
    """Requests begun at most; it may change at any time."""
    proof: Proof = field(default_factory=Proof)
    stopped: PipelineError | None = None
    lanes: Lanes = field(default_factory=Lanes)

    def stop(self, why: PipelineError) -> None:
        """Start no further request; the first reason is the one that is kept."""
        self.stopped = self.stopped or why


async def deliver(delivery: Delivery, drafts: AsyncIterator[Draft]) -> None:
    """Carry every draft to the verdicts of its rows. Raises what `delivery.stop` was told.

    Until the API has taken a row, one request is in flight; then at most `concurrency`.
    """
    async with anyio.create_task_group() as tasks:
        crew = _Crew(delivery=delivery, drafts=drafts, tasks=tasks)
        crew.fit()
        crew.begin()
    if delivery.stopped:
        raise delivery.stopped


class _Places(Struct):
    """Places that are taken in turn; how many there are may change, and who is inside stays.

    Whoever finds one free does not wait at all, as with anyio's limiter: each turn of the loop is a
    call of the system, for which other threads take the interpreter.
    """

    total: int = 0
    _taken: int = 0
    _waiting: deque[anyio.Event] = field(default_factory=deque)

    async def take(self) -> None:
        """Wait for a place; it is to be given back."""
        if self._taken < self.total and not self._waiting:
            self._taken += 1
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self.give_back()
            else:
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """Free a place for whoever waits longest."""
        self._taken -= 1
        self.fit(self.total)

    def fit(self, total: int) -> None:
        """Let there be so many places."""
        self.total = total
        while self._waiting and self._taken < total:
            self._taken += 1
            self._waiting.popleft().set()


class _Crew(Struct, kw_only=True, eq=False):
    """The tasks that carry drafts; as many as there may be drafts in memory.

    A task is begun where nobody is free for the next draft, and taken again for another: to begin
    one takes four times as long as to wake one.
    """

    delivery: Delivery
    drafts: AsyncIterator[Draft]
    tasks: TaskGroup
    slots: _Places = field(default_factory=_Places)
    """For requests begun."""
    turn: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True))
    """Whose turn it is to take the next draft."""
    members_max: int = 1
    members: int = 0
    idle: int = 0
    """Of them, those that wait for their turn."""

    def fit(self) -> None:
        """Have as many drafts in memory, and requests begun, as the delivery wants now."""
        delivery = self.delivery
        waiting = BATCHES_WAITING_MAX if delivery.operation.bulk else WAITING_MAX
        self.slots.fit(delivery.concurrency if delivery.proof.proven else 1)
        self.members_max = delivery.concurrency + waiting

    def begin(self) -> None:
        """Have one more member, who waits for the next draft."""
        self.members += 1
        self.idle += 1
        self.tasks.start_soon(self._work)

    async def _work(self) -> None:
        """Carry one draft after the other, while there are some and not too many are at it."""
        while True:
            async with self.turn:
                self.idle -= 1
                draft = await self._next()
                if draft is None:
                    break
                ticket = self.delivery.lanes.enter(draft.keys, apart=draft.apart)
                if not self.idle and self.members < self.members_max:
                    self.begin()
            await self._carry(draft, ticket)
            if self.members > self.members_max:
                break
            self.idle += 1
        self.members -= 1

    async def _next(self) -> Draft | None:
        """Return the next draft to be sent; None when there is none, or none is to be sent."""
        if self.delivery.stopped:
            return None
        try:
            draft = await anext(self.drafts, None)
        except PipelineError as error:
            self.delivery.stop(error)  # no more drafts come; what is in flight ends all the same
            return None
        return None if self.delivery.stopped else draft

    async def _carry(self, draft: Draft, ticket: Ticket) -> None:
        """Hold a draft's lanes and its slot while it is settled."""
        try:
            if ticket.waits_for:
                free = anyio.Event()
                ticket.admit = free.set
                await free.wait()
            await self.slots.take()
            try:
                await _settle(self.delivery, draft)
            finally:
                self.slots.give_back()
            self.fit()
        finally:
            self.delivery.lanes.leave(ticket)


async def _settle(delivery: Delivery, draft: Draft) -> None:
    """Send *draft*, and what it is divided into, until each row has a verdict."""
    trail = Trail()
    waiting = [draft]
    while waiting and not delivery.stopped:
        part = waiting.pop()
        change = given_up(part, trail) if trail.spent else await _send(delivery, part, trail)
        if change is None:
            continue
        await delivery.ports.note(change)
        again = (child for child in reversed(change.children) if child.state is State.PENDING)
        waiting.extend(_part_of(part, child) for child in again)
    cause = delivery.proof.learn(trail)
    if cause:
        words = f"the API refuses every row for the same cause: {cause.strip()}"
        delivery.stop(ServiceError(words, hint=GO_ON))


def _part_of(draft: Draft, line: RequestLine) -> Draft:
    """Return the part of a refused *draft* that is sent next; it is encoded when its turn comes."""
    return replace(draft, positions=line.positions, line=line, request=None, digest="")


async def _send(delivery: Delivery, draft: Draft, trail: Trail) -> Change | None:
    """Make one request; return what to record of it, or None when it was not sent at all."""
    operation, ports = delivery.operation, delivery.ports
    request = draft.request or await ports.encode(operation, draft.frame)
    digest = draft.digest or digest_of(request)
    doubt = doubt_of(draft, operation.repeat, now=ports.clock.now(), digest=digest)
    if doubt:
        return in_doubt(draft, doubt)

    key_for: KeyFor | None = None
    if operation.idempotency_key:
        key_for = partial(_key, f"{delivery.run}/{draft.batch.id}/{draft.positions}/{digest}")
        request = replace(request, idempotency_key=key_for(0))
    line = draft.known
    sent_before = line.first_sent_at if line.state is State.SENDING else None

    async def note() -> None:
        nonlocal line
        line = replace(
            line,
            state=State.SENDING,
            idempotency_key=request.idempotency_key,
            digest=digest,
            first_sent_at=ports.clock.now(),
        )
        await ports.note(Change(batch=draft.batch.id, line=line))

    harmless = operation.repeat is Repeat.SAFE or line.state is State.SENDING
    exchange = await ports.exchange(request, key_for, sent_before, None if harmless else note)
    trail.requests += 1
    line = replace(
        line,
        idempotency_key=request.idempotency_key,
        digest=digest,
        attempts=line.attempts + exchange.attempts,
        first_sent_at=line.first_sent_at or exchange.first_sent_at,
        sent_at=exchange.sent_at,
        finished_at=exchange.finished_at,
        http_status=exchange.answer.status if exchange.answer else None,
    )
    if exchange.verdict is Verdict.STOP:
        delivery.stop(ServiceError(exchange.reason, hint="`pipeline resume RUN` goes on"))
        if line.state is not State.SENDING:
            return None
    change = change_of(operation, draft, line, exchange, trail)
    return await _careful(delivery, draft, change)


def _key(of: str, generation: int) -> str:
    """Return the idempotency key of what *of* names, in the form of a UUID; *generation* from 0."""
    found = hashlib.sha256(f"{of}/{generation}".encode()).hexdigest()
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:32]}"


async def _careful(delivery: Delivery, draft: Draft, change: Change) -> Change:
    """Leave in doubt what a refused request has stored all the same, where a repeat would double.

    It is not documented whether a 400 stores nothing (DESIGN §4): so the API is asked, about a row
    of each part that would be sent again.
    """
    again = [child for child in change.children if child.state is State.PENDING]
    stored = delivery.ports.stored
    if not again or stored is None or delivery.operation.repeat is not Repeat.NEVER:
        return change
    places = Positions.of(next(iter(child.positions)) for child in again[:SAMPLE])
    why = await stored(change.line, take(draft.rows, places))
    return doubted(change, why) if why else change
