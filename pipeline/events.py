"""Facts about progress, told to whoever listens; the core never prints and never logs.

A listener is called from the event loop or from the staging thread: it must be quick, must not
raise, and must not keep what it gets for long.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from pipeline.model import Status


class RunStarted(Struct, frozen=True, kw_only=True):
    """A run begins or goes on. `rows_total` is None while the source is not read to its end."""

    run: str
    folder: str
    operation: str
    rows_total: int | None
    rows_settled: int = 0


class RowsStaged(Struct, frozen=True, kw_only=True):
    """So far, of the whole source: rows read and rejected; how much of it was read."""

    read: int
    rejected: int
    share_read: float | None = None
    """Of the source's bytes, 0 to 1, where it can be told."""


class StagingFinished(Struct, frozen=True, kw_only=True):
    """The source has been read to its end; every row is staged or rejected."""

    rows: int
    rejected: int


class RequestSent(Struct, frozen=True, kw_only=True):
    """An attempt leaves; `in_flight` counts it."""

    in_flight: int


class LimitChanged(Struct, frozen=True, kw_only=True):
    """How many requests the API takes was found to be another number: at a time, and a second."""

    limit: int
    rate: float | None
    """None: it has not refused any for coming too fast."""
    why: str


class AttemptFailed(Struct, frozen=True, kw_only=True):
    """An attempt did not settle its request; `wait_s` until the next."""

    what: str
    attempt: int
    wait_s: float


class RequestsSettled(Struct, frozen=True, kw_only=True):
    """Verdicts have become durable: rows by status, of these requests alone."""

    rows: Mapping[Status, int]
    requests: int


class ResultsWritten(Struct, frozen=True, kw_only=True):
    """A part of the results is durable and named by the ledger."""

    part: str
    rows: int


class RowsRefused(Struct, frozen=True, kw_only=True):
    """Rows were refused or given up; `place` of `batch` is the first of them."""

    rows: int
    title: str
    details: str
    batch: int
    place: int


class Noticed(Struct, frozen=True, kw_only=True):
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
