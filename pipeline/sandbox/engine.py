"""One request, decided: authorised, checked, applied, counted. No network, no waiting, no faults.

`admit` tells what a request means, or why it is refused; `perform` changes the account, or gives
the answer that an idempotency key had before. `app.py` calls them, with the waits between.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Collection

import orjson
from msgspec import Struct
from msgspec.structs import replace

from pipeline.sandbox import document, rules
from pipeline.sandbox.answers import Answer, ErrorStyle, Problem, Refused
from pipeline.sandbox.attributes import Catalogue
from pipeline.sandbox.call import Account, Call, Operation
from pipeline.sandbox.idempotency import Answered
from pipeline.sandbox.journal import Applied, Journal, Started
from pipeline.sandbox.operations import OPERATIONS
from pipeline.sandbox.router import PathValues, Router, query_of
from pipeline.sandbox.store import Store
from pipeline.sandbox.switches import Switches
from pipeline.sandbox.tally import Tally

BEARER = "updateCustomerProfileAudiences"  # the operation that the oldest reference gave to Bearer


class Keys(Struct, frozen=True, kw_only=True):
    """The keys that open the sandbox: of the Application, and of the Management API."""

    application: str
    management: str

    def __repr__(self) -> str:
        """Never show a key."""
        return "Keys(****)"


class Request(Struct, frozen=True, kw_only=True):
    """One request as it came: raw path and query, headers by lower-case name, bytes."""

    number: int
    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    now: float  # seconds since the epoch

    @property
    def key(self) -> str:
        """Return the Idempotency-Key, or ""."""
        return self.headers.get(b"idempotency-key", b"").decode("latin-1")


class Admitted(Struct, frozen=True, kw_only=True):
    """A request that may be applied. `problems` are those of single rows, left out of `call`."""

    operation: Operation
    call: Call
    problems: tuple[Problem, ...] = ()

    @property
    def bad(self) -> tuple[int, ...]:
        """Return the numbers of the rows that were left out."""
        return tuple(sorted({int(problem.path[1]) for problem in self.problems}))


class Performed(Struct, frozen=True, kw_only=True):
    """What a request came to. A replayed answer changed nothing this time."""

    answer: Answer
    replayed: bool = False


class Engine:
    """The imitated account with all that decides about requests to it."""

    def __init__(self, switches: Switches, keys: Keys, seed: int) -> None:
        """Open the account: empty, or as the folder of the switch `data` has it."""
        self.switches, self._keys, self._seed = switches, keys, seed
        self._by_route = Router(OPERATIONS)
        self._style = ErrorStyle(pointers=switches["pointers"], listed=switches["errors-listed"])
        self._catalogue = Catalogue.read(
            switches["attributes"],
            strict=switches["strict"] == "yes",
            nulls=switches["null"] != "refuse",
        )
        served = [one for one in OPERATIONS if not one.old or switches["v1"] == "served"]
        self.router = Router(served)
        self._journal: Journal | None = None
        self._open(switches, seed)
        if switches["data"]:
            with contextlib.ExitStack() as opened:
                journal = opened.enter_context(contextlib.closing(Journal(switches["data"])))
                self._resume(journal)
                opened.pop_all()  # it stays open from here on

    @property
    def store(self) -> Store:
        """Return the state of the account."""
        return self._account.store

    def reset(self) -> None:
        """Forget all state and all counts."""
        self._open(self.switches, self._seed)
        if self._journal is not None:
            self._journal.clear()
            self._journal.write(Started(switches=self.switches.as_dict(), seed=self._seed))

    def close(self) -> None:
        """Let go of the folder of the switch `data`."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def authorise(self, request: Request, operation: Operation) -> None:
        """Raise Refused 401 unless *request* brings the key that *operation* asks for."""
        scheme, _, key = request.headers.get(b"authorization", b"").partition(b" ")
        wanted = {b"ApiKey-v1": self._keys.application}
        if operation.management:
            wanted = {b"ManagementKey-v1": self._keys.management}
        elif operation.name == BEARER and self.switches["bearer"] == "accepted":
            wanted[b"Bearer"] = self._keys.application
        good = wanted.get(scheme, "")
        if not good or not hmac.compare_digest(key.strip(), good.encode()):
            raise Refused(401, "Invalid API key")

    def admit(self, request: Request, operation: Operation, path: PathValues) -> Admitted:
        """Return what *request* means. Raises Refused for one that is wrong as a whole.

        With the switch `bulk-refusal=partial` a bad row is left out, and its problem kept.
        """
        query = query_of(request.query)
        if problems := list(rules.query_problems(operation.name, query)):
            raise Refused(400, problems=problems)
        nulls = b"null" in request.body
        call = Call(path=path, query=query, body=_body(request, operation), nulls=nulls)
        if len(rules.rows(operation, call.body)) > rules.ROWS_MAX:
            details = f"{operation.rows} holds more than {rules.ROWS_MAX} rows"
            problem = Problem(title="maxItems", details=details, path=(operation.rows,))
            raise Refused(self.switches.number("too-many"), problems=[problem])
        problems = self._body_problems(operation, call)
        if not problems:
            return Admitted(operation=operation, call=call)
        if self.switches["bulk-refusal"] == "whole" or not _of_rows(problems, operation):
            raise Refused(400, problems=problems)
        admitted = Admitted(operation=operation, call=call, problems=tuple(problems))
        good = _without(call, operation, admitted.bad)
        return Admitted(operation=operation, call=good, problems=admitted.problems)

    def perform(self, request: Request, admitted: Admitted) -> Performed:
        """Apply *admitted* and return the answer; or the answer that its idempotency key had."""
        operation, key = admitted.operation, request.key if admitted.operation.idempotent else ""
        scope = (request.method, request.path, key)
        try:
            known = self.answered.replay(scope, request.body, request.now) if key else None
        except Refused as refused:
            return Performed(answer=self.refuse(refused, operation))
        if known is not None:
            return Performed(answer=known, replayed=True)
        try:
            answer = self._apply(request, admitted)
        except Refused as refused:
            answer = self.refuse(refused, operation)
        if admitted.problems:
            told = self.refuse(Refused(400, problems=admitted.problems), operation)
            answer = Answer(status=400, body=told.body, stored=answer.stored)
        remembered = key and self.answered.remember(scope, request.body, answer, request.now)
        if self._journal is not None and (answer.stored or remembered):
            self._journal.write(_applied(request, admitted.bad))
        return Performed(answer=answer)

    def refuse(self, refused: Refused, operation: Operation | None) -> Answer:
        """Return the error answer for *refused*, in the shape that *operation* documents."""
        with_status = operation is None or document.error_has_status(operation.name, refused.status)
        return self._style.answer(refused, with_status=with_status)

    def _apply(self, request: Request, admitted: Admitted) -> Answer:
        store, operation, call = self.store, admitted.operation, admitted.call
        store.now, store.number = request.now, request.number
        answer = operation.act(call, self._account)
        if answer.stored:
            for kind, keys in operation.keys(call):
                self.tally.apply(request.number, kind, keys)
            rows = len(rules.rows(operation, call.body)) if operation.rows else 1
            self.tally.count(operation.name, applied=1, rows=rows)
        return answer

    def _body_problems(self, operation: Operation, call: Call) -> list[Problem]:
        problems = list(rules.body_problems(operation, call.body))
        if self.switches["usage-limit"] == "optional":
            problems = [one for one in problems if one.path != ("usageLimit",)]
        if self.switches["validate"] == "full":
            problems += self._catalogue.problems(operation.name, call.body)
        if not problems and self.switches["duplicates"] == "refuse":
            problems = list(rules.repeated(operation, call.body))
        return problems

    def _open(self, switches: Switches, seed: int) -> None:
        self._account = Account(
            store=Store(seed), switches=switches, attributes=self._catalogue.page
        )
        self.tally = Tally(switches.number("requests-kept"))
        self.answered = Answered(reuse=switches["key-reuse"], errors=switches["key-errors"])

    def _resume(self, journal: Journal) -> None:
        """Apply again what *journal* holds, with the switches of then; go on with those of now."""
        for past in journal.read():
            if isinstance(past, Started):
                self._switch(Switches(past.switches), past.seed)
            else:
                self._repeat(past)
        self._switch(self.switches, self._seed)
        self._journal = journal
        journal.write(Started(switches=self.switches.as_dict(), seed=self._seed))

    def _switch(self, switches: Switches, seed: int) -> None:
        store = self.store
        store.seed = seed
        self._account = Account(store=store, switches=switches, attributes=self._catalogue.page)

    def _repeat(self, past: Applied) -> None:
        request = Request(
            number=past.number,
            method=past.method,
            path=past.path,
            query=past.query.encode("latin-1"),
            headers={b"idempotency-key": past.key.encode("latin-1")} if past.key else {},
            body=past.body,
            now=past.now,
        )
        self.tally.requests = past.number
        operation, path = self._by_route.find(past.method, past.path)
        if operation is None or isinstance(path, list):
            raise ValueError(f"the journal holds {past.method} {past.path}, which is no operation")
        call = Call(path=path, query=query_of(request.query), body=_body(request, operation))
        problems = tuple(Problem(title="", path=(operation.rows, index)) for index in past.bad)
        call = _without(call, operation, past.bad) if past.bad else call
        self.perform(request, Admitted(operation=operation, call=call, problems=problems))


def _body(request: Request, operation: Operation) -> object:
    if not document.takes_body(operation.name):
        return None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The request body is not valid JSON: {error}") from error


def _of_rows(problems: Collection[Problem], operation: Operation) -> bool:
    """Tell whether each of *problems* is that of one row."""
    return all(
        len(one.path) > 1 and one.path[0] == operation.rows and isinstance(one.path[1], int)
        for one in problems
    )


def _without(call: Call, operation: Operation, bad: Collection[int]) -> Call:
    rows = rules.rows(operation, call.body)
    good = [row for index, row in enumerate(rows) if index not in bad]
    return replace(call, body={**call.body, operation.rows: good})


def _applied(request: Request, bad: tuple[int, ...]) -> Applied:
    return Applied(
        number=request.number,
        now=request.now,
        method=request.method,
        path=request.path,
        query=request.query.decode("latin-1"),
        key=request.key,
        bad=bad,
        body=request.body,
    )
