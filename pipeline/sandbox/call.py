"""One request as the operations see it, and what an operation is. No trace of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from pipeline.sandbox.answers import Answer, Problem, Refused
from pipeline.sandbox.store import Store
from pipeline.sandbox.switches import Switches

Keys = tuple[tuple[str, Sequence[str]], ...]  # (kind, ids): what a request reads or changes


class Call(Struct, frozen=True, kw_only=True):
    """The request: `path` and `query` percent-decoded, `body` parsed JSON (None without one).

    An operation owns the body: what it keeps of it need not be copied. `nulls` is False where no
    null can stand in it, which saves looking.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    nulls: bool = True

    def flag(self, name: str) -> bool:
        """Return the boolean query parameter *name*, False without it; any case counts."""
        return self.query.get(name, "").lower() == "true"


class Account(Struct, frozen=True, kw_only=True):
    """All that an operation may look at and change."""

    store: Store
    switches: Switches
    attributes: Callable[[Mapping[str, str]], dict[str, Any]]  # query → page of the catalogue

    def silent(self, call: Call) -> bool:
        """Tell whether *call* wants no answer; the default is a switch (API.md §11.7)."""
        return call.query.get("silent", self.switches["silent"]).lower() != "no"

    def insist_on_profiles(self, ids: Sequence[str], *, status: int) -> None:
        """Refuse with *status* when one of *ids* is unknown and the switch forbids to make it."""
        if self.switches["unknown-profiles"] == "create":
            return
        unknown = [one for one in ids if one not in self.store.profiles]
        if unknown:
            problems = [Problem(title="Unknown", details=f"profile {one!r}") for one in unknown]
            raise Refused(status, "Customer profile not found", problems)


class Operation(Struct, frozen=True, kw_only=True):
    """One operation of the API: where it lives, what it does, what it promises of repeats.

    `keys` names what a request touches. `rows` is the array in the body that holds many rows.
    `lanes` says that profiles and sessions among the keys take three requests at a time (API.md
    §2.7), `idempotent` that it takes an Idempotency-Key (§2.9): both stand in prose only.
    """

    name: str
    method: str
    path: str
    act: Callable[[Call, Account], Answer]
    keys: Callable[[Call], Keys]
    aliases: tuple[str, ...] = ()
    rows: str = ""
    lanes: bool = False
    idempotent: bool = False
    old: bool = False  # a V1 route
    management: bool = False  # asks for the key of the Management API
