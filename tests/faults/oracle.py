"""The sandbox as the one that knows: what was applied, how often and in which order, and what is.

It outlives the loader, and never learns what the loader thinks.
"""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from pipeline.operations import find
from tests.faults.cases import Case

LOOKS_MAX = 10_000
"""Looks at the sandbox while something is in flight: each is a round trip of some milliseconds."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """The sandbox at *base_url*."""

    base_url: str
    api_key: str

    def begin(self, case: Case, faults: str, seed: int) -> None:
        """Make the account what it is before *case*, and let *faults* strike from now on."""
        self._ask("reset", b"")
        self._ask("faults", b"")
        headers = {"Authorization": f"ApiKey-v1 {self.api_key}", "Content-Type": "application/json"}
        for method, path, content in case.before:
            body = json.dumps(content).encode()
            request = urllib.request.Request(
                f"{self.base_url}{path}", body, headers=headers, method=method
            )
            urllib.request.urlopen(request).close()
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

    def requests(self, case: Case) -> list[dict[str, Any]]:
        """Return every request of the operation of *case*, in the order of their application."""
        seen = json.loads(self._ask("requests?last=100000"))["requests"]
        return [one for one in seen if one["operation"] == find(case.operation).id]

    def _ask(self, what: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"{self.base_url}/_sandbox/{what}", body) as answer:
            content: bytes = answer.read()
        return content
