"""The sandbox as the one that knows: what was applied, how often and in which order, and what is.

It outlives the loader, and never learns what the loader thinks.
"""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

LOOKS_MAX = 10_000
"""Looks at the sandbox while something is in flight: each is a round trip of some milliseconds."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """The sandbox at *base_url*."""

    base_url: str
    api_key: str

    def begin(self, faults: str, seed: int) -> None:
        """Forget everything, and let *faults* strike from now on."""
        self._ask("reset", b"")
        self._ask(f"faults?seed={seed}", faults.encode())

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._ask("state"))
        return answer

    def is_in_flight(self, requests: int) -> bool:
        """Whether so many requests have come, and one of them is not answered yet."""
        state = self.state()
        return state["requests"] >= requests and state["in_flight"]["now"] > 0

    def settle(self) -> None:
        """Return when nothing is in flight: what a killed loader has sent is applied by then."""
        for _ in range(LOOKS_MAX):
            if not self.state()["in_flight"]["now"]:
                return
        raise TimeoutError("the sandbox does not come to rest")

    def held(self, kind: str) -> list[dict[str, Any]]:
        """Return everything of *kind* that the account has."""
        return [json.loads(line) for line in self._ask(kind).splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """Return every request of the API that came, in the order in which they came."""
        found: list[dict[str, Any]] = json.loads(self._ask("requests?last=100000"))["requests"]
        return found

    def _ask(self, what: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"{self.base_url}/_sandbox/{what}", body) as answer:
            content: bytes = answer.read()
        return content
