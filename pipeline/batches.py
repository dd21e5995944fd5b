"""Batches that stand one behind the other in one frame: what batching hands on, and staging takes.

Knows frames and numbers; never why these rows make a batch, nor where it goes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

import polars as pl
from msgspec import Struct

from pipeline.model import ROW

T = TypeVar("T")


class Batches(Struct, frozen=True, kw_only=True, eq=False):
    """Some batches: what is done for all of them at once costs a fraction."""

    rows: pl.DataFrame
    sizes: Sequence[int]

    @property
    def firsts(self) -> list[int]:
        """The number of the first row of each."""
        starts = [end - size for end, size in zip(self.ends, self.sizes, strict=True)]
        return self.rows.get_column(ROW)[starts].to_list()

    @property
    def lines(self) -> tuple[tuple[int, int], ...]:
        """(rows, first row) of each, as the ledger has them."""
        return tuple(zip(self.sizes, self.firsts, strict=True))

    def behind(self, count: int) -> "Batches":
        """Return them without the first *count*."""
        known = sum(self.sizes[:count])
        return Batches(rows=self.rows[known:], sizes=self.sizes[count:]) if count else self

    @property
    def ends(self) -> Iterator[int]:
        """The place behind the last row of each, counted from the first row of all."""
        return accumulate(self.sizes)


def one_by_one(batches: Iterable[Batches]) -> Iterator[pl.DataFrame]:
    """Yield the rows of each single batch."""
    for some in batches:
        for end, size in zip(some.ends, some.sizes, strict=True):
            yield some.rows[end - size : end]


def some_at_a_time(
    batches: Iterable[T], rows_of: Callable[[T], int], *, rows: int
) -> Iterator[list[T]]:
    """Yield *batches*, whatever stands for them, some at a time: *rows* rows or a little more."""
    some: list[T] = []
    left = rows
    for batch in batches:
        some.append(batch)
        left -= rows_of(batch)
        if left <= 0:
            yield some
            some, left = [], rows
    if some:
        yield some
