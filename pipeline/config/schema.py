"""The keys of a job file: their names and types, and for each the words that say what is expected.

Nothing is made to fit: "1" is no number, and 1 no text. Defaults stand in the values of `job`; a
key that is not set is not there. What needs the operation is checked in `columns`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.config import speed
from pipeline.config.constants import is_finite
from pipeline.config.hints import closest
from pipeline.config.job import Allowance
from pipeline.config.problems import Keys, Problems
from pipeline.operations import Kind

Take = Callable[[Any], object]
"""Return what is made of a value; raise ValueError for one that is not as it should be."""
Read = Callable[[Any, Keys, Problems], Any]
"""Return what is made of what stands at a path; tell what is wrong with it."""
Table = Mapping[str, Read]
"""The keys of a table. Each may be left out; there may be no others."""

COMPRESSIONS = ("infer", "none", "gzip", "zstd")
EMPTY = ("ok", "error")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
CALLED = {"min": "minimum", "max": "maximum"}
"""What the values of `job` call a key, where it is not its own name."""

# ── how a value is read ───────────────────────────────────────────────────────────────────────


def _value(words: str, take: Take) -> Read:
    """Return what reads one value; *words* complete `expected …`."""

    def read(said: object, path: Keys, problems: Problems) -> object:
        try:
            return take(said)
        except ValueError:
            problems.expected(path, words, said)
            return None

    return read


def _list(words: str, take: Take, *, least: int) -> Read:
    """Return what reads a list of *least* values or more."""
    one = _value(words, take)

    def read(said: object, path: Keys, problems: Problems) -> tuple[object, ...]:
        if not isinstance(said, list | tuple) or len(said) < least:
            problems.expected(path, words, said)
            return ()
        return tuple(one(each, (*path, place), problems) for place, each in enumerate(said))

    return read


def _table(words: str, table: Table) -> Read:
    """Return what reads a table that may have the keys of *table*."""

    def read(said: object, path: Keys, problems: Problems) -> dict[str, Any]:
        if not isinstance(said, dict):
            problems.expected(path, words, said)
            return {}
        made: dict[str, Any] = {}
        for name, value in said.items():
            if (reads := table.get(name)) is not None:
                made[CALLED.get(name) or name] = reads(value, (*path, name), problems)
            else:
                what = f"unknown key{closest(name, table)}; expected one of {', '.join(table)}"
                problems.add((*path, name), what)
        return made

    return read


def _that(holds: Callable[[Any], object], kind: type = str) -> Take:
    """Return what takes a value of *kind* of which something *holds*."""

    def take(said: object) -> object:
        if not isinstance(said, kind) or not holds(said):
            raise ValueError
        return said

    return take


def _is_text(text: str) -> bool:
    """Raise UnicodeError for what was not UTF-8, as names of files on a command line can be."""
    text.encode()
    return True


def _one_byte(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text not in "\r\n\0"


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:
        return False
    return True


def _whole(said: object) -> object:
    if isinstance(said, bool) or not isinstance(said, int) or said < 1:
        raise ValueError
    return said


def _scalar(said: object) -> object:
    if not isinstance(said, str | int | float) or said != said:  # noqa: PLR0124 - NaN
        raise ValueError
    return said


def _as_it_is(said: object, _path: Keys, _problems: Problems) -> object:
    return said


def _one_of(names: Sequence[str]) -> Read:
    return _value(f"one of {', '.join(names)}", _that(names.__contains__))


def _source(said: object, path: Keys, problems: Problems) -> object:
    words = "a path, a glob, an address, or a list of them"
    listed = [said] if isinstance(said, str) else said
    return _list(words, TEXT, least=1)(listed, path, problems)


def _columns(said: object, path: Keys, problems: Problems) -> dict[str, Any]:
    """Read the columns; one that is no table is the name of a column of the source."""
    if not isinstance(said, dict):
        problems.expected(path, "a table: field of the API = column of the source", said)
        return {}
    return {
        name: COLUMN({"column": one} if isinstance(one, str) else one, (*path, name), problems)
        for name, one in said.items()
    }


def _csv(said: object, path: Keys, problems: Problems) -> dict[str, Any]:
    """Read how a CSV source is written, and see that it agrees with itself."""
    before = len(problems.found)
    csv: dict[str, Any] = CSV(said, path, problems)
    if len(problems.found) > before:
        return csv
    if csv.get("delimiter", ",") == csv.get("quote", '"'):
        problems.add(path, "expected a delimiter other than the quote")
    elif csv.get("header", True) == ("column_names" in csv):
        problems.add(path, "expected column_names where header = false, and only there")
    return csv


# ── the keys ──────────────────────────────────────────────────────────────────────────────────

ANY_TEXT, TEXT = _that(_is_text), _that(lambda text: text and _is_text(text))
FLAG = _value("true or false", _that(lambda _: True, bool))
NUMBER = _value("a number", _that(is_finite, object))
COUNT = _value("a whole number from 1", _whole)
BYTE = _value("one ASCII character", _that(_one_byte))
ROWS = _value('a number of rows, or a share such as "1%"', Allowance.parse)

COLUMN_KEYS: Table = {
    "column": _value("the name of a column of the source", TEXT),
    "sql": _value("an SQL expression over the columns of the source", TEXT),
    "value": _as_it_is,  # a constant
    "type": _value(f"one of {', '.join(Kind)}", Kind),
    "format": _value("a form of times such as %Y-%m-%d", _that(lambda form: "%" in form)),
    "required": FLAG,
    "one_of": _list("a list of the values that are allowed", _scalar, least=1),
    "min": NUMBER,
    "max": NUMBER,
    "length_max": COUNT,
    "pattern": _value("a regular expression", TEXT),
    "separator": _value("the text between the elements of a list", TEXT),
}
"""`[columns]`: one field of the API."""
CSV_KEYS: Table = {
    "delimiter": BYTE,
    "encoding": _value("an encoding such as utf-8, cp1252", _that(_is_encoding)),
    "quote": BYTE,
    "compression": _one_of(COMPRESSIONS),
    "header": FLAG,
    "column_names": _list("a list of names", TEXT, least=1),
    "null_values": _list('a list of texts, such as ["", "NULL"]', ANY_TEXT, least=0),
    "field_length_max": COUNT,
}
"""`[csv]`: how a CSV source is written."""
DELIVERY_KEYS: Table = {
    "concurrency": _value(speed.CONCURRENCY, speed.concurrency),
    "rate": _value(speed.RATE, speed.rate),
    "max_share": _value(speed.SHARE, speed.share),
}
"""`[delivery]`: how requests are sent."""
LIMITS_KEYS: Table = {
    "max_rejected": ROWS,
    "max_refused": ROWS,
    "tolerate": ROWS,
    "shrink_max": _value('a number of rows, or a share such as "20%"', Allowance.parse),
    "empty": _one_of(EMPTY),
}
"""`[limits]`: how many bad rows are too many."""
JOB_KEYS: Table = {
    "operation": _as_it_is,  # `toml` looks it up
    "source": _source,
    "name": _value("a name for a folder: letters, digits, . _ -", _that(NAME.fullmatch)),
    "runs_dir": _value("a path", TEXT),
    "zone": _value("a time zone such as Europe/Berlin", TEXT),
    "columns": _columns,
    "csv": _csv,
    "options": _value("a table", _that(lambda _: True, dict)),
    "delivery": _table("a table", DELIVERY_KEYS),
    "limits": _table("a table", LIMITS_KEYS),
}
"""The whole job file."""
COLUMN = _table("a column's name, or a table with column, sql or value", COLUMN_KEYS)
CSV = _table("a table", CSV_KEYS)
JOB = _table("a table", JOB_KEYS)


def check(said: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """Return *said*, as TOML has it, with its types checked: only the keys that were set.

    A column is always a table, a source always a tuple, an allowance an `Allowance`, and the keys
    are called as the values of `job` call them. What is wrong goes to *problems*; the answer
    is then empty.
    """
    before = len(problems.found)
    checked: dict[str, Any] = JOB(said, (), problems)
    return {} if len(problems.found) > before else checked
