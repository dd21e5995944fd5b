"""The values that travel between the rooms: frozen facts, no methods that act, no foreign library.

The seven words of the house are used here as STYLE 2.1 defines them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

BatchId = NewType("BatchId", int)
"""Number of a batch in its run, from 1, in the order of dispatch."""
RowNumber = NewType("RowNumber", int)
"""Number of a row in its source, from 1, the header not counted."""


ROW, FILE, LINE, BATCH, KEY, SOURCE = "row", "file", "line", "batch", "key", "source"
"""The columns of a staged frame beside the fields of the API; `source` is a struct of the columns
as they came."""


class Status(enum.StrEnum):
    """What became of a row (DESIGN §3)."""

    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    REFUSED = "refused"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    PENDING = "pending"


class Verdict(enum.StrEnum):
    """What a request has come to, after all its attempts."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """400 or a 404 that speaks of the rows: the answer says which, or nothing does."""
    TOO_LARGE = "too_large"
    FAILED = "failed"
    """Given up; certainly not applied, or harmless to repeat."""
    IN_DOUBT = "in_doubt"
    """Perhaps applied, and not to be repeated."""
    STOP = "stop"
    """The run cannot go on (401, 403, a retired route, nothing gets through)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP exchange to be made: everything but the host and the key."""

    method: str
    target: str
    """Path and query, percent-encoded."""
    body: bytes | None
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole."""

    status: int
    body: bytes
    retry_after: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An attempt that got no whole answer. `sent`: whether the API may have seen the request."""

    what: str
    sent: bool
    status: int | None = None
    """The status line, where it came before the answer broke off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request carried to its verdict: the last answer or fault, and what it took.

    Times are seconds since the epoch; `first_sent_at` is None when nothing was ever sent.
    """

    verdict: Verdict
    answer: Answer | None = None
    fault: Fault | None = None
    attempts: int = 0
    first_sent_at: float | None = None
    sent_at: float | None = None
    finished_at: float | None = None
    reason: str = ""
    """For STOP and FAILED: the sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiError:
    """One error of an answer: the API's own words and the place in the body that it names."""

    title: str = ""
    details: str = ""
    pointer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Rows of a run by status, and what it took; the ledger is its source."""

    rows: int = 0
    by_status: Mapping[Status, int] = field(default_factory=dict)
    batches: int = 0
    requests: int = 0
    retries: int = 0

    def of(self, status: Status) -> int:
        """Return how many rows have *status*."""
        return self.by_status.get(status, 0)
