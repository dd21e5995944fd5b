"""Did you mean …? One question about names, asked by the job file and by the mapping alike."""

import difflib
from collections.abc import Iterable

NAMES_MAX = 1000
"""Options looked at: a source may have very many columns, and a hint is not worth a wait."""


def closest(name: str, options: Iterable[str]) -> str:
    """Return ` (did you mean "x"?)` for the one of *options* most like *name*, or "".

    Case does not count: TIER finds tier. Where two are equally like it, the first one wins.
    """
    spelled: dict[str, str] = {}
    for option, _ in zip(options, range(NAMES_MAX), strict=False):
        spelled.setdefault(option.casefold(), option)
    found = difflib.get_close_matches(name.casefold(), spelled, n=1)
    return f' (did you mean "{spelled[found[0]]}"?)' if found else ""
