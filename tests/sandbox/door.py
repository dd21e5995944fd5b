"""Two ways to ask the sandbox: `Desk` without a network, `Door` over a real connection.

Both take the same words, so that a test reads the same whichever it needs.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.sandbox.answers import Refused
from pipeline.sandbox.engine import Engine, Keys, Request
from pipeline.sandbox.switches import Switches

NOW = 1_700_000_000.0
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: the body parsed where it is JSON, None where it is empty."""

    status: int
    body: Any = None
    headers: Mapping[str, str]

    @property
    def titles(self) -> list[str]:
        return [error["title"] for error in self.body.get("errors", ())]

    @property
    def pointers(self) -> list[str | None]:
        return [error["source"].get("pointer") for error in self.body.get("errors", ())]


class Desk:
    """The engine, asked directly; time stands still unless a test moves `now`."""

    def __init__(self, seed: int = 0, **switches: str) -> None:
        options = {name.replace("_", "-"): value for name, value in switches.items()}
        self.engine = Engine(Switches(options), Keys(application="k", management="m"), seed)
        self.now = NOW

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        raw, _, query = path.partition("?")
        key = "ManagementKey-v1 m" if raw == "/v1/attributes" else "ApiKey-v1 k"
        told = {"authorization": key, **{n.replace("_", "-"): v for n, v in headers.items()}}
        request = Request(
            number=self.engine.tally.arrived(),
            method=method,
            path=raw,
            query=query.encode(),
            headers={name.encode(): value.encode() for name, value in told.items()},
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            now=self.now,
        )
        operation, found = self.engine.router.find(method, raw)
        assert operation is not None
        assert isinstance(found, dict)
        try:
            self.engine.authorise(request, operation)
            answer = self.engine.perform(
                request, self.engine.admit(request, operation, found)
            ).answer
        except Refused as refused:
            answer = self.engine.refuse(refused, operation)
        return Reply(
            status=answer.status,
            body=json.loads(answer.body) if answer.body else None,
            headers={},
        )


class Door:
    """One connection to a sandbox that runs."""

    def __init__(self, address: str, key: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self.key = key

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Ask, and wait for the answer; a broken connection raises what http.client raises."""
        scheme = "ManagementKey-v1" if path.startswith("/v1/attributes") else "ApiKey-v1"
        told = {"Authorization": f"{scheme} {self.key}", **JSON}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, sent, told)
            answer = self.connection.getresponse()
            read = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        kind = answer.getheader("content-type", "")
        return Reply(
            status=answer.status,
            body=json.loads(read) if read and kind == "application/json" else read or None,
            headers={name.lower(): value for name, value in answer.getheaders()},
        )

    def lines(self, path: str) -> list[dict[str, Any]]:
        """Return the NDJSON at *path*."""
        return [json.loads(line) for line in (self.ask("GET", path).body or b"").splitlines()]

    def state(self) -> dict[str, Any]:
        """Return the counts of the sandbox."""
        state: dict[str, Any] = self.ask("GET", "/_sandbox/state").body
        return state

    def faults(self, text: str, seed: int = 0) -> None:
        """Set the faults."""
        reply = self.ask("POST", f"/_sandbox/faults?seed={seed}", text.encode())
        assert reply.status == 200, reply.body


def profiles(*ids: str, **attributes: object) -> dict[str, Any]:
    """Return the body of a bulk update that gives each of *ids* the same *attributes*."""
    return {"customerProfiles": [{"integrationId": one, "attributes": attributes} for one in ids]}
