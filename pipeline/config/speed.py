"""How fast a job may send, as people write it: 200/s, 50%, adaptive. Texts in, numbers out; pure.

The job file and the command line take the same words. Raises ValueError for all others: what was
expected is for the caller to say, in `CONCURRENCY`, `RATE` and `SHARE`.
"""

import math
import re
from typing import Final, Literal

ADAPTIVE: Final = "adaptive"
"""The number of requests in flight is found out while sending."""
CONCURRENCY_MAX = 256
"""Connections that one host will take from one client, with room to spare."""
CONCURRENCY = f'"{ADAPTIVE}", or a number of requests from 1 to {CONCURRENCY_MAX}'
RATE = "a number of requests per second above 0, such as 200 or 200/s"
SHARE = "a share above 0 and up to 1, such as 0.5 or 50%"
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def concurrency(said: object) -> int | Literal["adaptive"]:
    """Read 16, "16" or "adaptive"."""
    if said == ADAPTIVE:
        return ADAPTIVE
    number = int(said) if isinstance(said, str) and re.fullmatch(r"[0-9]{1,9}", said) else said
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError  # noqa: TRY004 - as what pydantic expects of a validator
    if not 1 <= number <= CONCURRENCY_MAX:
        raise ValueError
    return number


def rate(said: object) -> float:
    """Read 200, "200" or "200/s"."""
    return _positive(said.removesuffix("/s").rstrip() if isinstance(said, str) else said)


def share(said: object) -> float:
    """Read 0.5, "0.5" or "50%"."""
    if isinstance(said, str) and said.endswith("%"):
        found = _positive(said.removesuffix("%").rstrip()) / 100
    else:
        found = _positive(said)
    if found > 1:
        raise ValueError
    return found


def _positive(said: object) -> float:
    number = float(said) if isinstance(said, str) and _NUMBER.fullmatch(said) else said
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError  # noqa: TRY004 - as what pydantic expects of a validator
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number
