"""One request, decided: authorised, checked, applied, counted. No network, no waiting, no faults.

`admit` tells what a request means, or why it is refused; `apply` changes the account. `app.py` calls
them one after the other, with the waits between.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.sandbox import document, rules
from pipeline.sandbox.answers import Answer, ErrorStyle, Problem, Refused
from pipeline.sandbox.attributes import Catalogue
from pipeline.sandbox.call import Account, Call, Operation
from pipeline.sandbox.idempotency import Answered
from pipeline.sandbox.operations import OPERATIONS
from pipeline.sandbox.router import Router, query_of
from pipeline.sandbox.store import Store
from pipeline.sandbox.switches import Switches
from pipeline.sandbox.tally import Tally

NO_BODY = ("GET", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys that open the sandbox: of the Application, and of the Management API."""

    application: str
    management: str

    def __repr__(self) -> str:
        """Never show a key."""
        return "Keys(****)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came: raw path and query, headers by lower-case name, bytes."""

    number: int
    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    now: float  # seconds since the epoch

    @property
    def idempotency_key(self) -> str:
        """Return the Idempotency-Key, or ""."""
        return self.headers.get(b"idempotency-key", b"").decode("latin-1")


class Engine:
    """The imitated account with all that decides about requests to it."""

    def __init__(self, switches: Switches, keys: Keys, seed: int) -> None:
        """Open an empty account; *seed* decides what is made up, such as codes."""
        self.switches, self.seed = switches, seed
        self._keys = keys
        self.style = ErrorStyle(pointers=switches["pointers"], listed=switches["errors-listed"])
        self.catalogue = Catalogue.read(
            switches["attributes"], strict=switches["strict"] == "yes", null=switches["null"]
        )
        served = [
            operation for operation in OPERATIONS if not operation.old or switches["v1"] == "served"
        ]
        self.router = Router(served)
        self.reset()

    def reset(self) -> None:
        """Forget all state and all counts."""
        self.account = Account(
            store=Store(self.seed), switches=self.switches, catalogue=self.catalogue
        )
        self.tally = Tally(self.switches.numbers("requests-kept"))
        self.answered = Answered(
            reuse=self.switches["key-reuse"], errors=self.switches["key-errors"]
        )

    def authorise(self, request: Request, operation: Operation) -> None:
        """Raise Refused 401 unless *request* brings the key that *operation* asks for."""
        scheme, _, key = request.headers.get(b"authorization", b"").partition(b" ")
        wanted = (
            {b"ManagementKey-v1": self._keys.management}
            if operation.management
            else {b"ApiKey-v1": self._keys.application}
        )
        if (
            operation.name == "updateCustomerProfileAudiences"
            and self.switches["bearer"] == "accepted"
        ):
            wanted[b"Bearer"] = self._keys.application
        if scheme not in wanted or not hmac.compare_digest(key.strip(), wanted[scheme].encode()):
            raise Refused(401, "Invalid API key")

    def admit(
        self, request: Request, operation: Operation, path: dict[str, str]
    ) -> tuple[Call, list[Problem]]:
        """Return what *request* means, and the problems of single rows that its neighbours survive.

        Raises Refused for a request that is wrong as a whole.
        """
        query = query_of(request.query)
        problems = list(rules.query_problems(operation, query))
        if problems:
            raise Refused(400, problems=problems)
        call = Call(path=path, query=query, body=_json(request, operation))
        if rules.too_many(operation, call.body):
            details = f"{operation.rows} holds more than {rules.ROWS_MAX} items"
            problem = Problem(title="maxItems", details=details, path=(operation.rows,))
            raise Refused(int(self.switches["too-many"]), problems=[problem])
        problems = self._body_problems(operation, call)
        if not problems:
            return call, []
        if self.switches["bulk-refusal"] == "whole" or not all(
            _of_a_row(p, operation) for p in problems
        ):
            raise Refused(400, problems=problems)
        return _without(call, operation, {p.path[1] for p in problems}), problems

    def apply(self, request: Request, operation: Operation, call: Call) -> Answer:
        """Change the account as *call* says, count it, and return the answer. Raises Refused."""
        store = self.account.store
        store.now, store.number = request.now, request.number
        answer = operation.act(call, self.account)
        if answer.stored:
            touched = 0
            for kind, keys in operation.keys(call):
                touched = max(touched, len(keys))
                self.tally.apply(request.number, kind, keys)
            self.tally.count(operation.name, applied=1, rows=touched)
        return answer

    def refuse(self, refused: Refused, operation: Operation | None) -> Answer:
        """Return the error answer for *refused*, in the shape that *operation* documents."""
        with_status = operation is None or document.error_has_status(operation.name, refused.status)
        return self.style.answer(refused, with_status=with_status)

    def _body_problems(self, operation: Operation, call: Call) -> list[Problem]:
        if operation.rows == "customerProfiles" and self.switches["validate"] == "light":
            problems = list(rules.light_problems(operation, call))
        else:
            problems = list(rules.body_problems(operation, call, self.catalogue))
            if self.switches["usage-limit"] == "optional":
                problems = [
                    p for p in problems if p.title != "required" or p.path != ("usageLimit",)
                ]
        if not problems and self.switches["duplicates"] == "refuse":
            problems = list(rules.repeated(operation, call))
        return problems


def _json(request: Request, operation: Operation) -> Any:
    if request.method in NO_BODY or not document.takes_body(operation.name):
        return None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The request body is not valid JSON: {error}") from error


def _of_a_row(problem: Problem, operation: Operation) -> bool:
    path = problem.path
    return len(path) > 1 and path[0] == operation.rows and isinstance(path[1], int)


def _without(call: Call, operation: Operation, bad: set[str | int]) -> Call:
    good = [row for index, row in enumerate(rules.rows(operation, call.body)) if index not in bad]
    return Call(path=call.path, query=call.query, body={**call.body, operation.rows: good})
