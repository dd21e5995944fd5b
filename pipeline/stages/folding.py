"""Rows that make up one request together: the lines of a session's cart, one to a row. Pure.

Marks where each group begins (HEAD) and says what is wrong with a group as a whole: it is sent
whole or not at all. Groups are runs of one key; never knows where rows come from, nor how they are
sent. Which operation folds, and within which limits, its record says (`lines`).
"""

from collections.abc import Sequence

import polars as pl
from msgspec import Struct, field

from pipeline.model import HEAD
from pipeline.operations import Field, Operation, Place

FAULT = "\0fault of the group"
"""Column of what is wrong with the group of a row; null where nothing is."""
UNREAD = "\0unread"
KEYS_MAX = 5_000_000
"""Keys of a file that are remembered, 8 bytes each: rows of one key that are further apart than so
many groups are not noticed, and make two requests."""
SIBLING = "another row of the same {key} is not good: they are sent together or not at all"
APART = "{key}: its rows do not stand together; sort the source by it"
CUT = "{key}: a line next to its rows could not be read, and may have been one of them"


def is_folding(operation: Operation, names: Sequence[str]) -> bool:
    """Say whether rows with the fields *names* are lines of a list, rather than requests."""
    return bool(_lines(operation, names))


def rows_max(operation: Operation) -> int:
    """Return how many rows a group has at most; more can never be sent."""
    whole = operation.field(operation.lines)
    return (whole.elements_max if whole else None) or 1


def heads(keys: pl.Series) -> pl.Series:
    """Return whether each row begins a group: whether its key differs from the one before."""
    return (keys.ne_missing(keys.shift()) | (pl.int_range(len(keys), eager=True) == 0)).alias(HEAD)


def unread_before(rows: pl.Series, broken: pl.Series) -> pl.Series:
    """Return whether a broken row stands right before each of *rows*; both numbered, ascending."""
    passed = broken.search_sorted(rows)
    return (passed != passed.shift(1, fill_value=0)).alias(UNREAD)


def unread_beside(rows: pl.Series, broken: pl.Series) -> pl.Series:
    """Return whether a broken row stands right before or right behind each of *rows*."""
    before = unread_before(rows, broken)
    last = bool(len(rows) and len(broken) and broken[-1] > rows[-1])
    return before | before.shift(-1, fill_value=last)


def cut_before(keys: pl.Series, rows: pl.Series, broken: pl.Series, *, rows_max: int) -> int:
    """Return how many rows can go on: those before the last place where two groups meet cleanly.

    The others wait for what may follow. A group that is too long already does not: enough of it
    goes on, and enough waits, for both parts to be refused for their length.
    """
    clean = (heads(keys) & ~unread_before(rows, broken)).arg_true()
    start = int(clean[-1]) if len(clean) else 0
    spare = len(keys) - (rows_max + 1)
    return spare if spare - start > rows_max else start


class Surroundings(Struct, frozen=True, kw_only=True):
    """Where a block stands: its file, and the numbers of its rows and of the broken ones there."""

    file: str
    rows: pl.Series
    broken: pl.Series


class Groups(Struct, kw_only=True):
    """The groups of one reading of a source: `fold` each block of it, in order."""

    operation: Operation
    _file: str = ""
    _earlier: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.UInt64))

    def fold(self, fields: pl.DataFrame, around: Surroundings) -> tuple[pl.DataFrame, pl.Series]:
        """Return *fields* with HEAD, and the FAULT of each row's group.

        What the fields of a group say beside its lines must agree, or be left out.
        """
        keys = fields[self.operation.key].hash()
        earlier = self._earlier if around.file == self._file else self._earlier.clear()
        self._file = around.file
        self._earlier = pl.concat([earlier, keys.unique()]).tail(KEYS_MAX)
        marked = fields.with_columns(
            heads(fields[self.operation.key]), unread_beside(around.rows, around.broken)
        )
        fault = marked.select(_fault(self.operation, fields.columns, keys.is_in(earlier)))
        return marked.drop(UNREAD), fault.to_series()


def _fault(operation: Operation, names: Sequence[str], known: pl.Series) -> pl.Expr:
    """Return all that is wrong with the group of a row, in words, or null."""
    group = pl.col(HEAD).cum_sum()
    unread = pl.col(UNREAD).any().over(group)
    apart = (group.n_unique().over(operation.key) > 1) | pl.lit(known)
    reasons = [
        pl.when(apart).then(pl.lit(APART.format(key=operation.key))),
        pl.when(unread).then(pl.lit(CUT.format(key=operation.key))),
        *_too_much(operation, names, group),
        *(_differs(name, group) for name in _own(operation, names)),
    ]
    said = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
    return pl.when(said != "").then(said).alias(FAULT)


def tainted(bad: Sequence[pl.Expr]) -> pl.Expr:
    """Return which rows are good by themselves and have a row in their group that is not."""
    own = pl.any_horizontal(bad).fill_null(False)
    return own.any().over(pl.col(HEAD).cum_sum()) & ~own


def _too_much(operation: Operation, names: Sequence[str], group: pl.Expr) -> list[pl.Expr]:
    """Return what is said of groups beyond the limits of the list that they make up."""
    whole = operation.field(operation.lines)
    if whole is None:
        return []
    most = rows_max(operation)
    said: list[pl.Expr] = [
        pl.when(pl.len().over(group) > most).then(pl.lit(f"{whole.name}: more than {most} rows"))
    ]
    if whole.total_max is not None:
        member, total = whole.total_max
        for name, line in _lines(operation, names):
            if line.path == member:
                many = pl.col(name).sum().over(group) > total
                words = f"{name}: the rows of one {operation.key} add up to more than {total}"
                said.append(pl.when(many).then(pl.lit(words)))
    return said


def _differs(name: str, group: pl.Expr) -> pl.Expr:
    first = pl.col(name).drop_nulls().first().over(group)
    return pl.when((pl.col(name) != first).fill_null(False)).then(
        pl.lit(f"{name}: differs from the first row of its group")
    )


def _lines(operation: Operation, names: Sequence[str]) -> list[tuple[str, Field]]:
    found = ((name, operation.field(name)) for name in names)
    return [(name, line) for name, line in found if line and line.place is Place.LINE]


def _own(operation: Operation, names: Sequence[str]) -> list[str]:
    """Return the fields that say something of the whole group."""
    lines = {name for name, _ in _lines(operation, names)}
    return [name for name in names if name not in lines and name != operation.key]
