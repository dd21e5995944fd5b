"""Good rows → batches. Pure: the same frames give the same batches.

The law: batches partition the rows; none is lost, none comes twice. In a batch of a bulk operation
all rows agree on what is constant per request, and no value of a unique field repeats. Never:
files, the network, the numbers of batches, what a row says beside these fields.

Rows wait in a pool in the order in which they came. A batch takes the first row of each key, so
that a later row of a key is always in a later batch. This order holds among rows that address the
same thing: those that agree on the constants in path and body, whatever their options. Two rows of
one profile under two coupons, or in two campaigns, may swap.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

import polars as pl
from msgspec import Struct

from pipeline.batches import Batches, some_at_a_time
from pipeline.model import HEAD
from pipeline.operations import Operation, Place

ROWS_MAX = 1000
POOL_ROWS_MAX = 500_000
"""500 groups that fill at the same pace hold that many rows just before their first batches are
full. Measured on 5 million rows of 500 coupons, shuffled: all batches full; 95 % with 400,000."""
BODY_BYTES_MAX = 5 * 1024 * 1024
"""No limit is documented (API.md §2.7); should the API have one, a 413 splits the batch again."""
HOW = (Place.QUERY, Place.ROW)
FRESH_SHARE = 4
"""The pool is looked through when it has grown by a quarter: then each row is seen a few times."""
SOME_ROWS = 5_000
"""Rows of batches that leave together."""
NUMBER_BYTES = 12
"""What a number or a boolean takes in a body, and its quotes, colon and comma."""

POSITION, GROUP, KEY = "position", "group", "key "
"""Columns of a plan, which has one line per row of the pool, in its order: where the row stands,
the rows that it shares its constants with, and for each unique field (`key 0`, …) a hash of value
and address. Two keys of one hash are kept apart as if they were equal: safe, and rare."""
ROUND, PART, SIZE = "round", "part", "size"
"""How many rows must leave one after the other before this one; parts of group and round."""
PLACE = "\0place"
"""Column of the pool: which row this is of all that came, from 0."""
BATCH = "batch"
"""Column of a choice, beside POSITION, in order of dispatch: the batch's first row's POSITION."""


class Columns(Struct, frozen=True, kw_only=True):
    """The columns of a staged frame that decide which rows may share a batch, and its size."""

    constants: tuple[str, ...]
    options: tuple[str, ...]
    """The constants that say how, not what: those in the query, and in the rows themselves."""
    unique: tuple[str, ...]
    sent: tuple[str, ...]

    @classmethod
    def of(cls, operation: Operation, names: Iterable[str]) -> "Columns":
        """Find them among *names*; a single-row operation has nothing to agree on."""
        fields = [(name, field) for name in names if (field := operation.field(name)) is not None]
        constants = [(name, f) for name, f in fields if f in operation.constants]
        return cls(
            constants=tuple(name for name, _ in constants),
            options=tuple(name for name, field in constants if field.place in HOW),
            unique=tuple(name for name, field in fields if field.name in operation.unique),
            sent=tuple(name for name, field in fields if field.place is Place.ROW),
        )


class Cut(Struct, frozen=True, kw_only=True):
    """The rows that leave the pool, the sizes of the batches that they make, the rows that stay."""

    rows: pl.DataFrame
    sizes: list[int]
    rest: pl.DataFrame


class Batcher:
    """Make batches of staged rows as they come: `add` each frame, then `close` once.

    Frames have one schema, that of a staged frame without `batch`. A batch has at most *rows_max*
    rows, and no more than the operation takes. Up to *pool_rows_max* rows, and a quarter more, wait
    for others to fill a batch with; beyond that the fullest batches leave as they are.
    """

    def __init__(
        self,
        operation: Operation,
        *,
        rows_max: int = ROWS_MAX,
        pool_rows_max: int = POOL_ROWS_MAX,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        self._operation = operation
        self._rows_max = min(rows_max, operation.rows_max) if operation.bulk else rows_max
        self._pool_rows_max = pool_rows_max
        self._body_bytes_max = body_bytes_max
        self._waiting: list[pl.DataFrame] = []
        self._rows_seen = 0  # of those that wait, by the last look
        self._came = self._left = 0
        self._last_left = -1  # the highest PLACE among the rows that have left

    @property
    def rows_pooled(self) -> int:
        """How many rows wait for others to fill a batch with."""
        return sum(frame.height for frame in self._waiting)

    @property
    def in_order(self) -> bool:
        """Whether the rows of all batches taken so far are the first that came, none left out.

        Then a batcher that begins with the next row makes lawful batches of the rest.
        """
        return self._last_left == self._left - 1

    def add(self, frame: pl.DataFrame) -> Iterator[Batches]:
        """Take the rows of *frame*; return the batches that are complete now, in order of dispatch.

        Some at a time, made as one asks for them.
        """
        end = self._came + frame.height
        places = pl.int_range(self._came, end, dtype=pl.Int64, eager=True).alias(PLACE)
        self._came = end
        self._waiting.append(frame.hstack([places]))
        pooled = self.rows_pooled
        if pooled < self._rows_max or (pooled - self._rows_seen) * FRESH_SHARE < self._rows_seen:
            return iter(())
        return self._look(last=False)

    def close(self) -> Iterator[Batches]:
        """Return what is left, in batches that need not be full."""
        return self._look(last=True) if self.rows_pooled else iter(())

    def _look(self, *, last: bool) -> Iterator[Batches]:
        pool = pl.concat(self._waiting)
        columns = Columns.of(self._operation, pool.columns)
        if HEAD in pool.columns:
            cut = _slice_whole(pool, self._rows_max, last=last)
        elif _is_plain(pool, columns):
            cut = _slice(pool, self._rows_max, last=last)
        else:
            cut = self._gather(pool, columns, last=last)
        self._waiting = [cut.rest] if cut.rest.height else []
        self._rows_seen = cut.rest.height
        sizes = cut.sizes
        if self._operation.bulk:
            sizes = _within(cut.rows, sizes, columns.sent, self._body_bytes_max)
        return self._leave(cut.rows, sizes)

    def _leave(self, rows: pl.DataFrame, sizes: list[int]) -> Iterator[Batches]:
        places = rows.get_column(PLACE)
        rows = rows[[name for name in rows.columns if name != PLACE]]
        start = 0
        for some in some_at_a_time(sizes, int, rows=SOME_ROWS):
            count = sum(some)
            self._left += count
            last = int(places[start : start + count].max())  # type: ignore[arg-type] # not empty
            self._last_left = max(self._last_left, last)
            yield Batches(rows=rows[start : start + count], sizes=some)
            start += count

    def _gather(self, pool: pl.DataFrame, columns: Columns, *, last: bool) -> Cut:
        """Cut a pool whose rows do not all agree, or in which a key repeats."""
        pool = pool.rechunk()  # or taking rows from here and there is slow
        plan = _plan(pool, columns)
        if last or _has_crossings(pool, plan, columns):
            return _cut(pool, _emptied(plan, self._rows_max, pool.height))
        chosen = _full(plan, self._rows_max)
        surplus = pool.height - chosen.height - self._pool_rows_max
        if surplus > 0:
            left = plan.join(chosen, on=POSITION, how="anti", maintain_order="left")
            room = self._pool_rows_max // FRESH_SHARE  # or the next rows would be too many again
            chosen = pl.concat([chosen, _emptied(left, self._rows_max, surplus + room)])
        return _cut(pool, chosen)


def _is_plain(pool: pl.DataFrame, columns: Columns) -> bool:
    """Whether any rows of *pool* that stand together can be a batch."""
    alike = [pl.col(name).eq_missing(pl.col(name).first()).all() for name in columns.constants]
    if alike and not all(pool.select(alike).row(0)):
        return False
    return all(pool.get_column(name).n_unique() == pool.height for name in columns.unique)


def _slice(pool: pl.DataFrame, rows_max: int, *, last: bool) -> Cut:
    """Cut a plain pool as it stands."""
    full, left = divmod(pool.height, rows_max)
    sizes = [rows_max] * full + ([left] if last and left else [])
    leaving = sum(sizes)
    # The rest is copied, or its few rows would keep the whole block in memory.
    return Cut(rows=pool.head(leaving), sizes=sizes, rest=pool.slice(leaving).rechunk())


def _slice_whole(pool: pl.DataFrame, rows_max: int, *, last: bool) -> Cut:
    """Cut a pool as it stands, but never among rows that make one request.

    A batch has no more than *rows_max* rows, unless its one request has.
    """
    ends = [*pool.get_column(HEAD).arg_true().to_list()[1:], pool.height]
    sizes, start = [], 0
    while start < (pool.height if last else pool.height - rows_max):
        fitting = bisect_right(ends, start + rows_max) - 1
        stop = ends[max(fitting, bisect_right(ends, start))]
        sizes.append(stop - start)
        start = stop
    return Cut(rows=pool.head(start), sizes=sizes, rest=pool.slice(start).rechunk())


def _cut(pool: pl.DataFrame, chosen: pl.DataFrame) -> Cut:
    """Take the rows of *chosen* out of *pool*."""
    positions = chosen.get_column(POSITION)
    stays = pl.repeat(value=True, n=pool.height, eager=True).scatter(positions, values=False)
    sizes = chosen.get_column(BATCH).rle().struct.field("len").to_list()
    return Cut(rows=pool[positions], sizes=sizes, rest=pool.filter(stays))


def _plan(pool: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Return the plan of *pool* in its order: POSITION, GROUP and the keys."""
    addressed = [name for name in columns.constants if name not in columns.options]
    keys = [
        pl.struct(*addressed, name).hash().alias(f"{KEY}{index}")
        for index, name in enumerate(columns.unique)
    ]
    plan = pool.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias(POSITION), *keys)
    if not columns.constants:
        return plan.with_columns(pl.lit(0, dtype=pl.UInt32).alias(GROUP))
    constants = pool.select(
        pl.col(name).alias(f"constant {index}") for index, name in enumerate(columns.constants)
    )
    groups = (
        constants.with_columns(plan[POSITION])
        .group_by(constants.columns, maintain_order=True)
        .agg(POSITION)
        .select(pl.int_range(pl.len(), dtype=pl.UInt32).alias(GROUP), POSITION)
        .explode(POSITION)
        .sort(POSITION)
    )
    return plan.with_columns(groups[GROUP])


def _has_crossings(pool: pl.DataFrame, plan: pl.DataFrame, columns: Columns) -> bool:
    """Whether rows that address the same thing differ in their options, and so in their group.

    Gathered group by group they would leave out of order.
    """
    if not columns.options or pool.select(columns.options).n_unique() == 1:
        return False
    keys = [name for name in plan.columns if name.startswith(KEY)]
    return any(plan.select(GROUP, key).n_unique() > plan[key].n_unique() for key in keys)


def _full(plan: pl.DataFrame, rows_max: int) -> pl.DataFrame:
    """Choose the full batches that *plan* has in it, group by group."""
    large = plan.filter(pl.len().over(GROUP) >= rows_max)
    positions = [plan[POSITION].clear()]
    for group in large.partition_by(GROUP, maintain_order=True):
        positions += _takes(group, rows_max)
    chosen = pl.concat(positions).to_frame()
    first = pl.int_range(pl.len()) // rows_max * rows_max
    return chosen.with_columns(pl.col(POSITION).gather(first).alias(BATCH))


def _takes(rows: pl.DataFrame, rows_max: int) -> Iterator[pl.Series]:
    """Yield the positions of one full batch after the other: the first row of each key."""
    while rows.height >= rows_max:
        window, first = _window(rows, rows_max)
        chosen = first & (first.cum_sum() <= rows_max)
        batch = window.filter(chosen)
        if batch.height < rows_max:
            return
        yield batch.get_column(POSITION)
        rows = pl.concat([window.filter(~chosen), rows.slice(window.height)])


def _window(rows: pl.DataFrame, rows_max: int) -> tuple[pl.DataFrame, pl.Series]:
    """Return as much of the head of *rows* as a full batch needs, and which rows of it are first.

    A row is first when none before it has any of its keys.
    """
    size = 2 * rows_max
    while True:
        window = rows.head(size).rechunk()
        first = pl.repeat(value=True, n=window.height, eager=True)
        for key in (name for name in window.columns if name.startswith(KEY)):
            first &= window.get_column(key).is_first_distinct()
        if window.height == rows.height or first.sum() >= rows_max:
            return window, first
        size *= 4


def _emptied(plan: pl.DataFrame, rows_max: int, wanted: int) -> pl.DataFrame:
    """Choose batches, full or not, until they have *wanted* rows: of each round the fullest first.

    Rounds leave one after the other, so that a row never overtakes an earlier one of its key.
    """
    runs = _in_rounds(plan).sort(ROUND, GROUP, maintain_order=True)
    nth = _nth(pl.struct(ROUND, GROUP).rle_id())
    return (
        runs.with_columns((nth // rows_max).alias(PART))
        .group_by(ROUND, GROUP, PART, maintain_order=True)
        .agg(POSITION)
        .with_columns(
            pl.col(POSITION).list.len().alias(SIZE), pl.col(POSITION).list.first().alias(BATCH)
        )
        .sort(ROUND, SIZE, BATCH, descending=[False, True, False])
        .filter(pl.col(SIZE).cum_sum() - pl.col(SIZE) < wanted)
        .select(POSITION, BATCH)
        .explode(POSITION)
    )


def _nth(run: pl.Expr) -> pl.Expr:
    """Return how many lines of the same run stand before a line; runs are numbered upwards."""
    line = pl.int_range(pl.len())
    return line - pl.when(run.ne_missing(run.shift())).then(line).forward_fill()


def _in_rounds(plan: pl.DataFrame) -> pl.DataFrame:
    """Give each row its ROUND: one more than the highest of an earlier row that has a key of it.

    With one key this counts its earlier rows; with several a raised round can raise others.
    """
    keys = [name for name in plan.columns if name.startswith(KEY)]
    plan = plan.with_columns(pl.lit(0, dtype=pl.Int64).alias(ROUND))
    # Lines of one key stand together and rise by one at least. All keys at once: the steps between
    # the runs are so high that the maximum never comes from the run before.
    line, step = pl.int_range(pl.len()), 2 * plan.height + 1
    while True:
        before = plan.get_column(ROUND)
        for key in keys:
            floor = pl.col(key).rle_id().cast(pl.Int64) * step - line
            raised = (pl.col(ROUND) + floor).cum_max() - floor
            plan = plan.sort(key, POSITION).with_columns(raised.alias(ROUND)).sort(POSITION)
        if len(keys) <= 1 or plan.get_column(ROUND).equals(before):
            return plan


def _within(rows: pl.DataFrame, sizes: list[int], sent: tuple[str, ...], most: int) -> list[int]:
    """Return *sizes*, with batches halved whose body would have more than *most* bytes.

    The bytes of a row are an estimate: what escapes its strings need is not counted.
    """
    if not sizes:
        return sizes
    schema = rows.schema  # made anew each time that it is asked for
    columns = [_bytes(name, schema[name]) for name in sent]
    names_bytes = sum(len(name) + NUMBER_BYTES for name in sent)
    longest = rows.select(pl.sum_horizontal(column.max() for column in columns)).item() or 0
    if (longest + names_bytes) * max(sizes) <= most:  # no row can be longer: most sources end here
        return sizes
    row_bytes = rows.select(pl.sum_horizontal(columns)).to_series() + names_bytes
    if row_bytes.top_k(1).sum() * max(sizes) <= most:
        return sizes

    def halves(start: int, size: int) -> Iterator[int]:
        if size == 1 or row_bytes.slice(start, size).sum() <= most:
            yield size
        else:
            yield from halves(start, size // 2)
            yield from halves(start + size // 2, size - size // 2)

    starts = accumulate(sizes, initial=0)
    return [
        part for start, size in zip(starts, sizes, strict=False) for part in halves(start, size)
    ]


def _bytes(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return about how many bytes a value takes in a body, without its name; null for none."""
    column = pl.col(name)
    if dtype == pl.String:
        return column.str.len_bytes()
    if dtype == pl.Binary:
        return column.bin.size()
    if dtype.is_nested():
        return pl.struct(column).struct.json_encode().str.len_bytes()
    return column.is_not_null().cast(pl.UInt32)
