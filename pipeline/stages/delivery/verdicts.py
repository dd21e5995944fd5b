"""The verdict on a request, as the ledger's change: which rows are settled, and which go on; pure.

Decides by the operation's facts and by what the answer says of its rows. Never sends, never
writes. Every position of the request is in the change, exactly once.
"""

from http import HTTPStatus
from typing import assert_never

from msgspec.structs import replace

from pipeline.model import (
    NO_ERROR,
    Answer,
    ApiError,
    Change,
    Exchange,
    RequestLine,
    State,
    Verdict,
)
from pipeline.operations import Missing, Operation
from pipeline.stages.delivery.answers import errors_of, read_refusal
from pipeline.stages.delivery.drafts import Draft
from pipeline.stages.delivery.isolation import Division, Trail, divide, divide_by_value

NOT_ISOLATED = "not isolated"
"""Title of the error of rows given up because the API would not say which of them is bad."""


def change_of(
    operation: Operation, draft: Draft, line: RequestLine, exchange: Exchange, trail: Trail
) -> Change:
    """Return what *exchange* makes of *draft*, whose *line* has the times and attempts already.

    `children` in state pending are to be sent next. Updates *trail*.
    """
    answer = exchange.answer
    match exchange.verdict:
        case Verdict.DELIVERED:
            trail.delivered(len(draft.positions))
            kept = answer.body if answer and operation.answer.fields and answer.body else None
            settled = replace(line, state=State.DELIVERED, error=NO_ERROR, answer=kept)
            return _change(draft, settled, exchange)
        case Verdict.REFUSED | Verdict.TOO_LARGE:
            division = _divided(operation, draft, exchange, trail)
            return _split(draft, line, division, exchange)
        case Verdict.FAILED:
            settled = replace(line, state=State.FAILED, error=_reason(exchange))
        case Verdict.IN_DOUBT:
            settled = replace(line, state=State.IN_DOUBT, error=_reason(exchange))
        case Verdict.STOP:
            settled = replace(line, state=State.PENDING, error=_reason(exchange))
        case never:
            assert_never(never)
    return _change(draft, settled, exchange)


def given_up(draft: Draft, trail: Trail) -> Change:
    """Return the change that fails *draft* because its batch has spent its requests."""
    cause = next(iter(trail.causes), "the API did not say which rows are bad")
    why = "every row tried" if trail.uniform else f"{trail.requests} requests were spent"
    error = ApiError(title=NOT_ISOLATED, details=f"{why}; refused for: {cause.strip()}")
    return Change(batch=draft.batch.id, line=replace(draft.known, state=State.FAILED, error=error))


def in_doubt(draft: Draft, why: str) -> Change:
    """Return the change that leaves *draft* in doubt, without sending it."""
    line = replace(draft.known, state=State.IN_DOUBT, error=ApiError(title="in doubt", details=why))
    return Change(batch=draft.batch.id, line=line)


def doubted(change: Change, why: str) -> Change:
    """Return *change* with the parts in doubt that would be sent next, each with its times."""
    line, error = change.line, ApiError(title="in doubt", details=why)
    children = tuple(
        replace(
            child,
            state=State.IN_DOUBT,
            error=error,
            first_sent_at=line.first_sent_at,
            sent_at=line.sent_at,
            finished_at=line.finished_at,
        )
        if child.state is State.PENDING
        else child
        for child in change.children
    )
    return replace(change, children=children)


def _divided(operation: Operation, draft: Draft, exchange: Exchange, trail: Trail) -> Division:
    positions, answer = draft.positions, exchange.answer
    if exchange.verdict is Verdict.TOO_LARGE and operation.bulk and len(positions) > 1:
        return Division(again=positions.halves())
    if answer is None or exchange.verdict is Verdict.TOO_LARGE:
        return Division(refused=((positions, _reason(exchange)),))
    if answer.status == HTTPStatus.NOT_FOUND:
        return _missing(operation, draft, answer, trail)
    return divide(positions, read_refusal(operation, answer, len(positions)), trail)


def _missing(operation: Operation, draft: Draft, answer: Answer, trail: Trail) -> Division:
    """Divide after a 404: by the value that may be missing, where a request names several."""
    groups: dict[object, list[int]] = {}
    if operation.missing is Missing.ISOLATE:
        values = draft.frame[operation.missing_names].to_list()
        for place, value in zip(draft.positions, values, strict=True):
            groups.setdefault(value, []).append(place)
    parts = tuple(groups.values()) or (tuple(draft.positions),)
    return divide_by_value(parts, errors_of(answer)[0], trail)


def _split(draft: Draft, line: RequestLine, division: Division, exchange: Exchange) -> Change:
    if len(division.refused) == 1 and not division.again:
        error = division.refused[0][1]
        return _change(draft, replace(line, state=State.REFUSED, error=error), exchange)
    parent = draft.positions
    refused = (
        replace(line, positions=positions, state=State.REFUSED, parent=parent, error=error)
        for positions, error in division.refused
    )
    again = (
        RequestLine(positions=positions, state=State.PENDING, parent=parent, attempts=line.attempts)
        for positions in division.again
    )
    split = replace(line, state=State.SPLIT)
    return _change(draft, split, exchange, children=(*refused, *again))


def _change(
    draft: Draft, line: RequestLine, exchange: Exchange, *, children: tuple[RequestLine, ...] = ()
) -> Change:
    return Change(batch=draft.batch.id, line=line, children=children, attempts=exchange.attempts)


def _reason(exchange: Exchange) -> ApiError:
    """Return the words for a request without a verdict from the API on its rows."""
    if exchange.answer is not None:
        error = errors_of(exchange.answer)[0]
        return replace(error, details=error.details or exchange.reason)
    what = exchange.fault.what if exchange.fault else ""
    return ApiError(title=what or exchange.reason, details=exchange.reason if what else "")
