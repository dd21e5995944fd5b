"""`/_sandbox/`: what the sandbox has seen and holds, and the levers that tests and people move.

    GET  /_sandbox/state                counts of everything
    GET  /_sandbox/requests?last=N      the last requests, oldest first
    GET  /_sandbox/KIND?key=A&key=B     that state as NDJSON; without keys all of it
                                        (profiles, audiences, referrals)
    GET  /_sandbox/applied?kind=profile&key=A   NDJSON: how often, and by which requests, in order
    GET  /_sandbox/faults               the faults in force and how often each struck
    POST /_sandbox/faults?seed=N        the body is the new faults (see faults.py)
    POST /_sandbox/reset                forget all state and counts

Not part of the API, so it needs no key; it is reached from where the sandbox listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from pipeline.sandbox import faults, wire
from pipeline.sandbox.answers import Answer
from pipeline.sandbox.operations import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.sandbox.app import App
    from pipeline.sandbox.wire import Send

LINES_AT_ONCE = 1000
REQUESTS_SHOWN = 100


class Control:
    """The levers of one application."""

    def __init__(self, app: App) -> None:
        """Look at and move *app*."""
        self._app = app

    async def serve(
        self, method: str, path: str, raw_query: bytes, body: bytes, send: Send
    ) -> None:
        """Answer one request under /_sandbox/."""
        query = parse_qs(raw_query.decode("latin-1"), keep_blank_values=True)
        name = path.removeprefix("/_sandbox/")
        keys = query.get("key")
        store = self._app.engine.account.store
        if method == "GET" and name in store.kinds():
            await _send_lines(send, self._held(name, keys))
        elif method == "GET" and name == "applied":
            kind = query.get("kind", ["profile"])[0]
            await _send_lines(send, self._histories(kind, keys))
        else:
            await wire.send_answer(send, self._answer(method, name, query, body))

    def _answer(self, method: str, name: str, query: dict[str, list[str]], body: bytes) -> Answer:
        match method, name:
            case "GET", "state":
                return _json(self.state())
            case "GET", "requests":
                last = query.get("last", [str(REQUESTS_SHOWN)])[0]
                return _json(
                    {"requests": self._requests(int(last) if last.isdigit() else REQUESTS_SHOWN)}
                )
            case "GET", "faults":
                return _json(self._faults())
            case "POST", "faults":
                return self._set_faults(query, body)
            case "POST", "reset":
                self._app.reset()
                return _json({})
        return Answer(status=404, body=orjson.dumps({"message": (__doc__ or "").strip()}))

    def state(self) -> dict[str, Any]:
        """Return the counts of everything; its size does not grow with the account."""
        engine, overlaps = self._app.engine, self._app.overlaps
        return {
            "requests": engine.tally.requests,
            "statuses": {
                str(status): count for status, count in sorted(engine.tally.statuses.items())
            },
            "operations": engine.tally.operations,
            "entities": engine.account.store.counts(),
            "applied_times": engine.tally.often(),
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
        tally, store = self._app.engine.tally, self._app.engine.account.store
        for key, held in store.held(kind, keys):
            history = next(tally.histories(kind[:-1], [key]), None)
            applied = (
                {} if history is None else {"applied": history[1][0], "requests": history[1][1:]}
            )
            yield {**held, **applied}

    def _histories(self, kind: str, keys: list[str] | None) -> Iterator[dict[str, Any]]:
        for key, (count, *numbers) in self._app.engine.tally.histories(kind, keys):
            yield {"kind": kind, "key": key, "applied": count, "requests": numbers}

    def _requests(self, last: int) -> list[dict[str, Any]]:
        shown = []
        for kept in self._app.engine.tally.last(last):
            request = kept["request"]
            shown.append(
                {
                    **{name: value for name, value in kept.items() if name != "request"},
                    "method": request.method,
                    "path": request.path,
                    "query": request.query.decode("latin-1"),
                    "headers": {
                        name.decode("latin-1"): "****"
                        if name == b"authorization"
                        else value.decode("latin-1")
                        for name, value in request.headers.items()
                    },
                    "body": request.body.decode("utf-8", "replace"),
                }
            )
        return shown

    def _faults(self) -> dict[str, Any]:
        plan = self._app.plan
        return {
            "rules": [{"fault": rule.text, "struck": plan.hits[rule.text]} for rule in plan.rules],
            "seed": plan.seed,
        }

    def _set_faults(self, query: dict[str, list[str]], body: bytes) -> Answer:
        seed = query.get("seed", [str(self._app.plan.seed)])[0]
        try:
            self._app.plan = faults.parse(body.decode("utf-8", "replace"), NAMES, int(seed))
        except ValueError as error:
            return Answer(status=400, body=orjson.dumps({"message": str(error)}))
        return _json(self._faults())


def _json(value: Any) -> Answer:
    return Answer(status=200, body=orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


async def _send_lines(send: Send, lines: Iterable[dict[str, Any]]) -> None:
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
