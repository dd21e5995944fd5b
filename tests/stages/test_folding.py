"""Rows that make one request: together in one block, one batch and one body, or not sent at all."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.batches import one_by_one
from pipeline.config.toml import Overrides, job_from
from pipeline.model import HEAD
from pipeline.operations import Operation, find
from pipeline.preparation import BLOCK_ROWS, Preparation
from pipeline.stages import folding
from pipeline.stages.batching import Batcher
from pipeline.stages.encoding import to_requests

NO_ROWS = pl.Series([], dtype=pl.UInt64)
RUNS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 7)), min_size=1, max_size=12)


def sessions() -> Operation:
    found = find("sessions")
    assert found is not None
    return found


def frame(keys: Sequence[str | None], **more: Sequence[object]) -> pl.DataFrame:
    lines = {"cartItem.sku": [f"sku{n}" for n in range(len(keys))], "cartItem.quantity": 1}
    return pl.DataFrame({"customerSessionId": keys}).with_columns(
        *(pl.Series(n, v if isinstance(v, list) else [v] * len(keys)) for n, v in lines.items()),
        *(pl.Series(name, values) for name, values in more.items()),
    )


def folded(
    fields: pl.DataFrame, *, rows: Sequence[int] = (), broken: Sequence[int] = ()
) -> tuple[list[bool], list[str | None]]:
    around = folding.Surroundings(
        file="a",
        rows=pl.Series(rows or range(1, len(fields) + 1), dtype=pl.UInt64),
        broken=pl.Series(broken, dtype=pl.UInt64),
    )
    marked, fault = folding.Groups(operation=sessions()).fold(fields, around)
    return marked[HEAD].to_list(), fault.to_list()


def test_only_lines_make_an_operation_fold() -> None:
    assert folding.is_folding(sessions(), ["customerSessionId", "cartItem.sku"])
    assert not folding.is_folding(sessions(), ["customerSessionId", "cartItems"])
    profiles = find("profiles")
    assert profiles is not None
    assert not folding.is_folding(profiles, ["integrationId", "attributes.Tier"])


def test_a_group_begins_where_the_key_changes() -> None:
    heads, faults = folded(frame(["a", "a", "b", "c", "c"]))
    assert heads == [True, False, True, True, False]
    assert faults == [None] * 5


def test_what_a_group_says_beside_its_lines_must_agree_or_be_left_out() -> None:
    states = ["open", None, "open", "closed", None]
    _, faults = folded(frame(["a", "a", "b", "b", "b"], state=states))
    assert faults == [None, None, None, "state: differs from the first row of its group", None]


def test_rows_of_a_key_that_stand_apart_are_no_group() -> None:
    _, faults = folded(frame(["a", "b", "a", "c"]))
    assert [fault is not None for fault in faults] == [True, False, True, False]
    groups = folding.Groups(operation=sessions())
    one = folding.Surroundings(file="x", rows=pl.Series([1], dtype=pl.UInt64), broken=NO_ROWS)
    other = folding.Surroundings(file="y", rows=one.rows, broken=NO_ROWS)
    told = [groups.fold(frame(["a"]), place)[1][0] for place in (one, one, other)]
    assert [fault is None for fault in told] == [True, False, True]


@pytest.mark.parametrize(
    ("broken", "spoiled"),
    [([2], "a"), ([4], "ab"), ([1], "a"), ([9], "b"), ([], "")],
)
def test_a_line_that_could_not_be_read_spoils_the_groups_beside_it(
    broken: list[int], spoiled: str
) -> None:
    rows = [row for row in range(1, 9) if row not in broken][:6]
    keys = ["a" if row < 4 else "b" for row in rows]
    _, faults = folded(frame(keys), rows=rows, broken=broken)
    assert {key for key, fault in zip(keys, faults, strict=True) if fault} == set(spoiled)


def test_limits_of_a_cart_hold_for_its_lines_together() -> None:
    _, faults = folded(frame(["a"] * 1001 + ["b"] * 1000))
    assert set(faults[:1001]) == {"cartItems: more than 1000 rows"}
    assert set(faults[1001:]) == {None}
    quantities = pl.Series("cartItem.quantity", [9_999, 2, 9_999, 1])
    _, faults = folded(frame(["a", "a", "b", "b"]).with_columns(quantities))
    assert ["add up to more than 10000" in (fault or "") for fault in faults] == [1, 1, 0, 0]


MOST = 5
"""Lines of a cart, in the test below."""


def short_carts() -> Operation:
    fields = [
        replace(f, elements_max=MOST) if f.name == "cartItems" else f for f in sessions().fields
    ]
    return replace(sessions(), fields=tuple(fields))


@given(RUNS, st.sets(st.integers(1, 40)))
def test_a_cut_leaves_groups_whole_or_spoils_both_parts(
    runs: list[tuple[str, int]], broken: set[int]
) -> None:
    keys = [f"{key}{n // 3}" for n, (key, count) in enumerate(runs) for _ in range(count)]
    numbers = [n for n in range(1, len(keys) + len(broken) + 1) if n not in broken][: len(keys)]
    rows, bad = pl.Series(numbers, dtype=pl.UInt64), pl.Series(sorted(broken), dtype=pl.UInt64)
    count = folding.cut_before(pl.Series(keys), rows, bad, rows_max=MOST)
    assert 0 <= count < len(keys)
    if count == 0:
        return
    groups, border = folding.Groups(operation=short_carts()), numbers[count - 1]
    parts = [
        (frame(keys[:count]), rows[:count], bad.filter(bad <= border)),
        (frame(keys[count:]), rows[count:], bad.filter(bad > border)),
    ]
    faults = []
    for fields, own, beside in parts:
        around = folding.Surroundings(file="a", rows=own, broken=beside)
        faults.append(groups.fold(fields, around)[1].to_list())
    if keys[count - 1] == keys[count]:
        assert faults[0][-1] is not None
        assert faults[1][0] is not None
    elif set(range(border, numbers[count])) & broken:
        assert faults[1][0] is not None
        assert faults[0][-1] is not None


@given(RUNS, st.integers(1, 12), st.lists(st.integers(1, 30), max_size=4))
def test_a_batch_never_parts_the_rows_of_a_request(
    runs: list[tuple[str, int]], rows_max: int, cuts: list[int]
) -> None:
    keys = [f"{key}{n}" for n, (key, count) in enumerate(runs) for _ in range(count)]
    marked = frame(keys).with_columns(folding.heads(pl.Series(keys)))
    batcher, batches, start = Batcher(sessions(), rows_max=rows_max), [], 0
    ends = [0, *marked[HEAD].arg_true().to_list()[1:], len(keys)]
    for cut in sorted({ends[min(cut, len(ends) - 1)] for cut in cuts} | {len(keys)}):
        if cut > start:
            batches += one_by_one(batcher.add(marked[start:cut]))
            start = cut
    batches += one_by_one(batcher.close())
    assert pl.concat(batches).equals(marked)
    for batch in batches:
        assert batch[HEAD][0]
        assert len(batch) <= rows_max or batch[HEAD].sum() == 1


@given(RUNS)
def test_the_lines_of_a_body_are_the_rows_of_its_group(runs: list[tuple[str, int]]) -> None:
    keys = [f"{key}{n}" for n, (key, count) in enumerate(runs) for _ in range(count)]
    colors = [["red", None][n % 2] for n in range(len(keys))]
    texts = [[b'{"a": [1, 2]}', None][n % 2] for n in range(len(keys))]
    more = {"cartItem.attributes.Color": colors, "cartItem.attributes.Raw": texts}
    marked = frame(keys, **more).with_columns(folding.heads(pl.Series(keys)))
    requests = to_requests(sessions(), marked)
    assert len(requests) == len(runs)
    expected: dict[str, list[dict[str, object]]] = {}
    for n, key in enumerate(keys):
        attributes = {"attributes": {"Color": "red", "Raw": {"a": [1, 2]}}} if n % 2 == 0 else {}
        expected.setdefault(key, []).append({"sku": f"sku{n}", "quantity": 1, **attributes})
    for request, (key, lines) in zip(requests, expected.items(), strict=True):
        assert request.target.endswith(f"/{key}")
        assert json.loads(request.body or b"") == {"customerSession": {"cartItems": lines}}


def test_what_one_row_of_a_group_says_is_said_of_the_whole() -> None:
    marked = frame(["a", "a", "b"], state=["open", None, None], couponCodes=[None, ["X"], ["Y"]])
    requests = to_requests(
        sessions(), marked.with_columns(folding.heads(pl.Series(["a", "a", "b"])))
    )
    first, second = (json.loads(r.body or b"")["customerSession"] for r in requests)
    assert (first["state"], first["couponCodes"]) == ("open", ["X"])
    assert second["couponCodes"] == ["Y"]
    assert "state" not in second


def test_rows_of_a_group_stay_together_where_the_source_is_read_in_blocks(tmp_path: Path) -> None:
    rows, lines = 3 * BLOCK_ROWS, 7
    source = tmp_path / "carts.parquet"
    number = pl.int_range(rows, eager=True)
    pl.DataFrame(
        {
            "customerSessionId": pl.select(pl.format("s{}", number // lines)).to_series(),
            "cartItem.sku": "A",
            "cartItem.quantity": 1,
        }
    ).write_parquet(source, row_group_size=10_000)
    blocks = list(Preparation(job_from([str(source)], Overrides(to="sessions"))).blocks())
    assert len(blocks) > 1
    assert [len(block.rejected) for block in blocks] == [0] * len(blocks)
    good = pl.concat([block.good for block in blocks])
    assert good["row"].to_list() == list(range(1, rows + 1))
    assert all(block.good[HEAD][0] for block in blocks)
    assert good[HEAD].sum() == -(-rows // lines)
