"""What the API has stored of a request of which no answer came, by what it shows afterwards; pure.

Nothing here asks: what was found for each key comes in by argument. A doubt is settled only where
nothing speaks against it; what could be read in two ways stays in doubt, with what is known.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from pipeline.model import RequestLine
from pipeline.operations import Evidence

SKEW_S = 120.0
"""How far the API's clock may be from ours, and how late it may apply what we wait for no more."""
QUIET_S = 60.0
"""So long after a request was sent, what it has not stored is not stored any more."""

Found = dict[str, Any]
"""One thing that belongs to a key, as the API's JSON has it."""


class Sent(Struct, frozen=True, kw_only=True):
    """A request in doubt: its constants as they were sent, and when it may have been applied."""

    constants: Mapping[str, Any]
    since: float
    until: float
    """Seconds since the epoch, by our clock."""

    @classmethod
    def of(cls, line: RequestLine, constants: Mapping[str, Any], *, now: float) -> "Sent":
        """Return the request of *line*; one that a crash has cut short may have ended just now."""
        since = line.first_sent_at or line.sent_at or now
        return cls(constants=constants, since=since, until=line.finished_at or now)


class Applied(Struct, frozen=True, kw_only=True):
    """Every row of the request was applied; `by_key`: what the API made of each."""

    by_key: Mapping[str, Found]


class Absent(Struct, frozen=True, kw_only=True):
    """No row of the request was applied: it can be sent again."""


class Open(Struct, frozen=True, kw_only=True):
    """It cannot be told; `words` say what is known."""

    words: str


def settle(
    evidence: Evidence,
    sent: Sent,
    shown: Mapping[str, Sequence[Found] | None],
    claimed: Collection[str],
    *,
    now: float,
) -> Applied | Absent | Open:
    """Say what became of *sent*.

    shown: for each key of the request what belongs to it, None where the API would not say.
    claimed: the unique values that are known to come from other requests.
    """
    unknown = sum(found is None for found in shown.values())
    if unknown:
        return Open(words=f"the API did not say what belongs to {_of(unknown, shown)}")
    near = {key: candidates(evidence, sent, found or (), claimed) for key, found in shown.items()}
    matches = {
        key: [one for one in found if _agrees(evidence, sent, one)] for key, found in near.items()
    }
    if not any(near.values()):
        if now - max(sent.since, sent.until) < QUIET_S:
            return Open(words=f"nothing is there, {QUIET_S:.0f} s after it was sent it will count")
        return Absent()
    batches = _batches_of_all(evidence, matches)
    if batches is not None and len(batches) == 1:
        matches = {
            key: [one for one in found if one.get(evidence.batch) in batches]
            for key, found in matches.items()
        }
    are_of_one = batches is None or len(batches) == 1
    if are_of_one and all(len(found) == 1 for found in matches.values()):
        return Applied(by_key={key: found[0] for key, found in matches.items()})
    return Open(words=_words(evidence, near, matches))


def candidates(
    evidence: Evidence, sent: Sent, found: Sequence[Found], claimed: Collection[str]
) -> list[Found]:
    """Return what may come from *sent*: made in its time, about the same, and of no other."""
    about = sent.constants.get(evidence.about)
    return [
        one
        for one in found
        if one.get(evidence.about) == about
        and one.get(evidence.unique) not in claimed
        and _in_time(one.get(evidence.created), sent)
    ]


def _batches_of_all(
    evidence: Evidence, matches: Mapping[str, Sequence[Found]]
) -> set[object] | None:
    """Return the batches that have a match for every key; None where the API names none at all."""
    named = [{one.get(evidence.batch) for one in found} - {None, ""} for found in matches.values()]
    return set.intersection(*named) if any(named) else None


def _in_time(created: object, sent: Sent) -> bool:
    """Say whether it may have been made then; also where its time cannot be read."""
    moment = _moment(created)
    if moment is None:
        return True
    return sent.since - SKEW_S <= moment <= sent.until + SKEW_S


def _agrees(evidence: Evidence, sent: Sent, one: Found) -> bool:
    return all(
        _equal(sent.constants[name], one.get(name))
        for name in evidence.equal
        if name in sent.constants
    )


def _equal(ours: object, theirs: object) -> bool:
    """Compare what was sent with what is there: times as moments, objects by what we sent."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(
            _equal(value, theirs.get(name)) for name, value in ours.items()
        )
    if ours == theirs:
        return True
    moment = _moment(ours)
    return moment is not None and moment == _moment(theirs)


def _moment(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()


def _words(
    evidence: Evidence,
    near: Mapping[str, Sequence[Found]],
    matches: Mapping[str, Sequence[Found]],
) -> str:
    one = sum(len(found) == 1 for found in matches.values())
    more = [str(found.get(evidence.unique)) for some in near.values() for found in some][:3]
    return (
        f"{_of(one, matches)} have one {evidence.unique} of that time and kind; it cannot be told "
        f"whether it is of this request: {', '.join(more)}"
    )


def _of(count: int, keys: Collection[str]) -> str:
    return f"{count:,} of {len(keys):,} keys"
