"""How fast a job may send, as people write it: 200/s, 50%, adaptive. Texts in, numbers out; pure.

The job file and the command line take the same words. Raises ValueError for all others, with what
was expected.
"""

import math
import re
from typing import Final, Literal

from pipeline.config.constants import is_finite

ADAPTIVE: Final = "adaptive"
"""The number of requests in flight is found out while sending."""
CONCURRENCY_MAX = 256
"""Connections that one host will take from one client, with room to spare."""
CONCURRENCY = f'"{ADAPTIVE}", or a number of requests from 1 to {CONCURRENCY_MAX}'
RATE = "a number of requests per second above 0, such as 200 or 200/s"
SHARE = "a share above 0 and up to 1, such as 0.5 or 50%"
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def concurrency(said: object) -> int | Literal["adaptive"]:
    """Read 16, "16" or "adaptive"."""
    if said == ADAPTIVE:
        return ADAPTIVE
    number = int(said) if isinstance(said, str) and re.fullmatch(r"[0-9]{1,9}", said) else said
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= CONCURRENCY_MAX:
        return number
    raise ValueError(CONCURRENCY)


def rate(said: object) -> float:
    """Read 200, "200" or "200/s"."""
    number = _number(said.removesuffix("/s").rstrip() if isinstance(said, str) else said)
    if number > 0:
        return number
    raise ValueError(RATE)


def share(said: object) -> float:
    """Read 0.5, "0.5" or "50%"."""
    is_percent = isinstance(said, str) and said.endswith("%")
    number = _number(str(said).removesuffix("%").rstrip() if is_percent else said)
    number = number / 100 if is_percent else number
    if 0 < number <= 1:
        return number
    raise ValueError(SHARE)


def _number(said: object) -> float:
    """Return the number that *said* is, or NaN."""
    number = float(said) if isinstance(said, str) and _DECIMAL.fullmatch(said) else said
    return number if is_finite(number) else math.nan
