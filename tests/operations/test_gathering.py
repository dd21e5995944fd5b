"""Rows that share a coupon are gathered from all over a source: full requests, bounded memory.

The large form (5 million rows) was measured by hand; here the same physics in small.
"""

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.batches import one_by_one
from pipeline.errors import InvariantBroken
from pipeline.events import Noticed
from pipeline.operations import Operation, find
from pipeline.preparation import Preparation
from pipeline.stages.batching import Batcher
from pipeline.stages.encoding import to_requests
from tests.journey.account import Account, job


def shuffled(rows: int, coupons: int) -> pl.DataFrame:
    """Reservations of so many coupons, each customer once per coupon, in no order at all."""
    number = pl.int_range(rows, eager=True)
    place = number * 7_919 % 100_003
    frame = pl.DataFrame({"n": number, "place": place}).sort("place", "n")
    return frame.select(
        couponValue=pl.format("COUPON-{}", pl.col("n") % coupons),
        integrationId=pl.format("c{}", pl.col("n") // coupons),
    )


@pytest.mark.parametrize(("rows", "coupons", "fill"), [(300_000, 30, 0.95), (3_000, 3_000, 0.0)])
def test_requests_are_full_and_few_rows_wait(
    tmp_path: Path, rows: int, coupons: int, fill: float
) -> None:
    source = tmp_path / "reservations.parquet"
    shuffled(rows, coupons).write_parquet(source)
    preparation = Preparation(job(source, "coupon-reservations"))
    operation = find("coupon-reservations")
    assert operation is not None
    pool_rows_max = 40_000
    batcher = Batcher(operation, pool_rows_max=pool_rows_max)
    sizes, waiting = [], 0
    for prepared in preparation.blocks():
        for batch in one_by_one(batcher.add(prepared.good)):
            sizes.append(len(batch))
            assert batch["couponValue"].n_unique() == 1
            assert batch["integrationId"].is_unique().all()
        waiting = max(waiting, batcher.rows_pooled)
    sizes += [len(batch) for batch in one_by_one(batcher.close())]
    assert sum(sizes) == rows
    assert sum(sizes) / (1000 * len(sizes)) >= fill
    assert waiting <= pool_rows_max * 5 // 4 + 40_000 * 2


def test_the_fill_is_said(account: Account, tmp_path: Path) -> None:
    source = tmp_path / "reservations.parquet"
    coupons = pl.col("couponValue").replace({"COUPON-0": "SUMMER10", "COUPON-1": "10$OFF %/é"})
    shuffled(4_000, 2).with_columns(coupons).write_parquet(source)
    run = account.run(job(source, "coupon-reservations"))
    assert run.ended.totals.requests == 4
    assert "4,000 rows in 4 request(s) of up to 1,000: filled to 100.0%" in [
        event.text for event in account.events if isinstance(event, Noticed)
    ]


def catalog() -> Operation:
    found = find("catalog")
    assert found is not None
    return found


def test_what_is_done_to_one_article_is_done_in_its_order() -> None:
    """A request does one thing to its articles; rows that do another must not overtake."""
    frame = pl.DataFrame(
        {
            "catalogId": [1] * 1510,
            "type": ["ADD"] * 10 + ["REMOVE"] * 1500,
            "sku": [f"s{n}" for n in [*range(10), *range(1500)]],
        }
    )
    batcher = Batcher(catalog())
    batches = [*one_by_one(batcher.add(frame)), *one_by_one(batcher.close())]
    assert sum(map(len, batches)) == len(frame)
    done: dict[str, list[str]] = {}
    for batch in batches:
        assert batch["type"].n_unique() == 1
        for sku in batch["sku"]:
            done.setdefault(sku, []).append(batch["type"][0])
    assert [done[f"s{n}"] for n in range(10)] == [["ADD", "REMOVE"]] * 10


def test_two_things_in_one_request_are_never_sent() -> None:
    frame = pl.DataFrame({"catalogId": [1, 1], "type": ["ADD", "REMOVE"], "sku": ["a", "b"]})
    with pytest.raises(InvariantBroken, match="type differs"):
        to_requests(catalog(), frame)
    (request,) = to_requests(catalog(), frame.head(1))
    assert json.loads(request.body or b"") == {
        "actions": [{"type": "ADD", "payload": {"sku": "a"}}]
    }
