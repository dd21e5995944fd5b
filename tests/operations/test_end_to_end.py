"""Each operation from a CSV and from a Parquet file into the sandbox; its answers in results."""

import csv
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import polars as pl
import pytest
from msgspec.structs import replace

from pipeline import verbs
from pipeline.errors import JobError
from pipeline.events import Noticed
from pipeline.model import Status
from pipeline.operations import OPERATIONS, find
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from pipeline.sandbox.embedded import Embedded
from pipeline.stages.results import schema_of
from tests.journey.account import Account, job
from tests.operations.cases import ANY, CASES, COUPON, Case

Rows = Sequence[Mapping[str, str]]


def names_of(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def write_csv(path: Path, rows: Rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names_of(rows))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: Rows, typed: Mapping[str, Sequence[Any]]) -> Path:
    columns: dict[str, Sequence[Any]] = {
        name: [row.get(name) or None for row in rows] for name in names_of(rows)
    }
    pl.DataFrame(columns | dict(typed), strict=False).write_parquet(path)
    return path


def load(account: Account, case: Case, source: Path) -> Run:
    for name, rows in case.before:
        before = write_csv(source.parent / f"before-{name}.csv", rows)
        account.run(job(before, name), confirmed=True)
    return account.run(job(source, case.name, options=case.options), confirmed=True)


def matches(found: Any, expected: object) -> bool:
    if expected is ANY:
        return found not in (None, [], "")
    if isinstance(expected, list):
        both = list(zip(found or [], expected, strict=False))
        return (
            found is not None
            and len(found) == len(expected)
            and all(matches(one, wanted) for one, wanted in both)
        )
    return bool(found == expected)


def test_there_is_a_case_for_each_operation() -> None:
    assert [case.name for case in CASES] == [operation.name for operation in OPERATIONS]


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_operation_from_end_to_end(
    case: Case, form: str, account: Account, tmp_path: Path
) -> None:
    path = tmp_path / f"rows.{form}"
    source = (
        write_csv(path, case.rows) if form == "csv" else write_parquet(path, case.rows, case.typed)
    )
    run = load(account, case, source)
    results = run.results
    operation = find(case.name)
    assert operation is not None
    assert dict(results.schema) == schema_of(operation)
    assert len(results) == len(case.rows)
    for name, expected in case.results.items():
        found = results[name].to_list()
        assert all(map(matches, found, expected)), (name, found, run.reasons.to_dicts())
    assert run.ended.totals.requests == case.requests
    refused = {"refused"} & set(results["status"])
    assert run.ended.exit_code == (1 if refused else 0)


def held(account: Account, kind: str) -> list[dict[str, Any]]:
    return account.held(kind)


def test_audiences_change_only_as_the_row_says(account: Account, tmp_path: Path) -> None:
    """A list that the API needs beside the other is sent empty (API.md §3.11)."""
    case = next(case for case in CASES if case.name == "profiles-one-by-one")
    load(account, case, write_csv(tmp_path / "rows.csv", case.rows))
    profiles = {p["integrationId"]: p for p in held(account, "profiles")}
    assert {m["id"] for m in profiles["a/1"]["audienceMemberships"]} == {5, 6}
    assert profiles["c"]["attributes"] == {"Tier": "gold"}


def test_an_inventory_is_nested_columns(account: Account, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "inventories")
    results = load(account, case, write_csv(tmp_path / "rows.csv", case.rows)).results
    (profile,) = results["profile"].drop_nulls()
    assert profile["attributes"] == '{"Tier":"gold"}'
    (coupons,) = results["coupons"].drop_nulls()
    assert [coupon["value"] for coupon in coupons] == [COUPON]
    codes = results.select(pl.col("referrals").list.explode().struct.field("campaignId"))
    assert codes.to_series().drop_nulls().to_list() == [7]


def test_what_destroys_is_not_run_unconfirmed(account: Account, tmp_path: Path) -> None:
    account.run(job(write_csv(tmp_path / "p.csv", [{"integrationId": "a", "attributes.T": "x"}])))
    erasures = job(write_csv(tmp_path / "rows.csv", [{"integrationId": "a"}]), "erasures")
    with pytest.raises(JobError) as refused:
        account.run(erasures)
    assert f"1 row(s), at {account.base_url}" in str(refused.value)
    assert "--yes" in refused.value.hint
    assert refused.value.exit_code == 2
    assert not (account.runs_dir / "rows").exists()
    assert held(account, "profiles")[0]["attributes"] == {"T": "x"}


def test_what_is_staged_asks_when_it_is_pushed_and_is_resumed_without(
    account: Account, tmp_path: Path
) -> None:
    rows = [{"integrationId": name} for name in "abc"]
    account.run(job(write_csv(tmp_path / "p.csv", rows)))
    run = account.stage(job(write_csv(tmp_path / "rows.csv", rows), "erasures"))
    for go_on in (account.push, account.resume):
        with pytest.raises(JobError, match=r"3 row\(s\), at .*nobody has confirmed"):
            go_on(run)
    first = functools.partial(verbs.resume, RunFolder(path=run.folder))
    anyio.run(first, account.terms(confirmed=True), lambda job: replace(job, first=1))
    assert run.ended.totals.of(Status.DELIVERED) == 1
    assert account.resume(run).ended.totals.of(Status.DELIVERED) == 3


def test_a_retired_route_stops_the_run_and_was_announced(tmp_path: Path) -> None:
    with Embedded(options={"v1": "gone"}) as gone:
        account = Account(gone.base_url, gone.api_key, tmp_path / "runs")
        source = write_csv(tmp_path / "rows.csv", [{"integrationId": "a"}] * 30)
        run = account.run(job(source, "profiles-v1"))
        assert run.ended.exit_code == 3
        assert "does not have this route" in run.ended.message
        assert run.ended.totals.of(Status.PENDING) == 30
        assert account.state()["requests"] == 1
    told = [event.text for event in account.events if isinstance(event, Noticed)]
    assert [text for text in told if "retired" in text] == [told[1]]
    assert "profiles does the same with 1,000" in told[0]


def test_rows_of_one_cart_share_its_fate_and_have_a_result_each(
    account: Account, tmp_path: Path
) -> None:
    line = {
        "customerSessionId": "s1",
        "profileId": "a",
        "state": "closed",
        "cartItem.quantity": "1",
    }
    rows = [
        line | {"cartItem.sku": "A", "cartItem.price": "2", "cartItem.attributes.Color": "red"},
        line | {"cartItem.sku": "B", "cartItem.price": "3", "cartItem.attributes.Color": ""},
        line | {"customerSessionId": "s2", "cartItem.sku": "A", "cartItem.quantity": "0"},
        line | {"customerSessionId": "s2", "cartItem.sku": "B", "cartItem.price": "3"},
        line | {"customerSessionId": "s3", "cartItem.sku": "B", "cartItem.price": ""},
        line | {"customerSessionId": "s3", "cartItem.sku": "C", "cartItem.price": "1"},
        line | {"customerSessionId": "s4", "cartItem.sku": "C", "cartItem.price": "1"},
    ]
    options = {"responseContent": ["customerSession"]}
    run = account.run(job(write_csv(tmp_path / "rows.csv", rows), "sessions", options=options))
    results = run.results
    statuses = ["delivered"] * 2 + ["rejected"] * 2 + ["refused"] * 2 + ["delivered"]
    assert results["status"].to_list() == statuses
    assert results["total"].to_list() == [5.0, 5.0, None, None, None, None, 1.0]
    assert "cartItem.quantity" in results["error_details"][2]
    assert "another row of the same customerSessionId" in results["error_details"][3]
    assert run.ended.totals.requests == 3
    (cart,) = [s["cartItems"] for s in held(account, "sessions") if s["integrationId"] == "s1"]
    assert cart == [
        {"sku": "A", "quantity": 1, "price": 2.0, "attributes": {"Color": "red"}},
        {"sku": "B", "quantity": 1, "price": 3.0},
    ]
    assert run.failures["customerSessionId"].to_list() == ["s2", "s2", "s3", "s3"]
