"""Everything that is wrong with a job, gathered: where it was said, what was expected, and got.

Knows how a key of a job file is written; never which keys there are.
"""

import json
import re
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from pipeline.config.hints import closest
from pipeline.errors import JobError

Keys: TypeAlias = tuple[str | int, ...]
"""Of keys: ("columns", "attributes.Tier", "type"); a number is a place in a list."""

SHOWN_LENGTH_MAX = 80
ONE_OF = "one of "


def shown(value: object) -> str:
    """Return *value* for a message: as JSON has it, cut."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_LENGTH_MAX else f"{text[: SHOWN_LENGTH_MAX - 1]}…"


def dotted(path: Keys) -> str:
    """Return *path* as TOML writes it: columns."attributes.Tier".type, one_of[2]."""
    return _below(path).removeprefix(".")


def _below(path: Keys) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += f".{part}" if bare else f".{json.dumps(part, ensure_ascii=False)}"
    return text


class Problems(Struct, frozen=True, kw_only=True):
    """What was found so far; `arguments` names what did not come from the file, by path."""

    file: str = ""
    arguments: Mapping[Keys, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def where(self, path: Keys) -> str:
        """Name the place of *path*: in the job file, or an argument."""
        for length in range(1, len(path) + 1):
            name = self.arguments.get(path[:length])
            if name:
                return f"argument {name}{_below(path[length:])}"
        return f"{self.file}: {dotted(path)}" if self.file else f"argument {dotted(path)}"

    def add(self, path: Keys, what: str) -> None:
        """Note that *what* is wrong at *path*."""
        self.found.append(f"{self.where(path)}: {what}")

    def expected(self, path: Keys, what: str, got: object) -> None:
        """Note that *path* says *got* where *what* was expected.

        Where *what* is `one of …`, the name among these that *got* may have meant is told too.
        """
        hint = ""
        if isinstance(got, str) and what.startswith(ONE_OF):
            hint = closest(got, what.removeprefix(ONE_OF).split(", "))
        self.add(path, f"expected {what}, got {shown(got)}{hint}")

    def error(self, *, hint: str = "") -> JobError:
        """Return the one error that tells all that was found."""
        message = self.found[0]
        if len(self.found) > 1:
            lines = "\n".join(f"  {problem}" for problem in self.found)
            message = f"{len(self.found)} problems in the job:\n{lines}"
        return JobError(message, hint=hint, problems=tuple(self.found))
