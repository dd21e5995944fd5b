"""What the sandbox counts: applied requests and rows, how often each key was applied, and the last requests.

For tests and people; nothing here changes an answer. Bounded: the last N requests, the last
`HISTORY_KEPT` request numbers of a key. Keys are counted as long as the state has them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

HISTORY_KEPT = 16  # request numbers remembered for each key; the count goes on
REQUEST_BYTES_MAX = 64 << 20  # bodies remembered for /_sandbox/requests, all together
History = tuple[
    int, ...
]  # how often, then the numbers of the last requests, in order of application


class Tally:
    """Counts since the start or the last reset."""

    def __init__(self, requests_kept: int) -> None:
        """Remember the last *requests_kept* requests."""
        self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.operations: dict[str, Counter[str]] = {}
        self.applied: dict[str, dict[str, History]] = {}
        self._kept: deque[dict[str, Any]] = deque()
        self._kept_max, self._kept_bytes = requests_kept, 0

    def arrived(self) -> int:
        """Count one request and return its number, from 1."""
        self.requests += 1
        return self.requests

    def count(self, operation: str, **counts: int) -> None:
        """Add *counts* to those of *operation*."""
        self.operations.setdefault(operation, Counter()).update(counts)

    def apply(self, number: int, kind: str, keys: Iterable[str]) -> None:
        """Note that request *number* was applied to *keys* of *kind*, in that order."""
        histories = self.applied.setdefault(kind, {})
        first: History = (
            1,
            number,
        )  # shared by all new keys of a request: millions of keys, few tuples
        for key in keys:
            history = histories.get(key)
            if history is None:
                histories[key] = first
            else:
                histories[key] = (history[0] + 1, *history[1:][1 - HISTORY_KEPT :], number)

    def remember(self, request: dict[str, Any], size: int) -> None:
        """Keep *request*, whose body has *size* bytes, and forget the oldest beyond the limits."""
        request["size"] = size
        self._kept.append(request)
        self._kept_bytes += size
        while self._kept and (
            len(self._kept) > self._kept_max or self._kept_bytes > REQUEST_BYTES_MAX
        ):
            self._kept_bytes -= self._kept.popleft()["size"]

    def last(self, count: int) -> list[dict[str, Any]]:
        """Return the last *count* requests, oldest first."""
        return list(self._kept)[-count:] if count else []

    def often(self) -> dict[str, dict[str, int]]:
        """Return for each kind how many keys were applied once, twice, …"""
        return {
            kind: {
                str(times): keys
                for times, keys in sorted(Counter(h[0] for h in histories.values()).items())
            }
            for kind, histories in self.applied.items()
        }

    def histories(
        self, kind: str, keys: Iterable[str] | None = None
    ) -> Iterator[tuple[str, History]]:
        """Yield the history of each of *keys* of *kind* (of all, when None), where there is one."""
        histories = self.applied.get(kind, {})
        for key in histories if keys is None else keys:
            if key in histories:
                yield key, histories[key]
