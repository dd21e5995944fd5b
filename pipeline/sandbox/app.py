"""The ASGI application: from bytes to an answer, with the waits and the faults in between.

The order is the API's: route, key, body, turn in the lane, application, answer. What a request means
and does stands in `engine.py`; which fault strikes in `faults.py`; `/_sandbox/` in `control.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.sandbox import wire
from pipeline.sandbox.answers import Answer, Problem, Refused
from pipeline.sandbox.control import Control
from pipeline.sandbox.engine import Engine, Request
from pipeline.sandbox.faults import Decision, Plan
from pipeline.sandbox.lanes import LaneFull, Lanes, Overlaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.sandbox.call import Call, Operation
    from pipeline.sandbox.wire import Receive, Scope, Send

HTML = Answer(
    status=200,
    body=b"<!doctype html><title>Sign in</title><p>Please sign in to this network.",
    headers=((b"content-type", b"text/html"),),
)
UNREADABLE = Problem(title="Unreadable", details="the request was not understood")


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of one request: the answer, and how it got there."""

    answer: Answer
    operation: str = ""
    replayed: bool = False
    decision: Decision = Decision()  # noqa: RUF009 -- frozen


class App:
    """The application; callable as ASGI has it."""

    def __init__(self, engine: Engine, plan: Plan, now: Callable[[], float]) -> None:
        """Serve the account of *engine* with the faults of *plan*; *now* tells seconds since 1970."""
        self.engine, self.plan, self.now = engine, plan, now
        self.lanes, self.overlaps = Lanes(), Overlaps()
        self._control = Control(self)

    def reset(self) -> None:
        """Forget all state and all counts; the faults stay."""
        self.engine.reset()
        self.overlaps = Overlaps()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. A body that ends before its Content-Length is dropped, unanswered."""
        body = await wire.whole_body(receive)
        if body is None:
            self.engine.tally.count("dropped", requests=1)
            wire.cut(scope)
            return
        path = scope["raw_path"].decode("latin-1")
        if path.startswith("/_sandbox/"):
            await self._control.serve(scope["method"], path, scope["query_string"], body, send)
            return
        request = Request(
            number=self.engine.tally.arrived(),
            method=scope["method"],
            path=path,
            query=scope["query_string"],
            headers=dict(scope["headers"]),
            body=body,
            now=self.now(),
        )
        outcome = await self._decide(request)
        self._note(request, outcome)
        await self._send(scope, send, outcome)

    async def _decide(self, request: Request) -> Outcome:
        operation, found = self.engine.router.find(request.method, request.path)
        if operation is None:
            return Outcome(answer=self.engine.refuse(_unrouted(request, found), None))
        decision = self.plan.draw(operation.name, asyncio.get_running_loop().time())
        try:
            self.engine.authorise(request, operation)
            call, problems = self.engine.admit(request, operation, found)
        except Refused as refused:
            await asyncio.sleep(decision.delay_s)
            answer = _fault_answer(decision) or self.engine.refuse(refused, operation)
            return Outcome(answer=answer, operation=operation.name, decision=decision)
        try:
            return await self._in_turn(request, operation, call, decision, problems)
        except LaneFull:
            return Outcome(
                answer=self.engine.refuse(_too_many(operation, call), operation),
                operation=operation.name,
            )

    async def _in_turn(
        self,
        request: Request,
        operation: Operation,
        call: Call,
        decision: Decision,
        problems: list[Problem],
    ) -> Outcome:
        keys = (
            [f"{kind}:{key}" for kind, ids in operation.keys(call) for key in ids]
            if decision.delay_s or operation.lanes
            else []
        )
        with self.overlaps.watch(keys):
            async with self.lanes.turn(tuple(keys) if operation.lanes else ()):
                if decision.delay_s:
                    await asyncio.sleep(decision.delay_s)
                answer = _fault_answer(decision)
                if answer is None and not (decision.what and decision.point == "before"):
                    return self._applied(request, operation, call, decision, problems)
        return Outcome(
            answer=answer or Answer(status=0), operation=operation.name, decision=decision
        )

    def _applied(
        self,
        request: Request,
        operation: Operation,
        call: Call,
        decision: Decision,
        problems: list[Problem],
    ) -> Outcome:
        engine, key = self.engine, request.idempotency_key
        scope = (request.method, request.path, key)
        try:
            if operation.idempotent and key:
                known = engine.answered.replay(scope, request.body, request.now)
                if known is not None:
                    return Outcome(
                        answer=known, operation=operation.name, decision=decision, replayed=True
                    )
            answer = engine.apply(request, operation, call)
            if problems:
                refused = engine.refuse(Refused(400, problems=problems), operation)
                answer = Answer(status=400, body=refused.body, stored=answer.stored)
        except Refused as refused:
            answer = engine.refuse(refused, operation)
        if operation.idempotent and key:
            engine.answered.remember(scope, request.body, answer, request.now)
        return Outcome(answer=answer, operation=operation.name, decision=decision)

    async def _send(self, scope: Scope, send: Send, outcome: Outcome) -> None:
        match outcome.decision.what:
            case "cut-before" | "cut-after":
                wire.cut(scope)
            case "truncate":
                await wire.send_half(scope, send, outcome.answer)
            case "status" if outcome.decision.point == "after":
                await wire.send_answer(send, status_answer(outcome.decision))
            case _:
                await wire.send_answer(send, outcome.answer, slow_s=outcome.decision.slow_s)

    def _note(self, request: Request, outcome: Outcome) -> None:
        tally, answer, decision = self.engine.tally, outcome.answer, outcome.decision
        status = decision.status if decision.what == "status" else answer.status
        status = 0 if decision.what in ("cut-before", "cut-after") else status
        applied = answer.stored and not outcome.replayed
        tally.statuses[status] += 1
        if outcome.operation:
            tally.count(
                outcome.operation,
                requests=1,
                replayed=int(outcome.replayed),
                faults=int(bool(decision.what)),
            )
        tally.remember(
            {
                "number": request.number,
                "at": request.now,
                "operation": outcome.operation,
                "request": request,
                "status": status,
                "applied": applied,
                "replayed": outcome.replayed,
                "fault": decision.what,
            },
            len(request.body),
        )


def status_answer(decision: Decision) -> Answer:
    """Return the answer of a fault that is a status; 5xx and 429 with the API's words (API.md §2.8)."""
    message = {429: "Too many requests", 503: "Service unavailable"}.get(
        decision.status, "Internal server error"
    )
    body = b'{"message":"%s","StatusCode":%d}' % (message.encode(), decision.status)
    headers = ((b"retry-after", decision.retry_after.encode()),) if decision.retry_after else ()
    return Answer(status=decision.status, body=body, headers=headers)


def _fault_answer(decision: Decision) -> Answer | None:
    if decision.what == "html":
        return HTML
    if decision.what == "empty":
        return Answer(status=200)
    if decision.what == "status" and decision.point == "before":
        return status_answer(decision)
    return None


def _unrouted(request: Request, methods: object) -> Refused:
    if methods:
        return Refused(405, f"method {request.method} is not allowed here")
    return Refused(404, "there is nothing at this path")


def _too_many(operation: Operation, call: Call) -> Refused:
    what = "session" if operation.keys(call)[0][0] == "session" else "profile"
    return Refused(409, f"Too many requests are updating this {what} at the same time")
