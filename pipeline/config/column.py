"""What a job says of one field: where its values come from, and what is asked of them.

Apart from `job`, because the mapping reads it, and the mapping is pure: no paths, no files here.
"""

from typing import TypeAlias

from msgspec import Struct

from pipeline.operations import Kind

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


class Column(Struct, frozen=True, kw_only=True):
    """Where a field of the API comes from, and what the job asks of its values.

    Exactly one of `column` (of the source), `sql` (a polars expression over the source's columns)
    and `value` (a constant) is set. `type` None leaves the type to the field and the source.
    """

    field: str
    """As the API's documentation names it: an alias is resolved already."""
    column: str | None = None
    sql: str | None = None
    value: JsonValue = None
    type: Kind | None = None
    format: str | None = None
    """How times are written in the source, as strptime has it; None: RFC 3339."""
    required: bool = False
    one_of: tuple[str | int | float | bool, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    length_max: int | None = None
    pattern: str | None = None
    """A regular expression (of Rust's crate, as polars has it) that is found in each value."""
    separator: str = "|"
    """Between the elements of a list, where the source has text."""
    where: str = ""
    """For messages: where this was said, e.g. `config/profiles.toml: columns."attributes.Tier"`."""
