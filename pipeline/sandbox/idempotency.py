"""Idempotency keys: the first answer is kept for 24 hours and given again (API.md §2.9).

Scope and edge cases are not documented; they are the switches `key-reuse` and `key-errors`.
Stored are a digest of the request's bytes and the answer, never the request. Time comes in by
argument.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

from pipeline.sandbox.answers import Answer, Problem, Refused

LIFETIME_S = 24 * 3600.0
KEY_LENGTH_MAX = 255
KEYS_MAX = 1_000_000  # the oldest go first
BYTES_MAX = 256 << 20  # of all stored answers; the oldest go first
Scope = tuple[str, str, str]  # method, path, key


class Remembered(Struct, frozen=True, kw_only=True):
    """One stored answer."""

    digest: bytes
    answer: Answer
    at_s: float


class Answered:
    """The answers that are remembered."""

    def __init__(self, *, reuse: str, errors: str) -> None:
        """Take the values of the switches `key-reuse` and `key-errors`."""
        self._reuse, self._errors = reuse, errors
        self._known: dict[Scope, Remembered] = {}
        self._bytes = 0
        self.replays = self.conflicts = 0

    def __len__(self) -> int:
        """Return how many answers are remembered."""
        return len(self._known)

    def replay(self, scope: Scope, body: bytes, now_s: float) -> Answer | None:
        """Return the answer that *scope* had before, or None when the request is to be applied.

        Raises Refused for a key that is too long, and for one that came with other bytes.
        """
        if len(scope[2]) > KEY_LENGTH_MAX:
            details = f"the Idempotency-Key has more than {KEY_LENGTH_MAX} characters"
            raise Refused(400, problems=[Problem(title="maxLength", details=details)])
        known = self._known.get(scope)
        if known is None or now_s - known.at_s >= LIFETIME_S:
            return None
        if known.digest != _digest(body):
            self.conflicts += 1
            if self._reuse == "apply":
                return None
            raise Refused(int(self._reuse), "The Idempotency-Key came with another request before")
        self.replays += 1
        return known.answer

    def remember(self, scope: Scope, body: bytes, answer: Answer, now_s: float) -> bool:
        """Keep *answer* for *scope*, error answers only as `key-errors` says; tell whether."""
        if answer.status >= 400 and self._errors == "forget":  # noqa: PLR2004 -- errors begin there
            return False
        self._forget(scope)  # so that the order of the keys is that of their time
        self._known[scope] = Remembered(digest=_digest(body), answer=answer, at_s=now_s)
        self._bytes += len(answer.body)
        while len(self._known) > KEYS_MAX or self._bytes > BYTES_MAX or self._stale(now_s):
            self._forget(next(iter(self._known)))
        return True

    def _stale(self, now_s: float) -> bool:
        oldest = next(iter(self._known.values()), None)
        return oldest is not None and now_s - oldest.at_s >= LIFETIME_S

    def _forget(self, scope: Scope) -> None:
        if (known := self._known.pop(scope, None)) is not None:
            self._bytes -= len(known.answer.body)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
