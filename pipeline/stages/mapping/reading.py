"""How a cell is read: which kind it must become, and in what way the source writes that kind.

Only the wish lives here; `text`, `times` and `native` carry it out.
"""

from msgspec import Struct

from pipeline.operations import Kind

ELEMENTS = {
    Kind.STRINGS: Kind.STRING,
    Kind.INTEGERS: Kind.INTEGER,
    Kind.NUMBERS: Kind.NUMBER,
    Kind.TIMES: Kind.TIME,
}
"""The kind of the elements of each kind that is a list."""

EXPECTED = {
    Kind.STRING: "text in UTF-8",
    Kind.INTEGER: "an integer",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.STRINGS: "a list of strings",
    Kind.INTEGERS: "a list of integers",
    Kind.NUMBERS: "a list of numbers",
    Kind.JSON: "a JSON object or array",
}


class Reading(Struct, frozen=True, kw_only=True):
    """What a cell must become (`kind`), and how its source writes times and lists."""

    kind: Kind
    zone: str = "UTC"
    """Of times without an offset (IANA)."""
    format: str | None = None
    """Of times, as strptime has it; None: RFC 3339, or the same without an offset."""
    separator: str = "|"
    """Between the elements of a list in text that is not a JSON array."""

    @property
    def expects(self) -> str:
        """What the cell should have been, to follow "is not" in a message."""
        if self.kind not in (Kind.TIME, Kind.TIMES):
            return EXPECTED[self.kind]
        if self.format is not None:
            what = f"a date like {self.format}"
        else:
            what = "a time such as 2026-01-31T10:00:00Z"
        where = "" if self.zone == "UTC" else f" that exists once in {self.zone}"
        return f"{'a list, each ' if self.kind is Kind.TIMES else ''}{what}{where}"
