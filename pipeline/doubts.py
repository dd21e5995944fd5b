"""Rows in doubt, settled by asking the API where it can be asked (DESIGN §4).

Reads ledger and staged rows, looks keys up through the same connection as the delivery, and writes
verdicts into the ledger. What a finding means is decided in `stages.delivery.evidence`; what cannot
be told stays in doubt. Never sends a row.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from http import HTTPStatus
from typing import Any, assert_never

import anyio
import orjson
import polars as pl
from anyio import to_thread
from msgspec import Struct
from msgspec.structs import replace

from pipeline import durable, outcomes, run_folder
from pipeline.clock import Clock, stamp
from pipeline.errors import RunError
from pipeline.events import Listener, Noticed
from pipeline.ledger import Ledger
from pipeline.model import (
    NO_ERROR,
    SOURCE,
    ApiError,
    BatchLine,
    Change,
    Exchange,
    Request,
    RequestLine,
    State,
    Verdict,
)
from pipeline.operations import Evidence, Operation, Repeat, find
from pipeline.parts import scan_part
from pipeline.run_folder import RunFolder
from pipeline.stages.delivery import REPLAY_S, take
from pipeline.stages.delivery.evidence import (
    SKEW_S,
    Absent,
    Applied,
    Found,
    Open,
    Sent,
    candidates,
    settle,
)
from pipeline.stages.encoding import to_requests

AT_ONCE = 8
"""Look-ups in flight at most: they come on top of nothing else, and are cheap."""
TITLE = "in doubt"
INTERRUPTED = "sent, and not answered before the run was interrupted"
ASKED = "; the API was asked: "

Ask = Callable[[Request], Awaitable[Exchange]]
"""Carry a request that only reads to its verdict."""


class Inquiry(Struct, frozen=True, kw_only=True):
    """One run's doubts, and how the API is asked about them."""

    operation: Operation
    folder: RunFolder
    ledger: Ledger
    clock: Clock
    tell: Listener
    ask: Ask

    async def settle(self) -> None:
        """Settle what can be settled: delivered with its answer, or pending again.

        A request that was interrupted while it was sent is in doubt too. To be called while nothing
        of the run is in flight. What cannot be asked about stays as it is.
        """
        if self.operation.evidence is None:
            return
        asked = settled = 0
        for batch in self.ledger.doubtful():
            for before, after in await self._settle_batch(batch, self.operation.evidence):
                asked += len(before.positions)
                settled += len(before.positions) * (after.state is not State.IN_DOUBT)
        if asked:
            words = (
                f"the API was asked about {asked:,} rows in doubt; {settled:,} are in doubt no more"
            )
            self.tell(Noticed(text=words))

    def replay(self) -> None:
        """Let requests with a key that the API still keeps be sent again, under it (KEYED)."""
        if self.operation.repeat is not Repeat.KEYED:
            return
        now = self.clock.now()
        for batch in self.ledger.doubtful():
            again = [
                Change(batch=batch.id, line=replace(line, state=State.SENDING, error=NO_ERROR))
                for line in batch.requests
                if line.state is State.IN_DOUBT
                and line.digest
                and 0 <= now - (line.first_sent_at or 0) < REPLAY_S
            ]
            self.ledger.commit(again)

    async def stored(self, line: RequestLine, rows: pl.DataFrame) -> str:
        """Say why *rows* of a request that the API refused may have been stored all the same.

        "" when nothing speaks for it. line: when it was sent and answered.
        """
        evidence = self.operation.evidence
        if evidence is None:
            return ""
        shown = await self._shown(evidence, rows)
        sent = Sent.of(line, _constants(self.operation, rows), now=self.clock.now())
        claimed = await to_thread.run_sync(self._claimed, evidence, [shown], sent.since)
        for key, found in shown.items():
            if found is None:
                return f"refused, and the API did not say whether it has stored {key} all the same"
            if near := candidates(evidence, sent, found, claimed):
                code = near[0].get(evidence.unique)
                return f"refused, but the API has stored {key} all the same ({code})"
        return ""

    async def _settle_batch(
        self, batch: BatchLine, evidence: Evidence
    ) -> list[tuple[RequestLine, RequestLine]]:
        """Settle the doubts of *batch*; return each request as it was and as it is now."""
        rows = await to_thread.run_sync(self._rows, batch)
        lines = [line for line in batch.requests if line.state in (State.IN_DOUBT, State.SENDING)]
        parts = [take(rows, line.positions) for line in lines]
        shown = [await self._shown(evidence, part) for part in parts]
        now = self.clock.now()
        sent = [
            Sent.of(line, _constants(self.operation, part), now=now)
            for line, part in zip(lines, parts, strict=True)
        ]
        since = min((one.since for one in sent), default=now)
        claimed = set(await to_thread.run_sync(self._claimed, evidence, shown, since))
        settled = []
        for line, one, found in zip(lines, sent, shown, strict=True):
            finding = settle(evidence, one, found, claimed, now=now)
            if isinstance(finding, Applied):
                claimed |= {str(made[evidence.unique]) for made in finding.by_key.values()}
            after = _settled(self.operation, line, finding)
            change = Change(batch=batch.id, line=after)
            await to_thread.run_sync(self.ledger.commit, [change])
            settled.append((line, after))
        return settled

    def _rows(self, batch: BatchLine) -> pl.DataFrame:
        path = self.folder.staged / batch.file
        with durable.reading(path, pl.exceptions.PolarsError):
            return scan_part(path).drop(SOURCE).slice(batch.start, batch.rows).collect()

    async def _shown(self, evidence: Evidence, rows: pl.DataFrame) -> dict[str, list[Found] | None]:
        """Ask what belongs to the key of each of *rows*; None where there is no answer."""
        operation = find(evidence.look_up)
        if operation is None:
            return dict.fromkeys(rows[self.operation.key], None)
        keys = rows[self.operation.key].unique(maintain_order=True).to_list()
        asked = pl.DataFrame({evidence.by: keys}).with_columns(
            pl.lit(True).alias(flag) for flag in evidence.flags
        )
        shown: dict[str, list[Found] | None] = {}
        slots = anyio.CapacityLimiter(AT_ONCE)

        async def look_up(key: str, request: Request) -> None:
            async with slots:
                shown[key] = _listed(await self.ask(request), evidence)

        async with anyio.create_task_group() as tasks:
            for key, request in zip(keys, to_requests(operation, asked), strict=True):
                tasks.start_soon(look_up, key, request)
        return {key: shown[key] for key in keys}

    def _claimed(
        self, evidence: Evidence, shown: Sequence[dict[str, list[Found] | None]], since: float
    ) -> frozenset[str]:
        """Return which of the unique values shown are results of a row that was delivered.

        Of this run, and of the runs beside it that had not ended before *since*.
        """
        values = [
            str(one[evidence.unique])
            for each in shown
            for found in each.values()
            for one in found or ()
            if evidence.unique in one
        ]
        if not values:
            return frozenset()
        wanted = pl.col(evidence.unique).is_in(values)
        claimed: set[str] = set()
        for folder in run_folder.all_runs(self.folder.path.parents[1]):
            for frame in self._results(folder, stamp(since - SKEW_S)):
                if evidence.unique in frame.collect_schema():
                    known = frame.filter(wanted).select(evidence.unique).collect()
                    claimed.update(known.to_series())
        return frozenset(claimed)

    def _results(self, folder: RunFolder, since: str) -> Iterator[pl.LazyFrame]:
        """Yield the results of a run that was for the same thing as ours, written or not."""
        ours = folder.path == self.folder.path
        try:
            manifest = folder.read_manifest()
            operation = find(manifest["job"]["operation"])
            if operation is None or operation.evidence != self.operation.evidence:
                return
            if not ours and manifest.get("ended_at", since) < since:
                return
            opened = (
                nullcontext(self.ledger)
                if ours
                else closing(Ledger.open(folder.ledger, readonly=True))
            )
        except (RunError, LookupError):
            return
        with opened as ledger:
            for file in ledger.files("results"):
                yield pl.scan_parquet(folder.results / file)
            for frame in outcomes.unwritten(folder, ledger, operation):
                yield frame.lazy()


def _settled(
    operation: Operation, line: RequestLine, finding: Applied | Absent | Open
) -> RequestLine:
    """Return the line of a request after what was found."""
    match finding:
        case Applied():
            answer = _answer(operation, list(finding.by_key.values()))
            return replace(line, state=State.DELIVERED, error=NO_ERROR, answer=answer)
        case Absent():
            again = replace(line, state=State.PENDING, error=NO_ERROR, digest="")
            return replace(again, first_sent_at=None, sent_at=None, finished_at=None)
        case Open():
            before = line.error.details.partition(ASKED)[0] or INTERRUPTED
            error = ApiError(
                title=line.error.title or TITLE, details=f"{before}{ASKED}{finding.words}"
            )
            return replace(line, state=State.IN_DOUBT, error=error)
    assert_never(finding)


def _answer(operation: Operation, made: list[Found]) -> bytes:
    """Return *made* as the answer that did not come would have had it."""
    if not operation.answer.rows_at:
        return orjson.dumps(made[0])
    answer: object = made
    for name in reversed(operation.answer.rows_at.split(".")):
        answer = {name: answer}
    return orjson.dumps(answer)


def _constants(operation: Operation, rows: pl.DataFrame) -> dict[str, Any]:
    """Return what was sent beside the keys of *rows*: the body, parsed."""
    body: dict[str, Any] = orjson.loads(to_requests(operation, rows)[0].body or b"{}")
    return body


def _listed(exchange: Exchange, evidence: Evidence) -> list[Found] | None:
    """Return what the answer to a look-up lists; None where it is no answer."""
    answer = exchange.answer
    if answer is not None and answer.status == HTTPStatus.NOT_FOUND:
        return []  # nobody of that key, so nothing of theirs
    if answer is None or exchange.verdict is not Verdict.DELIVERED:
        return None
    try:
        found = orjson.loads(answer.body).get(evidence.found_at, [])
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else None
