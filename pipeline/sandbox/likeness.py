"""What an account is like, from a file: latency, rate, faults, switches; for a rehearsal.

    faults = "latency:lognormal(80ms,0.5); rate:300/s; 429:1%"
    seed = 7
    [options]                          # see switches.py
    attributes = "attributes.json"     # relative to this file, as is `data`
    strict = "yes"

Standard library only, so that reading one costs nothing. Whether a fault or a switch makes sense
is for the sandbox to say when it starts.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from msgspec import Struct, field

PATHS = ("attributes", "data")  # options that name a file or a folder


class Likeness(Struct, frozen=True, kw_only=True):
    """What `Embedded` takes, with the same names."""

    faults: str = ""
    seed: int = 0
    options: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Likeness:
    """Read the likeness in the file *path*. Raises ValueError that names the file, OSError."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML: {error}") from error
    faults, seed = found.pop("faults", ""), found.pop("seed", 0)
    options = found.pop("options", {})
    if found:
        raise ValueError(f"{path}: unknown {', '.join(found)}; it takes faults, seed, [options]")
    if not (isinstance(faults, str) and isinstance(seed, int) and isinstance(options, dict)):
        kinds = "faults is a text, seed a whole number, [options] a table"
        raise ValueError(f"{path}: {kinds}")  # noqa: TRY004 -- one kind of error for the caller
    named = {name: str(value) for name, value in options.items()}
    here = {name: str(path.parent / named[name]) for name in PATHS if named.get(name)}
    return Likeness(faults=faults, seed=seed, options={**named, **here})
