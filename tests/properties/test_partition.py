"""Laws of batching, for any rows, any limits and any cut into frames. The first tests of all.

The classic fault is a partial batch that is sent and not reset, or a last one that is forgotten:
`every_row_once` finds both. Rows are small here and keys few, so that they collide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.batches import one_by_one
from pipeline.operations import Field, Kind, Operation, Place, Repeat, find
from pipeline.stages.batching import Batcher

BULK = Operation(
    name="reservations",
    id="reserve",
    method="POST",
    path="/reservations/{coupon}",
    summary="a made-up operation with a constant in each place, and two unique fields",
    source="here",
    fields=(
        Field(name="coupon", place=Place.PATH, required=True),
        Field(name="limit", kind=Kind.NUMBER, place=Place.BODY),
        Field(name="tags", kind=Kind.STRINGS, place=Place.BODY),
        Field(name="attributes.*", kind=Kind.JSON, place=Place.BODY),
        Field(name="dry", kind=Kind.BOOLEAN, place=Place.QUERY),
        Field(name="profile", required=True),
        Field(name="session"),
    ),
    key="profile",
    lanes=("coupon", "profile", "session"),
    repeat=Repeat.SAFE,
    success=(200,),
    rows_max=1000,
    envelope="data",
)
SINGLE = replace(BULK, rows_max=1, envelope="")
OF_ONE_KEY = replace(BULK, lanes=("profile",))
OPERATIONS = (BULK, SINGLE, OF_ONE_KEY)

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "row": pl.UInt64,
    "key": pl.String,
    "coupon": pl.String,
    "limit": pl.Float64,
    "tags": pl.List(pl.String),
    "attributes.Where": pl.Struct({"lat": pl.Float64, "of": pl.List(pl.Int64)}),
    "dry": pl.Boolean,
    "profile": pl.String,
    "session": pl.String,
    "source": pl.Struct({"id": pl.String}),
}
CONSTANTS = ("coupon", "limit", "tags", "attributes.Where", "dry")
ADDRESS = CONSTANTS[:-1]

COUPONS = st.sampled_from(["A", "B", ""])
CONSTANT_VALUES = {
    "limit": st.sampled_from([None, 1.5, 0.0]),
    "tags": st.sampled_from([None, [], ["x"], ["x", None]]),
    "attributes.Where": st.sampled_from([None, {"lat": None, "of": None}, {"lat": 1.0, "of": [1]}]),
    "dry": st.sampled_from([None, True, False]),
}


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, object]]:
    """Some hundred rows: often one constant varies, seldom all of them, often keys repeat."""
    varied = draw(st.sets(st.sampled_from(CONSTANTS)))
    values = {
        name: strategy if name in varied else st.just(draw(strategy))
        for name, strategy in {"coupon": COUPONS, **CONSTANT_VALUES}.items()
    }
    keys = st.integers(0, draw(st.sampled_from([0, 3, 50, 10_000]))).map(str)
    sessions = st.one_of(st.none(), keys)
    drawn = draw(
        st.lists(
            st.fixed_dictionaries({**values, "profile": keys, "session": sessions}), max_size=120
        )
    )
    return [
        {**row, "row": number, "key": row["profile"], "source": {"id": f"id {number}"}}
        for number, row in enumerate(drawn, 1)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    operation: Operation
    rows: Sequence[dict[str, object]]
    cuts: Sequence[int]
    rows_max: int = 1000
    pool_rows_max: int = 600_000
    body_bytes_max: int = 5 * 1024 * 1024

    def batches(self) -> list[list[dict[str, object]]]:
        """Batches of rows, as a caller gets them who asks for each as it comes."""
        batcher = Batcher(
            self.operation,
            rows_max=self.rows_max,
            pool_rows_max=self.pool_rows_max,
            body_bytes_max=self.body_bytes_max,
        )
        frame = pl.DataFrame(self.rows, schema=SCHEMA)
        edges = [0, *sorted(min(cut, frame.height) for cut in self.cuts), frame.height]
        made: list[pl.DataFrame] = []
        for start, end in pairwise(edges):
            for some in batcher.add(frame.slice(start, end - start)):
                made += one_by_one([some])
                left = {row for one in made for row in one["row"]}
                assert batcher.in_order is (left == set(range(1, len(left) + 1)))
            assert sum(b.height for b in made) + batcher.rows_pooled == end
        made += one_by_one(batcher.close())
        assert batcher.rows_pooled == 0
        assert batcher.in_order
        assert list(batcher.close()) == []
        return [batch.to_dicts() for batch in made]


@st.composite
def cases(draw: st.DrawFn, operations: Sequence[Operation] = OPERATIONS) -> Case:
    return Case(
        operation=draw(st.sampled_from(operations)),
        rows=draw(rows()),
        cuts=draw(st.lists(st.integers(0, 120), max_size=12)),
        rows_max=draw(st.sampled_from([1, 2, 3, 7, 1000])),
        pool_rows_max=draw(st.sampled_from([0, 4, 20, 600_000])),
        body_bytes_max=draw(st.sampled_from([0, 200, 5 * 1024 * 1024])),
    )


def plain(count: int, cuts: Sequence[int], rows_max: int) -> Case:
    """A case in which nothing has to be gathered."""
    rows = [
        {"row": n, "key": str(n), "coupon": "A", "profile": str(n), "session": str(n)}
        for n in range(1, count + 1)
    ]
    return Case(operation=BULK, rows=rows, cuts=cuts, rows_max=rows_max)


@given(cases())
@example(plain(20, cuts=[3, 4, 11], rows_max=5))
@example(plain(0, cuts=[], rows_max=5))
def test_batches_partition_the_rows(case: Case) -> None:
    sent = [row for batch in case.batches() for row in batch]
    as_given = pl.DataFrame(case.rows, schema=SCHEMA).to_dicts()
    assert sorted(sent, key=lambda row: row["row"]) == as_given  # each once, each unchanged


@given(cases())
def test_no_batch_is_empty_or_over_its_limit(case: Case) -> None:
    most = min(case.rows_max, case.operation.rows_max) if case.operation.bulk else case.rows_max
    assert all(1 <= len(batch) <= most for batch in case.batches())


@given(cases([BULK, OF_ONE_KEY]))
def test_no_unique_value_repeats_within_a_batch(case: Case) -> None:
    for batch in case.batches():
        for name in case.operation.unique:
            values = [row[name] for row in batch]
            assert len(values) == len(set(values))


@given(cases([BULK, OF_ONE_KEY]))
def test_the_rows_of_a_batch_agree_on_all_constants(case: Case) -> None:
    for batch in case.batches():
        for name in CONSTANTS:
            assert all(row[name] == batch[0][name] for row in batch)


@given(cases([BULK, OF_ONE_KEY]))
def test_rows_of_a_key_that_address_the_same_thing_keep_their_order(case: Case) -> None:
    last: dict[str, int] = {}
    for number, batch in enumerate(case.batches()):
        for row in batch:
            address = repr([row[name] for name in ADDRESS])
            for name in case.operation.unique:
                lane = f"{name} {row[name]} of {address}"
                assert last.get(lane, (0, -1)) < (row["row"], number)
                last[lane] = (row["row"], number)


@given(cases([SINGLE]))
def test_rows_that_are_sent_one_by_one_stay_as_they_stand(case: Case) -> None:
    sent = [row["row"] for batch in case.batches() for row in batch]
    assert sent == sorted(sent)


@given(cases())
def test_the_same_frames_make_the_same_batches(case: Case) -> None:
    assert case.batches() == case.batches()


@given(st.data())
def test_the_operations_of_the_catalogue_are_cut_by_their_own_constants(
    data: st.DataObject,
) -> None:
    """Names with dots, aliases and families are found in the frame as users write them."""
    referrals = find("referrals")
    assert referrals is not None
    campaigns = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=60))
    frame = pl.DataFrame(
        {"integrationId": [f"p{i % 7}" for i in range(len(campaigns))]}
    ).with_columns(
        pl.Series("campaignId", campaigns),
        pl.Series("attributes.Wave", [c % 2 for c in campaigns]),
        silent=pl.lit("no"),
    )
    batcher = Batcher(referrals, rows_max=5)
    batches = [*one_by_one(batcher.add(frame)), *one_by_one(batcher.close())]
    assert sum(b.height for b in batches) == len(campaigns)
    assert all(b["campaignId"].n_unique() == 1 for b in batches)
    assert all(b["integrationId"].is_unique().all() for b in batches)
