"""Carry one request to its verdict: attempts, waits, the breaker, and telling what happens.

The shell around `verdict`, `retry` and `breaker`: it decides nothing that they could. It runs on
any event loop, and knows nothing of rows, batches, the ledger, or how bytes travel.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from random import Random

import anyio
import anyio.lowlevel
from msgspec import Struct, field
from msgspec.structs import replace

from pipeline.clock import Clock
from pipeline.events import AttemptFailed, Listener, Noticed, RequestSent
from pipeline.model import Answer, Exchange, Fault, KeyFor, Noting, Request, Verdict
from pipeline.transport import breaker
from pipeline.transport.retry import Policy, Settle, Step, Tries, Wait, given_up, next_step
from pipeline.transport.verdict import Judged, Judgement, Rule, judge

Send = Callable[[Request], Awaitable[Answer | Fault]]
"""Make one attempt; `Client.send`, or what a limiter puts around it."""
Slot = Callable[[], AbstractAsyncContextManager[object]]
"""What is held around each single attempt: where a limiter comes in."""
Moment = Callable[[], Awaitable[object]]
"""What is waited for right before an attempt leaves: where a pacer comes in."""
Crowded = Callable[[], bool]
"""Whether whoever asks for a slot now, and in it for a moment, has to wait."""

AT_ONCE = 16
"""Exchanges begun, where nothing says how many."""
NO_WAIT = nullcontext()
TOO_FAST = 429
"""Of many at a time the breaker counts one: the API works, and the throttle slows down."""
STOPPED = "stopped"
"""The reason of an exchange that `stop` has ended."""
RESUMED = Judged(
    judgement=Judgement.PERHAPS, reason="sent by an earlier run of the program, answer not known"
)


class _Course(Struct, kw_only=True):
    """What has become of one request so far; monotonic seconds, but for the two `sent_at`."""

    rule: Rule
    began: float
    note: Noting | None = None
    """Due before the first attempt."""
    perhaps: bool = False
    keyed_since: float | None = None
    """When its key was first sent: before `began` where an earlier process has sent it."""
    generation: int = 0
    attempts: int = 0
    charged: int = 0
    """Attempts that count against the limit: not a probe that found no connection."""
    paused_s: float = 0.0
    """Waited for the breaker or a slot, and all waits while it was open: the run's patience, not
    this request's."""
    result: Answer | Fault | None = None
    first_sent_at: float | None = None
    sent_at: float | None = None

    def tries(self, clock: Clock) -> Tries:
        now = clock.monotonic()
        return Tries(
            attempts=self.charged,
            perhaps_applied=self.perhaps,
            elapsed_s=now - self.began - self.paused_s,
            now=clock.now(),
            key_age_s=None if self.keyed_since is None else now - self.keyed_since,
        )

    def settled(self, step: Settle, clock: Clock) -> Exchange:
        return Exchange(
            verdict=step.verdict,
            answer=self.result if isinstance(self.result, Answer) else None,
            fault=self.result if isinstance(self.result, Fault) else None,
            attempts=self.attempts,
            first_sent_at=self.first_sent_at,
            sent_at=self.sent_at,
            finished_at=clock.now(),
            reason=step.reason,
        )


class Exchanger(Struct, kw_only=True):
    """Carry requests to their verdicts, any number at a time; one for a run.

    A refused key, a route that is gone, or an API to which nothing gets through ends all of its
    exchanges: `halted` then says why.
    """

    send: Send
    clock: Clock
    random: Random
    tell: Listener
    policy: Policy = Policy()
    patience: breaker.Patience = breaker.Patience()
    slot: Slot = nullcontext
    moment: Moment = anyio.lowlevel.checkpoint
    crowded: Crowded = lambda: True
    at_once: Callable[[], int] = lambda: AT_ONCE
    """How many exchanges are worth having begun, as things stand."""
    in_flight: int = 0
    halted: str = ""
    """Why no attempt is made any more; "" while the run goes on."""
    _breaker: breaker.Breaker = breaker.Breaker()
    _too_fast_at: float = float("-inf")
    _probing: anyio.Lock = field(default_factory=anyio.Lock)
    _waits: set[anyio.CancelScope] = field(default_factory=set)

    async def exchange(
        self,
        request: Request,
        rule: Rule,
        *,
        key_for: KeyFor | None = None,
        sent_before: float | None = None,
        note: Noting | None = None,
    ) -> Exchange:
        """Carry *request* to its verdict. Never raises for what the network does.

        *key_for* gives a fresh idempotency key where one is needed; without it the request keeps
        its own. *sent_before* (seconds since the epoch) where an earlier process has sent it and
        the answer is not known: it is then taken up as after a lost answer. *note* is awaited once,
        when the first attempt is about to leave: what waits for its turn has not been noted yet. A
        verdict of STOP leaves the request to be sent another time: never applied, or harmless to
        repeat. Cancelled in an attempt, it may have been applied: that is for the caller to know,
        who has noted it.
        """
        course = self._begin(rule, sent_before)
        course.note = note
        step: Step = Wait(seconds=0.0)
        if sent_before is not None:
            step = next_step(course.tries(self.clock), RESUMED, rule, self.policy, self._jitter())
        while isinstance(step, Wait):
            if step.fresh_key and key_for is not None:
                course.generation += 1
                request = replace(request, idempotency_key=key_for(course.generation))
            step = await self._try(request, course, step.seconds)
        return course.settled(step, self.clock)

    def stop(self, reason: str = STOPPED) -> None:
        """Let attempts under way finish, and start no other; what waits comes back at once.

        To be called in the event loop's thread. Exchanges that were not settled come back with
        STOP and *reason*, or in doubt where they were perhaps applied and must not be repeated.
        """
        self.halted = self.halted or reason
        for scope in self._waits:
            scope.cancel()

    def _begin(self, rule: Rule, sent_before: float | None) -> _Course:
        now = self.clock.monotonic()
        course = _Course(rule=rule, began=now)
        if sent_before is not None:
            course.perhaps = True
            course.first_sent_at = sent_before
            course.keyed_since = now - (self.clock.now() - sent_before)
        return course

    async def _try(self, request: Request, course: _Course, wait_s: float) -> Step:
        """Make the next attempt when it may be made, and say what comes after it."""
        async with AsyncExitStack() as held:
            is_probe = False
            with self._interruptible() if self._may_wait(course, wait_s) else NO_WAIT:
                is_probe = await self._turn(held, course, wait_s)
            if self.halted:
                return given_up(Verdict.STOP, course.tries(self.clock), course.rule, self.halted)
            sent_mono = self.clock.monotonic()
            result = await self._attempt(request, course, sent_mono)
            course.charged += not (is_probe and isinstance(result, Fault) and not result.sent)
            judged = judge(result, course.rule)
            course.perhaps |= judged.judgement is Judgement.PERHAPS
            self._learn(judged, result, sent_mono)
        step = next_step(course.tries(self.clock), judged, course.rule, self.policy, self._jitter())
        self._tell(step, judged, course)
        return step

    def _may_wait(self, course: _Course, wait_s: float) -> bool:
        """Say whether an attempt may have to wait; mostly none has to, and a scope costs."""
        is_held = wait_s > 0 or course.note is not None or self._breaker.failures > 0
        return is_held or self.crowded()

    async def _turn(self, held: AsyncExitStack, course: _Course, wait_s: float) -> bool:
        """Wait until an attempt may be made, in a slot that *held* has; say if it is a probe."""
        paused_since, was_open = self.clock.monotonic(), self._breaker.is_open
        await self._sleep(wait_s)
        if not was_open:
            paused_since = self.clock.monotonic()
        is_probe = await self._pass(held)
        await held.enter_async_context(self.slot())
        if course.note is not None:
            note, course.note = course.note, None
            await note()
        await self.moment()
        course.paused_s += self.clock.monotonic() - paused_since
        return is_probe

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Around waits that `stop` ends; the caller then sees `halted`."""
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            if self.halted:
                scope.cancel()
            try:
                yield
            finally:
                self._waits.discard(scope)

    async def _sleep(self, wait_s: float) -> None:
        left_s = breaker.patience_left(self._breaker, self.clock.monotonic(), self.patience)
        if (seconds := min(wait_s, left_s)) > 0:
            await self.clock.sleep(seconds)

    async def _pass(self, held: AsyncExitStack) -> bool:
        """Wait until the breaker lets an attempt through; say whether it is a probe.

        A probe keeps the lock, in *held*, until its attempt is over: one at a time, in turn.
        """
        gate = self._gate()
        if isinstance(gate, breaker.Go):
            return False
        async with AsyncExitStack() as lock:
            await lock.enter_async_context(self._probing)
            while isinstance(gate := self._gate(), breaker.Pause):
                await self.clock.sleep(gate.seconds)
            if isinstance(gate, breaker.Probe):
                await held.enter_async_context(lock.pop_all())
        return isinstance(gate, breaker.Probe)

    def _gate(self) -> breaker.Gate:
        gate = breaker.gate(self._breaker, self.clock.monotonic(), self.patience)
        if isinstance(gate, breaker.GiveUp):
            self.stop(gate.reason)
        return gate

    async def _attempt(self, request: Request, course: _Course, sent_mono: float) -> Answer | Fault:
        sent_at = self.clock.now()
        self.in_flight += 1
        try:
            self.tell(RequestSent(in_flight=self.in_flight))
            result = await self.send(request)
        finally:
            self.in_flight -= 1
        course.attempts += 1
        course.result, course.sent_at = result, sent_at
        if not isinstance(result, Fault) or result.sent:
            course.first_sent_at = course.first_sent_at or sent_at
            if course.keyed_since is None:
                course.keyed_since = sent_mono
        return result

    def _learn(self, judged: Judged, result: Answer | Fault, sent_mono: float) -> None:
        """Tell the breaker; end everything where nothing of this run can be delivered."""
        if judged.judgement is Judgement.STOP:
            self.stop(judged.reason)
            return
        now = self.clock.monotonic()
        sign = _sign(judged, result)
        if isinstance(result, Answer) and result.status == TOO_FAST:
            if sent_mono < self._too_fast_at:
                return
            self._too_fast_at = now
        before = self._breaker
        self._breaker = breaker.learn(before, sign, judged.reason, now, self.patience)
        if text := breaker.news(before, self._breaker, now, self.patience):
            self.tell(Noticed(text=text))

    def _tell(self, step: Step, judged: Judged, course: _Course) -> None:
        """Tell of an attempt that the API has neither taken nor refused."""
        if judged.judgement in (Judgement.AGAIN, Judgement.PERHAPS):
            wait_s = step.seconds if isinstance(step, Wait) else 0.0
            self.tell(AttemptFailed(what=judged.reason, attempt=course.attempts, wait_s=wait_s))

    def _jitter(self) -> float:
        return self.random.random()


def _sign(judged: Judged, result: Answer | Fault) -> breaker.Sign:
    if judged.judgement not in (Judgement.AGAIN, Judgement.PERHAPS):
        return breaker.Sign.THROUGH
    answered = isinstance(result, Answer) or result.status is not None
    return breaker.Sign.ANSWERED if answered else breaker.Sign.SILENT
