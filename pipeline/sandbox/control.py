"""`/_sandbox/`: what the sandbox has seen and holds, and the levers that people and tests move.

    GET  /_sandbox/state                  counts of everything
    GET  /_sandbox/requests?last=N        the last requests, oldest first
    GET  /_sandbox/KIND?key=A&key=B       what is held, as NDJSON; without keys all of it. KIND is
                                          profiles, audiences, coupons, referrals, sessions, events
                                          or catalogs; `applied` and `requests` as below
    GET  /_sandbox/applied?kind=profile   NDJSON: how often each key was applied, and by which
                                          requests, in that order; `key=` as above
    GET  /_sandbox/faults                 the faults in force, and how often each struck
    POST /_sandbox/faults?seed=N          the body is the new faults (see fault_language.py)
    POST /_sandbox/clock?forward=SECONDS  move the sandbox's clock, for what takes 24 hours
    POST /_sandbox/reset                  forget all state and counts

Not part of the API, so it asks for no key; it can be reached from where the sandbox can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from pipeline.sandbox import fault_language, wire
from pipeline.sandbox.answers import Answer
from pipeline.sandbox.operations import NAMES

if TYPE_CHECKING:
    from pipeline.sandbox.app import App

LINES_AT_ONCE = 1000
REQUESTS_SHOWN = 100
Query = dict[str, list[str]]


class Control:
    """The levers of one application."""

    def __init__(self, app: App) -> None:
        """Look at and move *app*."""
        self._app = app

    async def serve(self, scope: wire.Scope, path: str, body: bytes, send: wire.Send) -> None:
        """Answer one request under /_sandbox/."""
        method, name = scope["method"], path.removeprefix("/_sandbox/")
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if method == "GET" and name in self._app.engine.store.tables():
            await _send_lines(send, self._held(name, query.get("key")))
        elif method == "GET" and name == "applied":
            kind = query.get("kind", ["profile"])[0]
            await _send_lines(send, self._histories(kind, query.get("key")))
        else:
            await wire.send_answer(send, self._answer(f"{method} {name}", query, body))

    def _answer(self, wish: str, query: Query, body: bytes) -> Answer:
        levers: dict[str, Callable[[], dict[str, Any]]] = {
            "GET state": self.state,
            "GET requests": lambda: self._requests(_number(query, "last", REQUESTS_SHOWN)),
            "GET faults": self._faults,
            "POST faults": lambda: self._set_faults(query, body),
            "POST clock": lambda: self._forward(_number(query, "forward", 0)),
            "POST reset": self._reset,
        }
        if wish not in levers:
            return Answer(status=404, body=orjson.dumps({"message": (__doc__ or "").strip()}))
        try:
            return Answer(status=200, body=orjson.dumps(levers[wish]()))
        except ValueError as error:
            return Answer(status=400, body=orjson.dumps({"message": str(error)}))

    def state(self) -> dict[str, Any]:
        """Return the counts of everything; its size does not grow with the account."""
        engine, overlaps, tally = self._app.engine, self._app.overlaps, self._app.engine.tally
        return {
            "requests": tally.requests,
            "dropped": tally.dropped,
            "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
            "operations": tally.operations,
            "entities": engine.store.counts(),
            "repeated": {kind: keys for kind, keys in tally.repeated.items() if keys},
            "in_flight": {"now": overlaps.now, "max": overlaps.now_max},
            "overlaps": {"max": max(overlaps.worst.values(), default=1), "keys": overlaps.worst},
            "idempotency": {
                "stored": len(engine.answered),
                "replays": engine.answered.replays,
                "conflicts": engine.answered.conflicts,
            },
            "faults": self._faults(),
            "switches": engine.switches.as_dict(),
        }

    def _held(self, kind: str, keys: list[str] | None) -> Iterator[dict[str, Any]]:
        engine = self._app.engine
        for key, held in engine.store.held(kind, keys):
            counts = engine.tally.histories(kind.removesuffix("s"), [key])
            applied = [{"applied": count, "requests": numbers} for _, (count, *numbers) in counts]
            yield held | (applied[0] if applied else {})

    def _histories(self, kind: str, keys: list[str] | None) -> Iterator[dict[str, Any]]:
        for key, (count, *numbers) in self._app.engine.tally.histories(kind, keys):
            yield {"kind": kind, "key": key, "applied": count, "requests": numbers}

    def _requests(self, last: int) -> dict[str, Any]:
        return {"requests": [seen.as_json() for seen in self._app.engine.tally.last(last)]}

    def _set_faults(self, query: Query, body: bytes) -> dict[str, Any]:
        seed = _number(query, "seed", self._app.plan.seed)
        self._app.plan = fault_language.parse(body.decode("utf-8", "replace"), NAMES, seed)
        return self._faults()

    def _forward(self, seconds: int) -> dict[str, Any]:
        self._app.forward_s += seconds
        return {"forward_s": self._app.forward_s}

    def _reset(self) -> dict[str, Any]:
        self._app.reset()
        return {}

    def _faults(self) -> dict[str, Any]:
        plan = self._app.plan
        struck = [{"fault": rule.text, "struck": plan.struck(rule)} for rule in plan.rules]
        return {"rules": struck, "seed": plan.seed}


def _number(query: Query, name: str, default: int) -> int:
    value = query.get(name, [str(default)])[0]
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"{name}={value!r} is not a whole number")
    return int(value)


async def _send_lines(send: wire.Send, lines: Iterable[dict[str, Any]]) -> None:
    """Send *lines* as NDJSON, a thousand at a time: the account may hold millions."""
    headers = [(b"content-type", b"application/x-ndjson")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    part: list[bytes] = []
    for line in lines:
        part.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        if len(part) >= LINES_AT_ONCE:
            await send({"type": "http.response.body", "body": b"".join(part), "more_body": True})
            part.clear()
    await send({"type": "http.response.body", "body": b"".join(part)})
