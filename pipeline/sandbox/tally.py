"""What the sandbox counts: applied requests and rows, how often each key, and the last requests.

For tests and people; nothing here changes an answer. Bounded: the last N requests, the numbers of
the last HISTORY_KEPT requests of a key. Keys are counted as long as the state has them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from pipeline.sandbox.engine import Request

HISTORY_KEPT = 16  # request numbers remembered for each key; the count goes on
REQUEST_BYTES_MAX = 64 << 20  # bodies remembered for /_sandbox/requests, all together
NEVER = (0,)  # the history of a key that was not applied
History = tuple[int, ...]  # how often, then the numbers of the last requests, as they were applied


class Seen(Struct, frozen=True, kw_only=True):
    """One request and what became of it; status 0 is no answer at all."""

    request: Request
    operation: str
    status: int
    applied: bool
    replayed: bool
    fault: str

    def as_json(self) -> dict[str, Any]:
        """Return it for /_sandbox/requests, without the key it came with."""
        request = self.request
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in request.headers.items()
        }
        if "authorization" in headers:
            headers["authorization"] = "****"
        return {
            "number": request.number,
            "at": request.now,
            "operation": self.operation,
            "method": request.method,
            "path": request.path,
            "query": request.query.decode("latin-1"),
            "headers": headers,
            "body": request.body.decode("utf-8", "replace"),
            "status": self.status,
            "applied": self.applied,
            "replayed": self.replayed,
            "fault": self.fault,
        }


class Tally:
    """Counts since the start or the last reset."""

    def __init__(self, requests_kept: int) -> None:
        """Remember the last *requests_kept* requests."""
        self.requests = self.dropped = 0
        self.statuses: Counter[int] = Counter()
        self.operations: dict[str, Counter[str]] = {}
        self.repeated: Counter[str] = Counter()  # keys of each kind that were applied again
        self._applied: dict[str, dict[str, History]] = {}
        self._kept: deque[Seen] = deque()
        self._kept_max, self._kept_bytes = requests_kept, 0

    def arrived(self) -> int:
        """Count one request and return its number, from 1."""
        self.requests += 1
        return self.requests

    def count(self, operation: str, **counts: int) -> None:
        """Add *counts* to those of *operation*."""
        self.operations.setdefault(operation, Counter()).update(counts)

    def apply(self, number: int, kind: str, keys: Sequence[str]) -> None:
        """Note that request *number* was applied to *keys* of *kind*, in that order."""
        histories, again = self._applied.setdefault(kind, {}), 0
        longer: dict[History, History] = {}  # keys with the same past share one tuple: few tuples
        for key in keys:
            past = histories.get(key, NEVER)
            if past[0] == 1:
                again += 1
            if (grown := longer.get(past)) is None:
                grown = longer[past] = (past[0] + 1, *past[1:][1 - HISTORY_KEPT :], number)
            histories[key] = grown
        self.repeated[kind] += again

    def see(self, seen: Seen) -> None:
        """Count *seen*, keep it, and forget the oldest beyond the limits."""
        self.statuses[seen.status] += 1
        if seen.operation:
            self.count(
                seen.operation,
                requests=1,
                refused=int(400 <= seen.status < 500),  # noqa: PLR2004 -- the client's errors
                replayed=int(seen.replayed),
                faults=int(bool(seen.fault)),
            )
        self._kept.append(seen)
        self._kept_bytes += len(seen.request.body)
        while len(self._kept) > self._kept_max or self._kept_bytes > REQUEST_BYTES_MAX:
            self._kept_bytes -= len(self._kept.popleft().request.body)

    def last(self, count: int) -> list[Seen]:
        """Return the last *count* requests, oldest first."""
        return list(self._kept)[-count:] if count else []

    def histories(
        self, kind: str, keys: Iterable[str] | None = None
    ) -> Iterator[tuple[str, History]]:
        """Yield the history of each of *keys* of *kind* (of all, when None), where there is one."""
        histories = self._applied.get(kind, {})
        for key in list(histories) if keys is None else keys:
            if key in histories:
                yield key, histories[key]
