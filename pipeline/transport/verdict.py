"""What one attempt means: pure, and all of it in tables (DESIGN §5).

Knows statuses and the words of the operation's record; never how often, when or over what
connection an attempt was made.
"""

import enum
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson
from msgspec import Struct

from pipeline.model import Answer, Fault
from pipeline.operations.operation import Conflict, Missing, Operation, Repeat


class Judgement(enum.StrEnum):
    """What an attempt has come to, seen on its own."""

    DONE = "done"
    REFUSED = "refused"
    TOO_LARGE = "too large"
    AGAIN = "again"
    """Certainly not applied: not now."""
    PERHAPS = "perhaps"
    """Perhaps applied: nobody can tell from this attempt."""
    STOP = "stop"
    """No request of this run can be delivered."""


class Rule(Struct, frozen=True, kw_only=True):
    """What the record of an operation says about answers and repeats."""

    repeat: Repeat
    success: frozenset[int]
    """Statuses that mean success even without a body."""
    missing: Missing = Missing.REFUSE
    conflict: Conflict = Conflict.RETRY
    needs_answer: bool = False
    """Whether a success without a readable body is none (silent=no: codes, effects)."""


class Judged(Struct, frozen=True, kw_only=True):
    """A judgement and what belongs to it."""

    judgement: Judgement
    reason: str = ""
    """A sentence for a person; empty when done."""
    whole: bool = False
    """Whether a whole answer came: the API may have stored it under the idempotency key."""
    retry_after: str = ""


BY_STATUS: Final[Mapping[int, Judgement]] = {
    # Whoever redirects has not done it, and an API that we may follow does not redirect.
    301: Judgement.STOP,
    302: Judgement.STOP,
    307: Judgement.STOP,
    308: Judgement.STOP,
    401: Judgement.STOP,
    403: Judgement.STOP,
    405: Judgement.STOP,
    407: Judgement.STOP,
    408: Judgement.PERHAPS,  # some gateways say it of the API behind them
    410: Judgement.STOP,
    413: Judgement.TOO_LARGE,
    425: Judgement.AGAIN,
    429: Judgement.AGAIN,
}
BY_CLASS: Final[Mapping[int, Judgement]] = {
    2: Judgement.DONE,
    3: Judgement.PERHAPS,
    4: Judgement.REFUSED,
    5: Judgement.PERHAPS,
}
BY_MISSING: Final[Mapping[Missing, Judgement]] = {
    Missing.REFUSE: Judgement.REFUSED,
    Missing.ISOLATE: Judgement.REFUSED,
    Missing.DONE: Judgement.DONE,
    Missing.STOP: Judgement.STOP,
}
BY_CONFLICT: Final[Mapping[Conflict, Judgement]] = {
    Conflict.RETRY: Judgement.AGAIN,
    Conflict.DONE: Judgement.DONE,
}
EXISTS: Final = "exist"
"""In the words of a 409 that means "it exists already"; of one operation it may mean too many
requests as well, or a limit reached (the document on trackEventV3)."""
NOT_THE_API: Final[Mapping[int, Judgement]] = {404: Judgement.REFUSED}
"""A "done" that the API has not said itself (HTML, nothing at all); otherwise PERHAPS."""
CLEAR_WITHOUT_BODY: Final = frozenset({Judgement.STOP, Judgement.TOO_LARGE, Judgement.AGAIN})
"""What a status line alone can say; a broken 400 names no row, a broken 200 is no proof."""

WHY: Final[Mapping[int, str]] = {
    301: "the address redirects: set the base URL to where the API itself is",
    302: "the address redirects: set the base URL to where the API itself is",
    307: "the address redirects: set the base URL to where the API itself is",
    308: "the address redirects: set the base URL to where the API itself is",
    401: "the API refused the key: missing, mistyped, expired, or of another environment",
    403: "the API refused the key: it may not do this",
    404: "the API does not have this route, or no longer",
    405: "the API does not have this route, or no longer",
    407: "the proxy wants a user name and a password: put them into the proxy's address",
    410: "the API does not have this route, or no longer",
}
PHRASES: Final[Mapping[int, str]] = {status.value: status.phrase for status in HTTPStatus}
MESSAGE_LENGTH_MAX: Final = 200
"""Characters of the API's own words that a reason quotes."""


def rule_of(
    operation: Operation, *, repeat: Repeat | None = None, needs_answer: bool = False
) -> Rule:
    """Return the rule that *operation*'s record sets.

    *repeat* where a request's own options change it (a profile with the rule engine);
    *needs_answer* where the request asks for a body (silent=no).
    """
    return Rule(
        repeat=operation.repeat if repeat is None else repeat,
        success=frozenset(operation.success),
        missing=operation.missing,
        conflict=operation.conflict,
        needs_answer=needs_answer,
    )


def expects_answer(operation: Operation, target: str) -> bool:
    """Say whether a success must have a body: *target* asks for it, or no other is documented.

    Nobody can tell any more what a retired operation answers.
    """
    if operation.field("silent") is not None:
        return "silent=no" in target
    return bool(operation.answer.fields) and 204 not in operation.success and not operation.retired  # noqa: PLR2004 - No Content


def judge(result: Answer | Fault, rule: Rule) -> Judged:
    """Say what an attempt has come to. Never raises, whatever came back."""
    if isinstance(result, Fault):
        return Judged(judgement=_of_fault(result, rule), reason=result.what)
    judgement = _of_answer(result, rule)
    return Judged(
        judgement=judgement,
        reason="" if judgement is Judgement.DONE else _reason(result, judgement),
        whole=True,
        retry_after=result.retry_after,
    )


def _of_fault(fault: Fault, rule: Rule) -> Judgement:
    if not fault.sent:
        return Judgement.AGAIN
    if fault.status is None:
        return Judgement.PERHAPS
    found = _of_status(fault.status, "", rule)
    return found if found in CLEAR_WITHOUT_BODY else Judgement.PERHAPS


def _of_answer(answer: Answer, rule: Rule) -> Judgement:
    found = _of_status(answer.status, answer.retry_after, rule)
    if found is not Judgement.DONE:
        return found
    if not _is_word_of_the_api(answer, rule):
        return NOT_THE_API.get(answer.status, Judgement.PERHAPS)
    if answer.status == HTTPStatus.CONFLICT and EXISTS not in _message(answer).lower():
        return Judgement.AGAIN
    return found


def _of_status(status: int, retry_after: str, rule: Rule) -> Judgement:
    match status:
        case 404:
            return BY_MISSING[rule.missing]
        case 409:
            return BY_CONFLICT[rule.conflict]
        case 503 if retry_after:
            return Judgement.AGAIN
        case _:
            return BY_STATUS.get(status) or BY_CLASS.get(status // 100, Judgement.PERHAPS)


def _is_word_of_the_api(answer: Answer, rule: Rule) -> bool:
    """Tell a success of the API from that of a gateway, a login page or a captive portal.

    The API answers in JSON, or with nothing where its document allows that. A documented 204 is
    whole without a body even where one was asked for.
    """
    if answer.body:
        return isinstance(_parsed(answer), dict | list)
    return answer.status in rule.success and (not rule.needs_answer or answer.status == 204)  # noqa: PLR2004 - No Content


def _parsed(answer: Answer) -> object:
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def _message(answer: Answer) -> str:
    match _parsed(answer):
        case {"message": str(message)}:
            return message
        case _:
            return ""


def _is_success(status: int) -> bool:
    return BY_CLASS.get(status // 100) is Judgement.DONE


def _reason(answer: Answer, judgement: Judgement) -> str:
    said = f"{answer.status} {PHRASES.get(answer.status, '')}".rstrip()
    if message := _message(answer):
        said += f": {message[:MESSAGE_LENGTH_MAX]}"
    elif answer.body and _parsed(answer) is None:
        said += " (the body is not JSON)"
    elif not answer.body and _is_success(answer.status) and judgement is Judgement.PERHAPS:
        said += " (without the body that the API sends)"
    why = WHY.get(answer.status, "") if judgement is Judgement.STOP else ""
    return f"{why} ({said})" if why else said
