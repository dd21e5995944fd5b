"""Whether requests only make each other wait: latency, remembered by how many were in flight; pure.

Latencies are kept as logarithms: a queue multiplies all of them, and slow tails weigh little. Knows
nothing of refusals, and decides nothing but that one question.
"""

import math
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

SECONDS_MIN = 1e-4
"""Less is the machine's own hiccups."""
STEPS = 4
"""Remembered for each fourth of a doubling …"""
DISTANCE = 0.5
"""… and compared with what was half a doubling below: nearer by, noise is all there is."""
WORTH = 0.8
"""Latency may grow with the requests to this power: twice as many must deliver at least 2^0.2 times
as much, 15 % more, or half of them are in vain."""
SURE = 2.5
"""Standard errors by which it must be beyond that (Vector's): slow tails are no sign of load."""
FRESHNESS = 0.4
"""Weight of the newest round trip in what is remembered (Vector's)."""


class Latency(Struct, frozen=True):
    """The mean of log seconds, the square of its standard error, and with how many in flight."""

    log: float
    doubt: float
    octave: float


Memory = Mapping[int, Latency]
"""By the fourth of an octave."""


class Round(Struct, frozen=True, kw_only=True):
    """Answers to requests that left since `since`: about one round trip."""

    since: float = -math.inf
    answers: int = 0
    logs: float = 0.0
    squares: float = 0.0

    def latency(self, at_once: float) -> Latency:
        """Return what the answers say, where *at_once* were in flight."""
        mean = self.logs / self.answers
        spread = max(self.squares / self.answers - mean * mean, 0.0)
        return Latency(mean, spread / max(self.answers - 1, 1), math.log2(at_once))


def log_of(seconds: float) -> float:
    """Return the logarithm that is kept of a latency."""
    return math.log(max(seconds, SECONDS_MIN))


def counted(round_: Round, sent_at: float, took_s: float) -> Round:
    """Return *round_* with one more answer in it; the first begins it."""
    log = log_of(took_s)
    return Round(
        since=sent_at if round_.since == -math.inf else round_.since,
        answers=round_.answers + 1,
        logs=round_.logs + log,
        squares=round_.squares + log * log,
    )


def remembered(memory: Memory, new: Latency) -> Memory:
    """Return *memory* with *new* mixed in.

    Fewer requests never take longer than more: what is remembered otherwise was true another time,
    and is lowered.
    """
    step = round(STEPS * new.octave)
    old, weight = memory.get(step, new), FRESHNESS
    mixed = Latency(
        old.log + weight * (new.log - old.log),
        (1 - weight) ** 2 * old.doubt + weight**2 * new.doubt,
        new.octave,
    )
    lowered = {
        other: replace(mixed, octave=known.octave)
        for other, known in memory.items()
        if known.octave < mixed.octave and known.log > mixed.log
    }
    return {**memory, **lowered, step: mixed}


def is_crowded(memory: Memory, new: Latency) -> bool:
    """Whether fewer requests deliver nearly as much, by *memory* and by what is *new* in it.

    False where nothing is known of fewer.
    """
    octave, here = new.octave, memory[round(STEPS * new.octave)]
    fewer = [known for known in memory.values() if known.octave <= octave - DISTANCE]
    if not fewer:
        return False
    less = max(fewer, key=lambda known: known.octave)
    allowed = WORTH * (octave - less.octave) * math.log(2)
    doubt = math.sqrt(here.doubt + less.doubt)
    return min(here.log, new.log) - less.log > allowed + SURE * doubt
