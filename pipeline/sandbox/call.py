"""One request as the operations see it: parsed, checked, and with no trace of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pipeline.sandbox.answers import Answer
    from pipeline.sandbox.attributes import Catalogue
    from pipeline.sandbox.store import Store
    from pipeline.sandbox.switches import Switches


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The request: `path` and `query` percent-decoded, `body` parsed JSON (None without one)."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return the boolean query parameter *name*; any case counts (API.md §2.3)."""
        value = self.query.get(name)
        return default if value is None else value.lower() == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that an operation may look at and change."""

    store: Store
    switches: Switches
    catalogue: Catalogue

    def silent(self, call: Call) -> bool:
        """Tell whether *call* wants no answer; the default is a switch (API.md §11.7)."""
        return call.query.get("silent", self.switches["silent"]).lower() != "no"


Keys = tuple[tuple[str, "Iterable[str]"], ...]  # (kind, ids): what a request reads or changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API: where it lives, what it does, and what it promises of repeats.

    `rows` is the array in the body that holds many rows at once. `keys` names what a request
    touches. `lanes` says that these keys take three requests at a time (API.md §2.7); `idempotent`
    that it takes an Idempotency-Key (§2.9). Both stand in prose only in the official document.
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
