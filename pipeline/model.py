"""The values that travel between the rooms: frozen facts, no methods that act, no foreign library.

The seven words of the house are used here as STYLE 2.1 defines them.
"""

import enum
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import NewType

from msgspec import Struct, field

KeyFor = Callable[[int], str]
"""An idempotency key of a request: its first (0), or its n-th fresh one; the same number, the same
key."""
Noting = Callable[[], Awaitable[None]]
"""Write down, durably, that a request is being sent."""
BatchId = NewType("BatchId", int)
"""Number of a batch in its run, from 1, in the order of dispatch."""
RowNumber = NewType("RowNumber", int)
"""Number of a row in its source, from 1, the header not counted."""


ROW, FILE, LINE, BATCH, KEY, SOURCE = "row", "file", "line", "batch", "key", "source"
"""The columns of a staged frame beside the fields of the API; `source` is a struct of the columns
as they came."""
HEAD = "head"
"""Whether a row begins a request of its own: a column only where several rows make one (a cart)."""


FAILURES_KEY, TEXT_KEY = "pipeline.failures", "pipeline.text"
"""In the metadata of a Parquet file: that it holds the failures of one of our runs, whose name is
the value; and whether the cells of their source were text ("yes" or "no")."""
REPEATS_KEY = "pipeline.repeats"
"""In the metadata of a staged part: which of its columns say what others say (`parts.Repeats`)."""


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


class State(enum.StrEnum):
    """Where a request stands (DESIGN §4); `ledger.states` says which may follow which."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    SPLIT = "split"
    IN_DOUBT = "in_doubt"


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


class Positions(Struct, frozen=True):
    """Rows of one batch, by their places in it from 0: ascending, disjoint, half-open spans."""

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def span(cls, start: int, stop: int) -> "Positions":
        """Return the places from *start* up to, not including, *stop*."""
        return cls(((start, stop),) if stop > start else ())

    @classmethod
    def of(cls, places: Iterable[int]) -> "Positions":
        """Return *places*, in any order, as spans."""
        spans: list[tuple[int, int]] = []
        for place in sorted(set(places)):
            if spans and spans[-1][1] == place:
                spans[-1] = (spans[-1][0], place + 1)
            else:
                spans.append((place, place + 1))
        return cls(tuple(spans))

    @classmethod
    def parse(cls, text: str) -> "Positions":
        """Read what `str()` wrote: "0-16,18-1000"."""
        pairs = (span.split("-") for span in text.split(",") if span)
        return cls(tuple((int(start), int(stop)) for start, stop in pairs))

    def __str__(self) -> str:
        return ",".join(f"{start}-{stop}" for start, stop in self.spans)

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.spans:
            yield from range(start, stop)

    def without(self, places: Iterable[int]) -> "Positions":
        """Return these places but for *places*."""
        gone = set(places)
        return Positions.of(set(self) - gone) if gone else self

    def halves(self) -> tuple["Positions", "Positions"]:
        """Return the first half and the second; the first is the larger of an odd number."""
        places = tuple(self)
        middle = (len(places) + 1) // 2
        return Positions.of(places[:middle]), Positions.of(places[middle:])


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP exchange to be made: everything but the host and the key."""

    method: str
    target: str
    """Path and query, percent-encoded."""
    body: bytes | None
    idempotency_key: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    """What came back, whole."""

    status: int
    body: bytes
    retry_after: str = ""
    content_type: str = ""


class Fault(Struct, frozen=True, kw_only=True):
    """An attempt that got no whole answer. `sent`: whether the API may have seen the request."""

    what: str
    sent: bool
    status: int | None = None
    """The status line, where it came before the answer broke off."""


class Exchange(Struct, frozen=True, kw_only=True):
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


class ApiError(Struct, frozen=True, kw_only=True):
    """One error of an answer: the API's own words and the place in the body that it names."""

    title: str = ""
    details: str = ""
    pointer: str = ""


NO_ERROR = ApiError()


class Aside(Struct, frozen=True, kw_only=True):
    """A durable part of rows that will not be sent, for `status`: rejected, superseded, unchanged.

    It has a results part of the same name and rows: what becomes of them is known at once.
    """

    status: Status
    file: str
    rows: int


class StagedPart(Struct, frozen=True, kw_only=True):
    """One durable step of staging: a part with its batches, and the rows set aside meanwhile.

    batches: (rows, first row number) of each, in the order of the part.
    """

    file: str = ""
    batches: tuple[tuple[int, int], ...] = ()
    aside: tuple[Aside, ...] = ()


class RequestLine(Struct, frozen=True, kw_only=True):
    """A request as the ledger knows it."""

    positions: Positions
    state: State
    parent: Positions | None = None
    attempts: int = 0
    idempotency_key: str = ""
    digest: str = ""
    first_sent_at: float | None = None
    sent_at: float | None = None
    finished_at: float | None = None
    http_status: int | None = None
    error: ApiError = NO_ERROR
    answer: bytes | None = None


class BatchLine(Struct, frozen=True, kw_only=True):
    """A batch and its requests; `file` is the staged part, `start` its first row there."""

    id: BatchId
    file: str
    start: int
    rows: int
    requests: tuple[RequestLine, ...] = ()

    @property
    def unnamed(self) -> Positions:
        """The rows that no request names yet: they are pending."""
        whole = Positions.span(0, self.rows)
        if not self.requests or self.requests[0].positions == whole:
            return Positions(()) if self.requests else whole
        return whole.without(place for request in self.requests for place in request.positions)


class Change(Struct, frozen=True, kw_only=True):
    """One request's new line, and the requests that it was split into.

    `attempts`: those made since its last line; they are added to the books of the run, while a
    line's own `attempts` tell what its rows have seen (a child starts with its parent's).
    """

    batch: BatchId
    line: RequestLine
    children: tuple[RequestLine, ...] = ()
    attempts: int = 0


class Totals(Struct, frozen=True, kw_only=True):
    """Rows of a run by status, and what it took; the ledger is its source."""

    rows: int = 0
    by_status: Mapping[Status, int] = field(default_factory=dict)
    batches: int = 0
    requests: int = 0
    retries: int = 0

    def of(self, status: Status) -> int:
        """Return how many rows have *status*."""
        return self.by_status.get(status, 0)


class Summary(Struct, frozen=True, kw_only=True):
    """What a run has come to so far; what `--json` prints (DESIGN §10)."""

    run: str
    folder: str
    operation: str
    totals: Totals
    seconds: float
    exit_code: int
    message: str = ""
    """Why the run ended early, or what a warning says; "" where there is nothing to say."""
    hint: str = ""

    @property
    def rows_per_second(self) -> float:
        """Rows settled for each second that the run took; 0 where it took none."""
        settled = self.totals.rows - self.totals.of(Status.PENDING)
        return round(settled / self.seconds, 1) if self.seconds else 0.0

    def to_json(self) -> dict[str, object]:
        """Return the summary as JSON values, in the order in which people read it."""
        return {
            "run": self.run,
            "folder": self.folder,
            "operation": self.operation,
            "rows": self.totals.rows,
            **{status.value: self.totals.of(status) for status in Status},
            "batches": self.totals.batches,
            "requests": self.totals.requests,
            "retries": self.totals.retries,
            "seconds": round(self.seconds, 3),
            "rows_per_second": self.rows_per_second,
            "exit_code": self.exit_code,
            "message": self.message,
            "hint": self.hint,
        }
