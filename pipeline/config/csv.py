"""How a CSV source is written; only what is not as usual has to be said."""

from msgspec import Struct

FIELD_LENGTH_MAX = 1 << 20
"""A quote that is never closed swallows the rest of a file; one value does not get that long."""


class CsvOptions(Struct, frozen=True, kw_only=True):
    """The dialect of a CSV source, and what its cells mean."""

    delimiter: str = ","
    encoding: str = "utf-8"
    quote: str = '"'
    compression: str = "infer"
    """infer (by the first bytes), none, gzip, zstd"""
    header: bool = True
    column_names: tuple[str, ...] = ()
    """The columns' names, where the file has no header."""
    null_values: tuple[str, ...] = ("",)
    """Cells that mean: no value."""
    field_length_max: int = FIELD_LENGTH_MAX
