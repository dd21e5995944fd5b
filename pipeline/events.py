"""Facts about progress, told to whoever listens; the core never prints and never logs.

A listener is called from the event loop or from the staging thread: it must be quick, must not
raise, and must not keep what it gets for long.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins or goes on. `rows_total` is None while the source is not read to its end."""

    run: str
    folder: str
    operation: str
    rows_total: int | None
    rows_settled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsStaged:
    """So far, of the whole source: rows read and rejected; how much of it was read."""

    read: int
    rejected: int
    share_read: float | None = None
    """Of the source's bytes, 0 to 1, where it can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingFinished:
    """The source has been read to its end; every row is staged or rejected."""

    rows: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSent:
    """An attempt leaves; `in_flight` counts it."""

    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged:
    """How many requests the API takes was found to be another number: at a time, and a second."""

    limit: int
    rate: float | None
    """None: it has not refused any for coming too fast."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """An attempt did not settle its request; `wait_s` until the next."""

    what: str
    attempt: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsSettled:
    """Verdicts have become durable: rows by status, of these requests alone."""

    rows: Mapping[Status, int]
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsWritten:
    """A part of the results is durable and named by the ledger."""

    part: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsRefused:
    """Rows were refused or given up; `place` of `batch` is the first of them."""

    rows: int
    title: str
    details: str
    batch: int
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Something a person should know: a warning in one sentence."""

    text: str


Event = (
    RunStarted
    | RowsStaged
    | StagingFinished
    | RequestSent
    | LimitChanged
    | AttemptFailed
    | RequestsSettled
    | ResultsWritten
    | RowsRefused
    | Noticed
)
Listener = Callable[[Event], None]
