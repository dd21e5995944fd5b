"""The ASGI application: from bytes to an answer, with the waits and the faults in between.

The order is the API's: route, key, body, turn in the lane, application, answer. What a request
means and does stands in `engine.py`; which fault strikes in `faults.py`; `/_sandbox/` in
`control.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from pipeline.sandbox import wire
from pipeline.sandbox.answers import Answer, Refused
from pipeline.sandbox.call import Operation
from pipeline.sandbox.control import Control
from pipeline.sandbox.engine import Admitted, Engine, Performed, Request
from pipeline.sandbox.faults import Decision, Plan
from pipeline.sandbox.lanes import LaneFull, Lanes, Overlaps
from pipeline.sandbox.tally import Seen

FINE = Decision()
NOTHING = Performed(answer=Answer(status=0))  # of a request that was cut off before it was applied


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one request."""

    performed: Performed
    operation: str = ""
    decision: Decision = FINE

    @property
    def answer(self) -> Answer:
        """Return what the client is to see, unless its connection is cut."""
        decision = self.decision
        return decision.answer if decision.answer is not None else self.performed.answer


class App:
    """The application; callable as ASGI has it."""

    def __init__(self, engine: Engine, plan: Plan, now: Callable[[], float]) -> None:
        """Serve the account of *engine* with the faults of *plan*; *now* tells the seconds."""
        self.engine, self.plan, self.forward_s = engine, plan, 0.0
        self._now, self._body_bytes_max = now, engine.switches.number("body-bytes-max")
        self._lanes, self.overlaps = Lanes(), Overlaps()
        self._control = Control(self)

    def reset(self) -> None:
        """Forget all state and all counts, and set the clock right; the faults stay."""
        self.engine.reset()
        self.overlaps, self.forward_s = Overlaps(), 0.0

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        """Serve one request. A body that ends before its Content-Length is dropped, unanswered."""
        try:
            body = await wire.whole_body(receive, self._body_bytes_max)
        except wire.BodyTooLargeError:
            refused = Refused(413, "The request body is too large")
            await wire.send_answer(send, self.engine.refuse(refused, None))
            return
        if body is None:
            self.engine.tally.dropped += 1
            wire.cut(scope)
            return
        path = scope["raw_path"].decode("latin-1")
        if path.startswith("/_sandbox/"):
            await self._control.serve(scope, path, body, send)
            return
        request = Request(
            number=self.engine.tally.arrived(),
            method=scope["method"],
            path=path,
            query=scope["query_string"],
            headers=dict(scope["headers"]),
            body=body,
            now=self._now() + self.forward_s,
        )
        outcome = await self._decide(request)
        self._note(request, outcome)
        await _send(scope, send, outcome)

    async def _decide(self, request: Request) -> Outcome:
        operation, found = self.engine.router.find(request.method, request.path)
        if operation is None or isinstance(found, list):
            return Outcome(performed=Performed(answer=self._unrouted(request, list(found))))
        decision = self.plan.draw(operation.name, request.now)
        try:
            self.engine.authorise(request, operation)
            admitted = self.engine.admit(request, operation, found)
        except Refused as refused:
            await asyncio.sleep(decision.delay_s)
            performed = self._refused(refused, operation)
        else:
            try:
                performed = await self._in_turn(request, admitted, decision)
            except LaneFull as full:
                performed, decision = self._refused(_too_many(full), operation), FINE
        return Outcome(performed=performed, operation=operation.name, decision=decision)

    async def _in_turn(self, request: Request, admitted: Admitted, decision: Decision) -> Performed:
        """Wait for the lanes and the latency, then apply the request, unless a fault is first."""
        lanes = admitted.operation.lanes
        watched = lanes or decision.delay_s > 0  # else it is over before another can come
        keys = admitted.operation.keys(admitted.call) if watched else ()
        names = tuple(f"{kind}:{key}" for kind, listed in keys for key in listed)
        with self.overlaps.watch(names):
            async with self._lanes.turn(names if lanes else ()):
                if decision.delay_s:
                    await asyncio.sleep(decision.delay_s)
                if decision.strikes_before:
                    return NOTHING
                return self.engine.perform(request, admitted)

    def _unrouted(self, request: Request, methods: list[str]) -> Answer:
        if not methods:
            return self.engine.refuse(Refused(404, "There is nothing at this path"), None)
        refused = Refused(405, f"{request.method} is not allowed here")
        allowed = (b"allow", ", ".join(methods).encode())
        return replace(self.engine.refuse(refused, None), headers=(allowed,))

    def _refused(self, refused: Refused, operation: Operation | None) -> Performed:
        return Performed(answer=self.engine.refuse(refused, operation))

    def _note(self, request: Request, outcome: Outcome) -> None:
        performed, decision = outcome.performed, outcome.decision
        self.engine.tally.see(
            Seen(
                request=request,
                operation=outcome.operation,
                status=0 if decision.cuts else outcome.answer.status,
                applied=performed.answer.stored and not performed.replayed,
                replayed=performed.replayed,
                fault=decision.fault,
            )
        )


async def _send(scope: wire.Scope, send: wire.Send, outcome: Outcome) -> None:
    decision = outcome.decision
    if decision.cuts:
        wire.cut(scope)
    elif decision.truncates:
        await wire.send_half(scope, send, outcome.answer)
    else:
        await wire.send_answer(send, outcome.answer, slow_s=decision.slow_s)


def _too_many(full: LaneFull) -> Refused:
    kind = "session" if full.key.startswith("session:") else "profile"
    return Refused(409, f"Too many requests are updating this {kind} at the same time")
