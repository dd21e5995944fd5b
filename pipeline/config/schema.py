"""The keys of a job file: their names and types, and for each the words that say what is expected.

Only this module knows pydantic, and nothing of it leaves: `check` returns plain values.  Defaults
stand in the dataclasses of `job`; a key that is not set is not there.  What needs the operation
is checked in `columns`.
"""

import math
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pipeline.config import speed
from pipeline.config.hints import closest
from pipeline.config.job import Allowance
from pipeline.config.problems import Keys, Problems
from pipeline.operations import Kind

COMPRESSIONS = ("infer", "none", "gzip", "zstd")
EMPTY = ("ok", "error")


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


def _compression(name: str) -> str:
    if name not in COMPRESSIONS:
        raise ValueError
    return name


def _scalar(said: object) -> object:
    if not isinstance(said, str | int | float) or said != said:  # noqa: PLR0124 - NaN
        raise ValueError
    return said


def _number(said: object) -> object:
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise ValueError
    return said


def _some(said: tuple[object, ...]) -> tuple[object, ...]:
    if not said:
        raise ValueError
    return said


def _listed(said: object) -> object:
    return [said] if isinstance(said, str) else said


def _as_column(said: object) -> object:
    return {"column": said} if isinstance(said, str) else said


def _said(what: str, **limits: Any) -> Any:  # noqa: ANN401 - as pydantic.Field
    """Return a key that may be left out; *what* it expects completes `expected …`."""
    return Field(None, description=what, **limits)


Text = Annotated[str, Field(min_length=1)]
Character = Annotated[str, AfterValidator(_one_byte)]
Rows = Annotated[Any, AfterValidator(Allowance.parse)]
Number = Annotated[Any, AfterValidator(_number)]
Scalar = Annotated[Any, AfterValidator(_scalar)]


class Table(BaseModel):
    """A table of a job file: no other keys than these, no other types than these."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ColumnTable(Table):
    """`[columns]`: one field of the API."""

    column: Text = _said("the name of a column of the source")
    sql: Text = _said("an SQL expression over the columns of the source")
    value: Any = _said("a constant")
    type: Annotated[Kind, Field(strict=False)] = _said(f"one of {', '.join(Kind)}")
    format: Annotated[str, Field(pattern="%")] = _said("a form of times such as %Y-%m-%d")
    required: bool = _said("true or false")
    one_of: Annotated[tuple[Scalar, ...], Field(strict=False), AfterValidator(_some)] = _said(
        "a list of the values that are allowed"
    )
    minimum: Number = _said("a number", alias="min")
    maximum: Number = _said("a number", alias="max")
    length_max: int = _said("a whole number from 1", ge=1)
    pattern: Text = _said("a regular expression")
    separator: Text = _said("the text between the elements of a list")


class CsvTable(Table):
    """`[csv]`: how a CSV source is written."""

    delimiter: Character = _said("one ASCII character")
    encoding: Annotated[str, AfterValidator(_encoding)] = _said("an encoding such as utf-8, cp1252")
    quote: Character = _said("one ASCII character")
    compression: Annotated[str, AfterValidator(_compression)] = _said(
        f"one of {', '.join(COMPRESSIONS)}"
    )
    header: bool = _said("true or false")
    column_names: Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_some)] = _said(
        "a list of names"
    )
    null_values: Annotated[tuple[str, ...], Field(strict=False)] = _said(
        'a list of texts, such as ["", "NULL"]'
    )
    field_length_max: int = _said("a whole number from 1", ge=1)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        said = _set_in(self)
        if said.get("delimiter", ",") == said.get("quote", '"'):
            raise ValueError("expected a delimiter other than the quote")
        if said.get("header", True) == ("column_names" in said):
            raise ValueError("expected column_names where header = false, and only there")
        return self


def _outcome(said: str) -> str:
    if said not in EMPTY:
        raise ValueError
    return said


class DeliveryTable(Table):
    """`[delivery]`: how requests are sent."""

    concurrency: Annotated[Any, AfterValidator(speed.concurrency)] = _said(speed.CONCURRENCY)
    rate: Annotated[Any, AfterValidator(speed.rate)] = _said(speed.RATE)
    max_share: Annotated[Any, AfterValidator(speed.share)] = _said(speed.SHARE)


class LimitsTable(Table):
    """`[limits]`: how many bad rows are too many."""

    max_rejected: Rows = _said('a number of rows, or a share such as "1%"')
    max_refused: Rows = _said('a number of rows, or a share such as "1%"')
    tolerate: Rows = _said('a number of rows, or a share such as "1%"')
    shrink_max: Rows = _said('a number of rows, or a share such as "20%"')
    empty: Annotated[str, AfterValidator(_outcome)] = _said(f"one of {', '.join(EMPTY)}")


class JobTable(Table):
    """The whole job file."""

    operation: Any = _said("the name of an operation")
    source: Annotated[
        tuple[Text, ...], Field(strict=False), AfterValidator(_some), BeforeValidator(_listed)
    ] = _said("a path, a glob, an address, or a list of them")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")] = _said(
        "a name for a folder: letters, digits, . _ -"
    )
    runs_dir: Text = _said("a path")
    zone: Text = _said("a time zone such as Europe/Berlin")
    columns: dict[str, Annotated[ColumnTable, BeforeValidator(_as_column)]] = _said(
        "a table: field of the API = column of the source"
    )
    csv: CsvTable = _said("a table")
    options: dict[str, Any] = _said("a table")
    delivery: DeliveryTable = _said("a table")
    limits: LimitsTable = _said("a table")


SECTIONS: dict[str, type[Table]] = {
    "csv": CsvTable,
    "delivery": DeliveryTable,
    "limits": LimitsTable,
}
COLUMN = "a column's name, or a table with column, sql or value"


def check(said: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """Return *said*, as TOML has it, with its types checked: only the keys that were set.

    A column is always a table, a source always a tuple, an allowance an `Allowance`, and the keys
    are called as the dataclasses of `job` call them. What is wrong goes to *problems*; the answer
    is then empty.
    """
    try:
        return _set_in(JobTable.model_validate(said))
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _tell(dict(one), problems)
        return {}


def _set_in(table: Table) -> dict[str, Any]:
    """Return the keys of *table* that were set, and of the tables in it."""
    return {name: _plain(getattr(table, name)) for name in sorted(table.model_fields_set)}


def _plain(value: object) -> object:
    if isinstance(value, Table):
        return _set_in(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _tell(error: dict[str, Any], problems: Problems) -> None:
    """Put one finding of pydantic into the words of the house."""
    path: Keys = error["loc"]
    table, key = _place(path)
    known = {field.alias or name: field.description for name, field in table.model_fields.items()}
    match error["type"]:
        case "extra_forbidden":
            names = ", ".join(known)
            problems.add(path, f"unknown key{closest(key, known)}; expected one of {names}")
        case "model_type" if path[0] == "columns":
            problems.expected(path, COLUMN, error["input"])
        case "value_error" if path == ("csv",):
            problems.add(path, str(error["ctx"]["error"]))
        case _:
            problems.expected(path, known[key] or "", error["input"])


def _place(path: Keys) -> tuple[type[Table], str]:
    """Return the table that *path* leads into, and the key there."""
    match path:
        case ("columns", _, str(key), *_):
            return ColumnTable, key
        case (str(section), str(key), *_) if section in SECTIONS:
            return SECTIONS[section], key
        case _:
            return JobTable, str(path[0])
