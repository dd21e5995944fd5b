"""The rows of customers_messy.csv: one kind of trouble each, and what must become of it.

    python sample_data/messy.py

writes customers_messy.csv and the table at the end of README.md. A file with wrong bytes in it does
not survive an editor, so this table is its source. What is expected was written down by hand, from
the rules in README.md; knows nothing of the loader, so that it cannot share its mistakes.
"""

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
HEADER = b"customer_id,first_purchase,last_purchase,orders,spend,tier\n"
TABLE_STARTS = "<!-- written by messy.py from here to the end -->\n"
SHOWN_CHARS_MAX = 60

# The cells of a row without trouble, and what must be sent for them. The id of such a row is its
# number in five digits.
CELLS = {
    "first": b"1997-01-08",
    "last": b"1998-05-28",
    "orders": b"4",
    "spend": b"100.50",
    "tier": b"silver",
}
ATTRIBUTES = {
    "FirstPurchase": "1997-01-08T00:00:00Z",
    "LastPurchase": "1998-05-28T00:00:00Z",
    "Orders": 4,
    "Spend": 100.5,
    "Tier": "silver",
}

ID = "integrationId"
FIRST = "attributes.FirstPurchase"
LAST = "attributes.LastPurchase"
ORDERS = "attributes.Orders"
SPEND = "attributes.Spend"
TIER = "attributes.Tier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of trouble.

    cells: the bytes that are not as usual, by the names of CELLS, `id`, or `raw` for a whole line.
    sent: what is then sent, where it is not as usual (None: left out); None as a whole when the row
    must be rejected. faults: the fields to blame (none where the line has no fields to speak of).
    """

    trouble: str
    cells: dict[str, bytes]
    sent: dict[str, object] | None = None
    faults: tuple[str, ...] = ()
    reason: str = ""

    def raw(self, number: int) -> bytes:
        """Return the bytes of the row, its line end included, when it is the *number*th."""
        cells = {"id": b"%05d" % number} | CELLS | self.cells
        return cells.pop("raw", None) or b",".join(cells.values()) + b"\n"

    def profile(self, number: int) -> dict[str, object] | None:
        """Return the profile that must be sent, as in the API's JSON; None when none may be."""
        if self.sent is None:
            return None
        told = {ID: f"{number:05}"} | ATTRIBUTES | self.sent
        attributes = {name: told[name] for name in ATTRIBUTES if told[name] is not None}
        return {ID: told[ID]} | ({"attributes": attributes} if attributes else {})


def delivered(trouble: str, sent: dict[str, object] | None = None, **cells: bytes) -> Row:
    """Make a row that must be delivered."""
    return Row(trouble=trouble, cells=cells, sent=sent or {})


def rejected(trouble: str, faults: str, reason: str, **cells: bytes) -> Row:
    """Make a row that must be rejected; several *faults* stand apart by blanks."""
    return Row(trouble=trouble, cells=cells, faults=tuple(faults.split()), reason=reason)


ROWS = [
    delivered("none"),
    delivered("none: id of one character", {ID: "7"}, id=b"7"),
    # The shape of the line.
    rejected("short row", "", "4 columns, expected 6", raw=b"00003,1997-01-08,1998-05-28,4\n"),
    rejected("long row", "", "7 columns, expected 6", tier=b"silver,gold"),
    rejected("decimal comma without quotes", "", "7 columns, expected 6", spend=b"100,50"),
    rejected("blank line", "", "blank line", raw=b"\n"),
    rejected("line of blanks", "", "1 column, expected 6", raw=b"   \n"),
    rejected(
        "semicolons for commas",
        "",
        "1 column, expected 6",
        raw=b"00008;1997-01-08;1998-05-28;4;100.50;silver\n",
    ),
    rejected("line of totals of a report", "", "1 column, expected 6", raw=b"TOTAL: 23570\n"),
    rejected(
        "header again (two exports in one file)",
        f"{FIRST} {LAST} {ORDERS} {SPEND} {TIER}",
        "neither dates, nor numbers, nor a tier",
        raw=HEADER,
    ),
    delivered("line ends in CR LF", raw=b"00011,1997-01-08,1998-05-28,4,100.50,silver\r\n"),
    delivered("none"),
    # Quotes.
    delivered("stray quote inside an id", {ID: '000"13'}, id=b'000"13'),
    delivered("doubled quotes inside quotes", {ID: 'the "14"'}, id=b'"the ""14"""'),
    delivered("text after a closing quote", {ID: "00015b"}, id=b'"00015"b'),
    delivered("all cells quoted", {}, **{name: b'"%s"' % cell for name, cell in CELLS.items()}),
    delivered("comma inside quotes", {ID: "Smith, 17"}, id=b'"Smith, 17"'),
    delivered("newline inside quotes: two lines", {ID: "00018\nSmith"}, id=b'"00018\nSmith"'),
    delivered("backslashes, the last before a quote", {ID: "C:\\new\\"}, id=b'"C:\\new\\"'),
    # Ids.
    rejected("empty id", ID, "required", id=b""),
    rejected("id of 1,001 characters", ID, "longer than 1000 characters", id=b"x" * 1_001),
    delivered("id of 1,000 characters", {ID: "x" * 1_000}, id=b"x" * 1_000),
    delivered(
        "id of 1,000 characters in 2,000 bytes", {ID: "é" * 1_000}, id=("é" * 1_000).encode()
    ),
    delivered("none; its id comes once more below"),
    delivered(
        "the same id again, with other values", {ID: "00024", "Orders": 5}, id=b"00024", orders=b"5"
    ),
    delivered("an id that is the number of another", {ID: "24"}, id=b"24"),
    delivered("id that looks like a number", {ID: "1e3"}, id=b"1e3"),
    delivered("id with blanks around it", {ID: "  00028 "}, id=b"  00028 "),
    delivered("id with a tab", {ID: "000\t29"}, id=b"000\t29"),
    delivered("id that says NULL", {ID: "NULL"}, id=b"NULL"),
    rejected("NUL in an id", ID, "control character", id=b"000\x0031"),
    rejected("escape sequence in an id", ID, "control character", id=b"\x1b[31m00032"),
    # Characters.
    rejected("latin-1 bytes in a UTF-8 file", ID, "not valid UTF-8", id=b"Zo\xeb33"),
    rejected("half a surrogate, as bytes", ID, "not valid UTF-8", id=b"\xed\xa0\xbd34"),
    rejected("latin-1 bytes in an attribute", TIER, "not valid UTF-8", tier=b"s\xeflver"),
    rejected("NUL in an attribute", TIER, "control character", tier=b"sil\x00ver"),
    delivered("emoji of several code points", {ID: "👩‍🎤37"}, id="👩‍🎤37".encode()),
    delivered(
        "right-to-left text and an override", {ID: "שלום\u202e38"}, id="שלום\u202e38".encode()
    ),
    delivered("zero-width space in an id", {ID: "000\u200b39"}, id="000\u200b39".encode()),
    delivered("byte order mark in an id", {ID: "\ufeff00040"}, id="\ufeff00040".encode()),
    delivered("é as one code point", {ID: "ren\u00e9"}, id="ren\u00e9".encode()),
    delivered("é as two code points: another id", {ID: "rene\u0301"}, id="rene\u0301".encode()),
    # Text that means something elsewhere.
    delivered("spreadsheet formula", {ID: "=cmd|' /C calc'!A0"}, id=b"=cmd|' /C calc'!A0"),
    delivered("script tag", {ID: "<script>alert(44)</script>"}, id=b"<script>alert(44)</script>"),
    delivered("SQL", {ID: "'; DROP TABLE customers; --"}, id=b"'; DROP TABLE customers; --"),
    delivered("path and address", {ID: "../46?a=b&c=%2F#d"}, id=b"../46?a=b&c=%2F#d"),
    delivered("JSON", {ID: '{"id": 47}'}, id=b'"{""id"": 47}"'),
    # Dates.
    rejected("day that is not", FIRST, "not a date like %Y-%m-%d", first=b"1997-02-31"),
    rejected("date in another format", FIRST, "not a date like %Y-%m-%d", first=b"08/01/1997"),
    rejected(
        "date and time with offset",
        LAST,
        "not a date like %Y-%m-%d",
        last=b"1998-05-28T10:00:00+02:00",
    ),
    rejected("blank after a date", LAST, "not a date like %Y-%m-%d", last=b"1998-05-28 "),
    rejected("date of noughts", LAST, "not a date like %Y-%m-%d", last=b"0000-00-00"),
    delivered("leap day", {"FirstPurchase": "1996-02-29T00:00:00Z"}, first=b"1996-02-29"),
    delivered(
        "last purchase before the first: not ours to judge",
        {"LastPurchase": "1996-12-31T00:00:00Z"},
        last=b"1996-12-31",
    ),
    # Integers.
    rejected("negative orders", ORDERS, "less than 0", orders=b"-4"),
    rejected("words for orders", ORDERS, "not an integer", orders=b"four"),
    rejected("orders with decimals", ORDERS, "not an integer", orders=b"4.5"),
    rejected("exponent in orders", ORDERS, "not an integer", orders=b"1e3"),
    rejected("blank before orders", ORDERS, "not an integer", orders=b" 4"),
    rejected("orders beyond 64 bits", ORDERS, "not an integer of 64 bits", orders=b"9" * 20),
    rejected("digits that are not ASCII", ORDERS, "not an integer", orders="\uff14".encode()),
    delivered("orders with leading zeros", {"Orders": 7}, orders=b"007"),
    delivered("orders with a plus sign", {"Orders": 1}, orders=b"+1"),
    # Numbers.
    rejected("decimal comma in quotes", SPEND, "not a number", spend=b'"100,50"'),
    rejected("thousands apart by commas", SPEND, "not a number", spend=b'"1,234.56"'),
    rejected("currency", SPEND, "not a number", spend=b"$100.50"),
    rejected("blank after spend", SPEND, "not a number", spend=b"100.50 "),
    rejected("hexadecimal", SPEND, "not a number", spend=b"0x1F"),
    rejected("NaN", SPEND, "not a number in JSON", spend=b"NaN"),
    rejected("Infinity", SPEND, "not a number in JSON", spend=b"Infinity"),
    rejected("more than a 64-bit float holds", SPEND, "not a number in JSON", spend=b"1e400"),
    rejected("2^53 + 1", SPEND, "cannot be sent exactly as a number", spend=b"9007199254740993"),
    delivered("2^53", {"Spend": 9007199254740992}, spend=b"9007199254740992"),
    delivered("exponent in spend", {"Spend": 1000}, spend=b"1e3"),
    delivered("negative spend (a refund)", {"Spend": -0.5}, spend=b"-0.50"),
    # Choices, and cells with nothing in them.
    rejected("unknown tier", TIER, "not one of the tiers", tier=b"diamond"),
    rejected("capital letters", TIER, "not one of the tiers", tier=b"Silver"),
    rejected("blank after a tier", TIER, "not one of the tiers", tier=b"silver "),
    rejected("NULL for a tier", TIER, "not one of the tiers", tier=b"NULL"),
    rejected("newline in a tier: two lines", TIER, "not one of the tiers", tier=b'"sil\nver"'),
    rejected(
        "text of 5,000 characters", TIER, "not one of the tiers", tier=b"silver" * 833 + b"!!"
    ),
    rejected(
        "three things at once",
        f"{FIRST} {ORDERS} {TIER}",
        "not a date; less than 0; not one of the tiers",
        first=b"yesterday",
        orders=b"-1",
        tier=b"tin",
    ),
    delivered("one empty cell", {"Spend": None}, spend=b""),
    delivered("nothing but an id", dict.fromkeys(ATTRIBUTES), **dict.fromkeys(CELLS, b"")),
    delivered("none"),
    # Last, because nothing can be told from behind it.
    rejected(
        "a quote that is never closed swallows the good rows below it",
        "",
        "1 column, expected 6",
        raw=b'"00086,1997-01-08,1998-05-28,4,100.50,silver\n'
        b"00087,1997-01-08,1998-05-28,4,100.50,silver\n"
        b"00088,1997-01-08,1998-05-28,4,100.50,silver\n",
    ),
]


def csv_bytes() -> bytes:
    """Return the whole file."""
    return HEADER + b"".join(row.raw(number) for number, row in enumerate(ROWS, 1))


def table() -> str:
    """Return the table of README.md: number and first line of each row, its trouble, its fate."""
    lines = [
        "| row | line | trouble | becomes | sent, or why not |",
        "| --- | --- | --- | --- | --- |",
    ]
    line = 2
    for number, row in enumerate(ROWS, 1):
        fate, told = "delivered", json.dumps(row.sent or "as it is").strip('"')
        if row.sent is None:
            fate, told = "rejected", ": ".join(filter(None, [", ".join(row.faults), row.reason]))
        elif row.sent:
            told = f"`{told if len(told) <= SHOWN_CHARS_MAX else told[:SHOWN_CHARS_MAX] + '…'}`"
        cells = [str(number), str(line), row.trouble, fate, told.replace("|", "\\|")]
        lines.append(f"| {' | '.join(cells)} |")
        line += row.raw(number).count(b"\n")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the file, and the table into README.md."""
    (HERE / "customers_messy.csv").write_bytes(csv_bytes())
    readme = HERE / "README.md"
    above, _, _ = readme.read_text(encoding="utf-8").partition(TABLE_STARTS)
    readme.write_text(above + TABLE_STARTS + "\n" + table(), encoding="utf-8")


if __name__ == "__main__":
    main()
