"""The keys of a job file: their names and types, and for each the words that say what is expected.

Only this module knows pydantic, of which it needs the core alone: all of it takes five times as
long to import. Nothing of it leaves: `check` returns plain values. Defaults stand in the
values of `job`; a key that is not set is not there. What needs the operation is checked in
`columns`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic_core import CoreSchema, SchemaValidator, ValidationError
from pydantic_core import core_schema as core

from pipeline.config import speed
from pipeline.config.hints import closest
from pipeline.config.job import Allowance
from pipeline.config.problems import Keys, Problems
from pipeline.operations import Kind

STRICT = core.CoreConfig(strict=True)
THEN, FIRST = core.no_info_after_validator_function, core.no_info_before_validator_function

COMPRESSIONS = ("infer", "none", "gzip", "zstd")
EMPTY = ("ok", "error")


class Key(NamedTuple):
    """One key of a table. It may be left out."""

    words: str
    """What it expects: completes `expected …`."""
    schema: CoreSchema
    field: str = ""
    """What the values of `job` call it, where it is not its own name."""


Table = dict[str, Key]
"""The keys of a table, by name; there may be no others."""


def _one_byte(text: str) -> str:
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise ValueError
    return text


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError as error:
        raise ValueError from error
    return name


def _scalar(said: object) -> object:
    if not isinstance(said, str | int | float) or said != said:  # noqa: PLR0124 - NaN
        raise ValueError
    return said


def _number(said: object) -> object:
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise ValueError
    return said


def _listed(said: object) -> object:
    return [said] if isinstance(said, str) else said


def _as_column(said: object) -> object:
    return {"column": said} if isinstance(said, str) else said


def _agreeing(csv: dict[str, Any]) -> dict[str, Any]:
    if csv.get("delimiter", ",") == csv.get("quote", '"'):
        raise ValueError("expected a delimiter other than the quote")
    if csv.get("header", True) == ("column_names" in csv):
        raise ValueError("expected column_names where header = false, and only there")
    return csv


def _some(said: tuple[object, ...]) -> tuple[object, ...]:
    if not said:
        raise ValueError
    return said


def _list_of(schema: CoreSchema) -> CoreSchema:
    return core.tuple_variable_schema(schema, strict=False)


def _some_of(schema: CoreSchema) -> CoreSchema:
    return THEN(_some, _list_of(schema))


def _one_of(names: Sequence[str]) -> Key:
    return Key(f"one of {', '.join(names)}", core.literal_schema([*names]))


def _table(keys: Table) -> CoreSchema:
    fields = {
        key.field or name: core.typed_dict_field(key.schema, required=False, validation_alias=name)
        for name, key in keys.items()
    }
    return core.typed_dict_schema(fields, extra_behavior="forbid", config=STRICT)


ANY, TEXT = core.any_schema(), core.str_schema(min_length=1)
FLAG = Key("true or false", core.bool_schema())
COUNT = Key("a whole number from 1", core.int_schema(ge=1))
NUMBER = THEN(_number, ANY)
BYTE = Key("one ASCII character", THEN(_one_byte, core.str_schema()))
ROWS = Key('a number of rows, or a share such as "1%"', THEN(Allowance.parse, ANY))

COLUMN: Table = {
    "column": Key("the name of a column of the source", TEXT),
    "sql": Key("an SQL expression over the columns of the source", TEXT),
    "value": Key("a constant", ANY),
    "type": Key(f"one of {', '.join(Kind)}", THEN(Kind, core.str_schema())),
    "format": Key("a form of times such as %Y-%m-%d", core.str_schema(pattern="%")),
    "required": FLAG,
    "one_of": Key("a list of the values that are allowed", _some_of(THEN(_scalar, ANY))),
    "min": Key("a number", NUMBER, "minimum"),
    "max": Key("a number", NUMBER, "maximum"),
    "length_max": COUNT,
    "pattern": Key("a regular expression", TEXT),
    "separator": Key("the text between the elements of a list", TEXT),
}
"""`[columns]`: one field of the API."""
CSV: Table = {
    "delimiter": BYTE,
    "encoding": Key("an encoding such as utf-8, cp1252", THEN(_encoding, core.str_schema())),
    "quote": BYTE,
    "compression": _one_of(COMPRESSIONS),
    "header": FLAG,
    "column_names": Key("a list of names", _some_of(TEXT)),
    "null_values": Key('a list of texts, such as ["", "NULL"]', _list_of(core.str_schema())),
    "field_length_max": COUNT,
}
"""`[csv]`: how a CSV source is written."""
DELIVERY: Table = {
    "concurrency": Key(speed.CONCURRENCY, THEN(speed.concurrency, ANY)),
    "rate": Key(speed.RATE, THEN(speed.rate, ANY)),
    "max_share": Key(speed.SHARE, THEN(speed.share, ANY)),
}
"""`[delivery]`: how requests are sent."""
LIMITS: Table = {
    "max_rejected": ROWS,
    "max_refused": ROWS,
    "tolerate": ROWS,
    "shrink_max": ROWS._replace(words='a number of rows, or a share such as "20%"'),
    "empty": _one_of(EMPTY),
}
"""`[limits]`: how many bad rows are too many."""
JOB: Table = {
    "operation": Key("the name of an operation", ANY),
    "source": Key("a path, a glob, an address, or a list of them", FIRST(_listed, _some_of(TEXT))),
    "name": Key(
        "a name for a folder: letters, digits, . _ -",
        core.str_schema(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"),
    ),
    "runs_dir": Key("a path", TEXT),
    "zone": Key("a time zone such as Europe/Berlin", TEXT),
    "columns": Key(
        "a table: field of the API = column of the source",
        core.dict_schema(core.str_schema(), FIRST(_as_column, _table(COLUMN))),
    ),
    "csv": Key("a table", THEN(_agreeing, _table(CSV))),
    "options": Key("a table", core.dict_schema(core.str_schema(), ANY)),
    "delivery": Key("a table", _table(DELIVERY)),
    "limits": Key("a table", _table(LIMITS)),
}
"""The whole job file."""
SECTIONS = {"csv": CSV, "delivery": DELIVERY, "limits": LIMITS}
VALIDATOR = SchemaValidator(_table(JOB))
COLUMN_WORDS = "a column's name, or a table with column, sql or value"


def check(said: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """Return *said*, as TOML has it, with its types checked: only the keys that were set.

    A column is always a table, a source always a tuple, an allowance an `Allowance`, and the keys
    are called as the values of `job` call them. What is wrong goes to *problems*; the answer
    is then empty.
    """
    try:
        checked: dict[str, Any] = VALIDATOR.validate_python(said)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _tell(dict(one), problems)
        return {}
    return checked


def _tell(error: dict[str, Any], problems: Problems) -> None:
    """Put one finding of pydantic into the words of the house."""
    path: Keys = error["loc"]
    table, key = _place(path)
    match error["type"]:
        case "extra_forbidden":
            names = ", ".join(table)
            problems.add(path, f"unknown key{closest(key, table)}; expected one of {names}")
        case "dict_type" if path[0] == "columns" and len(path) > 1:
            problems.expected(path, COLUMN_WORDS, error["input"])
        case "value_error" if path == ("csv",):
            problems.add(path, str(error["ctx"]["error"]))
        case _:
            problems.expected(path, table[key].words, error["input"])


def _place(path: Keys) -> tuple[Table, str]:
    """Return the table that *path* leads into, and the key there."""
    match path:
        case ("columns", _, str(key), *_):
            return COLUMN, key
        case (str(section), str(key), *_) if section in SECTIONS:
            return SECTIONS[section], key
        case _:
            return JOB, str(path[0])
