"""What batching does with the cases that people ask about; its laws are in test_partition."""

from collections.abc import Iterable

import polars as pl
import pytest
from msgspec.structs import replace

from pipeline.batches import Batches, one_by_one
from pipeline.operations import Field, Operation, Place, Repeat, find
from pipeline.stages.batching import Batcher

COUPONS = Operation(
    name="coupon-reservations",
    id="createCouponReservation",
    method="POST",
    path="/v1/coupon_reservations/{couponValue}",
    summary="a bulk operation whose constant is in the path",
    source="API.md §3.1",
    fields=(
        Field(name="couponValue", place=Place.PATH, required=True),
        Field(name="dry", place=Place.QUERY),
        Field(name="integrationId", required=True),
    ),
    key="integrationId",
    lanes=("couponValue", "integrationId"),
    repeat=Repeat.SAFE,
    success=(201,),
    rows_max=1000,
    envelope="integrationIDs",
)


def frame(coupons: Iterable[object], keys: Iterable[object], start: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        {"couponValue": list(coupons), "integrationId": [str(key) for key in keys]}
    ).with_row_index("row", start)


def numbers(batches: Iterable[Batches]) -> list[list[int]]:
    return [batch["row"].to_list() for batch in one_by_one(batches)]


def test_rows_that_agree_are_cut_as_they_stand() -> None:
    batcher = Batcher(COUPONS, rows_max=3)
    assert numbers(batcher.add(frame("AAAA", range(4)))) == [[1, 2, 3]]
    assert batcher.rows_pooled == 1
    assert numbers(batcher.add(frame("AAAA", range(4, 8), start=5))) == [[4, 5, 6]]
    assert numbers(batcher.close()) == [[7, 8]]


def test_keys_that_come_twice_in_a_row_do_not_halve_the_batches() -> None:
    batcher = Batcher(COUPONS, rows_max=3)
    rows = frame("A" * 12, "aabbccddeeff")
    assert numbers(batcher.add(rows)) == [[1, 3, 5], [2, 4, 6], [7, 9, 11], [8, 10, 12]]


def test_a_key_that_never_ends_does_not_hold_up_the_others() -> None:
    batcher = Batcher(COUPONS, rows_max=3)
    made = numbers(batcher.add(frame("A" * 10, "hhhhhhabcd")))
    assert made == [[1, 7, 8], [2, 9, 10]]
    assert numbers(batcher.close()) == [[3], [4], [5], [6]]


def test_constants_are_gathered_from_across_the_file() -> None:
    batcher = Batcher(COUPONS, rows_max=3)
    assert numbers(batcher.add(frame("ABAB", range(4)))) == []
    made = numbers(batcher.add(frame("BACA", range(4, 8), start=5)))
    assert made == [[1, 3, 6], [2, 4, 5]]
    assert numbers(batcher.close()) == [[7], [8]]


def test_a_coupon_without_a_value_is_a_group_of_its_own() -> None:
    batcher = Batcher(COUPONS, rows_max=2)
    made = numbers(batcher.add(frame([None, "", None, ""], range(4))))
    assert made == [[1, 3], [2, 4]]


def test_two_options_for_one_profile_leave_in_the_order_of_the_file() -> None:
    """Row 1 waits alone with its options; row 2, of a full batch, may not overtake it."""
    batcher = Batcher(COUPONS, rows_max=2)
    rows = frame("AAA", "ppq").with_columns(pl.Series("dry", ["no", "yes", "yes"]))
    assert numbers(batcher.add(rows)) == [[1], [3], [2]]


def test_two_coupons_for_one_profile_do_not_wait_for_each_other() -> None:
    batcher = Batcher(COUPONS, rows_max=2)
    assert numbers(batcher.add(frame("ABB", "ppq"))) == [[2, 3]]


def test_two_unique_fields_are_each_kept_apart() -> None:
    """Row 3 shares nothing with row 1, but must leave after row 2, which must leave after row 1."""
    fields = (*COUPONS.fields, Field(name="session"))
    batcher = Batcher(replace(COUPONS, fields=fields, lanes=("integrationId", "session")))
    rows = frame("AAA", "pqq").with_columns(pl.Series("session", ["s", "s", "t"]))
    assert list(batcher.add(rows)) == []
    assert numbers(batcher.close()) == [[1], [2], [3]]


def test_a_pool_that_is_too_large_sends_the_fullest_batches_first() -> None:
    batcher = Batcher(COUPONS, rows_max=100, pool_rows_max=100)
    assert list(batcher.add(frame("B" * 31 + "A" * 32 + "C" * 27, range(90)))) == []
    # Of 125 rows 25 are too many, and room for another quarter of the pool is made.
    made = one_by_one(batcher.add(frame("C" * 4 + "D" * 31, range(90, 125), start=91)))
    assert [batch["couponValue"].to_list() for batch in made] == [["A"] * 32, ["B"] * 31]
    assert batcher.rows_pooled == 62


def test_a_pool_of_rows_that_never_agree_stays_within_its_limit() -> None:
    batcher = Batcher(COUPONS, rows_max=10, pool_rows_max=1000)
    most, sent = 0, 0
    for start in range(0, 20_000, 100):
        rows = range(start, start + 100)
        sent += len(numbers(batcher.add(frame((f"C{n}" for n in rows), rows, start))))
        most = max(most, batcher.rows_pooled)
    assert most <= 1250
    assert sent + len(numbers(batcher.close())) == 20_000


def test_batches_whose_bodies_are_too_large_are_halved() -> None:
    batcher = Batcher(COUPONS, rows_max=8, body_bytes_max=300)
    keys = ["x" * 100, "b", "c", "d", "e", "f", "g", "y" * 400]
    assert numbers(batcher.add(frame("A" * 8, keys))) == [[1, 2, 3, 4], [5, 6], [7], [8]]


def test_nested_values_count_for_the_size_of_a_body() -> None:
    profiles = find("profiles")
    assert profiles is not None
    rows = pl.DataFrame(
        {"integrationId": ["a", "b"], "attributes.Tags": [["x" * 300], ["y" * 300]]}
    ).with_columns(silent=pl.lit("yes"))
    for most, batches in ((1000, 1), (600, 2)):
        batcher = Batcher(profiles, rows_max=2, body_bytes_max=most)
        assert len(list(one_by_one(batcher.add(rows)))) == batches


@pytest.mark.parametrize(("asked", "made"), [(2000, 1000), (400, 400)])
def test_a_batch_is_never_larger_than_the_operation_takes(asked: int, made: int) -> None:
    batches = one_by_one(Batcher(COUPONS, rows_max=asked).add(frame("A" * 2000, range(2000))))
    assert {batch.height for batch in batches} == {made}


def test_rows_that_are_sent_one_by_one_are_batched_without_a_look_at_them() -> None:
    batcher = Batcher(replace(COUPONS, rows_max=1), rows_max=3)
    assert numbers(batcher.add(frame("ABCA", "pppp"))) == [[1, 2, 3]]
    assert numbers(batcher.close()) == [[4]]


def test_the_state_is_settled_before_the_first_batch_is_asked_for() -> None:
    """`add` returns slices that are made when asked for; the rows have left the pool already."""
    batcher = Batcher(COUPONS, rows_max=2)
    batches = batcher.add(frame("AAA", range(3)))
    assert batcher.rows_pooled == 1
    assert numbers(batcher.close()) == [[3]]
    assert numbers(batches) == [[1, 2]]


def test_no_rows_make_no_batch() -> None:
    batcher = Batcher(COUPONS)
    assert list(batcher.close()) == []
    assert list(batcher.add(frame([], []))) == []
    assert list(batcher.close()) == []
