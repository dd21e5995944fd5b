"""Rows that did not arrive are sent again: those, once, and never an old one over a new one."""

import csv
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import polars as pl
import pytest

from pipeline import verbs
from pipeline.config.job import Job
from pipeline.errors import Interrupted, JobError, RunError
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from pipeline.verbs import Choice
from tests.journey.account import Account, job, stopped_after

HEAD = ["integrationId", "attributes.Name", "spend"]
SPEND = {"attributes.Spend": {"column": "spend", "type": "number"}}
MENDED = {"attributes.Spend": {"sql": "replace(spend, ',', '.')", "type": "number"}}
ROWS = [
    ["a", "one", "1"],
    ["b", "two", "2,5"],  # rejected: a comma
    ["c", "three", "3"],
    ["d", "four", "4,5"],  # rejected, and row 5 is of the same customer
    ["d", "five", "5"],
    ["", "six", "6"],  # rejected, whatever the mapping
]


def write(path: Path, rows: list[list[str]], head: list[str] = HEAD) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def retry(
    account: Account, run: Run, choice: Choice = verbs.EVERYTHING, mended: Job | None = None,
    **terms: Any,
) -> Run:  # fmt: skip
    folder = RunFolder(path=run.folder)
    return anyio.run(partial(verbs.retry, folder, account.terms(**terms), choice, mended))


def statuses(run: Run) -> dict[int, str]:
    return dict(run.results.select("row", "status").iter_rows())


def attributes(account: Account) -> dict[str, dict[str, object]]:
    return {one["integrationId"]: one["attributes"] for one in account.held("profiles")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "customers.csv", ROWS)


@pytest.fixture
def first(account: Account, source: Path) -> Run:
    """A run in which rows 2, 4 and 6 were rejected."""
    run = account.run(job(source, columns=SPEND))
    assert statuses(run) == {
        1: "delivered", 2: "rejected", 3: "delivered", 4: "rejected", 5: "delivered", 6: "rejected"
    }  # fmt: skip
    return run


def test_a_mended_mapping_sends_what_was_rejected_and_nothing_else(
    account: Account, first: Run, source: Path
) -> None:
    run = retry(account, first, mended=job(source, columns=MENDED))
    assert statuses(run) == {2: "delivered", 4: "superseded", 6: "rejected"}
    assert run.results["source"].unique().to_list() == [str(source)]
    assert run.results["line"].to_list() == [3, 5, 7]
    held = attributes(account)
    assert held["b"] == {"Name": "two", "Spend": 2.5}
    assert held["d"] == {"Name": "five", "Spend": 5}
    assert {one["integrationId"]: one["applied"] for one in account.held("profiles")}["a"] == 1
    assert run.ended.exit_code == 1
    assert run.ended.totals.rows == 3
    assert run.manifest["parent"] == run.manifest["root"] == first.id
    (told,) = run.results.filter(pl.col("status") == "superseded")["error_details"]
    assert told == f"row 5 of {source} has the same key and came later"


def test_a_retry_of_a_retry_keeps_the_numbers_and_knows_its_root(
    account: Account, first: Run, source: Path
) -> None:
    second = retry(account, first, mended=job(source, columns=MENDED))
    named = MENDED | {"integrationId": {"sql": "coalesce(nullif(integrationId, ''), spend)"}}
    third = retry(account, second, mended=job(source, columns=named))
    assert statuses(third) == {6: "delivered"}
    assert (third.manifest["parent"], third.manifest["root"]) == (second.id, first.id)
    outcomes = first.outcomes
    assert dict(outcomes.select("row", "status").iter_rows()) == {
        1: "delivered", 2: "delivered", 3: "delivered", 4: "superseded", 5: "delivered",
        6: "delivered",
    }  # fmt: skip
    assert outcomes.filter(pl.col("row").is_in([1, 2, 6]))["run"].to_list() == [
        first.id, second.id, third.id
    ]  # fmt: skip


def test_what_a_retry_has_delivered_is_not_sent_by_another(
    account: Account, first: Run, source: Path
) -> None:
    mended = job(source, columns=MENDED)
    retry(account, first, mended=mended)
    requests = account.state()["requests"]
    again = retry(account, first, mended=mended)
    assert statuses(again) == {2: "superseded", 4: "superseded", 6: "rejected"}
    assert account.state()["requests"] == requests
    assert statuses(Run(again.folder)) == statuses(again)
    assert dict(first.outcomes.select("row", "status").iter_rows())[2] == "delivered"


def test_a_later_run_of_the_job_stands_before_an_earlier_one(
    account: Account, first: Run, source: Path, tmp_path: Path
) -> None:
    """Yesterday's row of b failed; today's was delivered, and must stay."""
    today = write(tmp_path / "today.csv", [["b", "today", "9"]])
    account.run(job(today, columns=SPEND))
    run = retry(account, first, mended=job(source, columns=MENDED))
    assert statuses(run) == {2: "superseded", 4: "superseded", 6: "rejected"}
    assert attributes(account)["b"] == {"Name": "today", "Spend": 9}


def test_an_earlier_run_of_the_job_does_not_stand_before_a_later_one(
    account: Account, tmp_path: Path, source: Path
) -> None:
    yesterday = write(tmp_path / "yesterday.csv", [["b", "yesterday", "9"]])
    account.run(job(yesterday, columns=SPEND))
    first = account.run(job(source, columns=SPEND))
    run = retry(account, first, mended=job(source, columns=MENDED))
    assert statuses(run)[2] == "delivered"
    assert attributes(account)["b"] == {"Name": "two", "Spend": 2.5}


@pytest.mark.parametrize(
    ("where", "rows"),
    [("rejected", [2, 4, 6]), ("is EMPTY", [6]), ("not a number", [2, 4]), ("refused", None),
     ("400", None), ("", [2, 4, 6])],
)  # fmt: skip
def test_where_names_a_status_or_words_of_the_error(
    first: Run, where: str, rows: list[int] | None
) -> None:
    folder = RunFolder(path=first.folder)
    if rows is None:
        with pytest.raises(JobError, match="no rows"):
            verbs.choose(folder, Choice(where=where))
        return
    chosen = verbs.choose(folder, Choice(where=where))
    superseded = {4} & set(rows)
    assert chosen.examples["_row"].to_list() == [row for row in rows if row not in superseded]
    assert (chosen.rows, chosen.superseded) == (len(rows) - len(superseded), len(superseded))
    assert sum(chosen.reasons["rows"]) == chosen.rows


def test_to_choose_leaves_nothing_behind_and_sends_nothing(account: Account, first: Run) -> None:
    before = account.state()["requests"]
    verbs.choose(RunFolder(path=first.folder), Choice(limit=1))
    assert account.state()["requests"] == before
    assert len(list(account.runs_dir.glob("*/*/"))) == 1


def test_a_limit_takes_the_first_of_them(account: Account, first: Run, source: Path) -> None:
    run = retry(account, first, Choice(limit=1), job(source, columns=MENDED))
    assert statuses(run) == {2: "delivered", 4: "superseded"}


def test_nothing_to_send_again_is_said_and_leaves_no_folder(
    account: Account, tmp_path: Path
) -> None:
    run = account.run(job(write(tmp_path / "good.csv", [["a", "x", "1"]])))
    with pytest.raises(JobError, match="no rows"):
        retry(account, run)
    assert len(list(account.runs_dir.glob("*/*/"))) == 1


def test_a_job_for_another_operation_is_no_mended_one(
    account: Account, first: Run, source: Path
) -> None:
    with pytest.raises(JobError, match="was for profiles"):
        retry(account, first, mended=job(source, "audiences"))


def test_a_retry_that_is_not_finished_is_finished_first(
    account: Account, first: Run, source: Path
) -> None:
    stop = {"started": lambda journey: journey.stop(Interrupted("early"))}
    mended = job(source, columns=MENDED)
    begun = retry(account, first, mended=mended, **stop)
    assert begun.ended.exit_code == 130
    with pytest.raises(RunError, match=f"run {begun.id} has begun"):
        retry(account, first, mended=mended)
    assert statuses(account.resume(begun)) == {2: "delivered", 4: "superseded", 6: "rejected"}


def test_a_job_wrong_for_every_row_is_mended_and_all_rows_are_sent(
    account: Account, source: Path, tmp_path: Path
) -> None:
    """The run stops after a few requests; the retry takes over what it has not sent."""
    rows = [[f"p{n}", str(n), "1"] for n in range(2500)]
    source = write(tmp_path / "many.csv", rows)
    account.faults("400")
    first = account.run(job(source))
    account.faults("")
    assert first.ended.exit_code == 3
    assert first.ended.totals.by_status["pending"]
    run = retry(account, first, mended=job(source, columns=SPEND))
    assert statuses(run) == dict.fromkeys(range(1, 2501), "delivered")
    assert len(account.held("profiles")) == 2500
    with pytest.raises(RunError, match=f"sent by run {run.id}"):
        account.resume(first)
    assert dict(first.outcomes.select("row", "status").iter_rows()) == statuses(run)


def test_single_rows_refused_before_the_run_stopped_are_sent_too(
    account: Account, tmp_path: Path
) -> None:
    """Their batch is not settled, so no results part has them."""
    source = write(tmp_path / "few.csv", [[f"p{n}", "x", "1"] for n in range(30)])
    account.faults("400")
    first = account.run(job(source, "profiles-one-by-one"))
    account.faults("")
    assert first.ended.totals.by_status["refused"]
    assert first.ended.totals.by_status["pending"]
    run = retry(account, first, mended=job(source, "profiles-one-by-one"))
    assert statuses(run) == dict.fromkeys(range(1, 31), "delivered")


def test_the_rest_of_a_source_is_staged_before_it_is_retried(
    account: Account, tmp_path: Path
) -> None:
    source = write(tmp_path / "few.csv", [[f"p{n}", "x", "1"] for n in range(30)])
    why = Interrupted("somebody asked", exit_code=130)
    stop = {"started": lambda journey: journey.stop(why)}
    first = account.run(job(source), **stop)
    assert first.ended.totals.rows == 0
    run = retry(account, first, mended=job(source))
    assert statuses(run) == dict.fromkeys(range(1, 31), "delivered")


def test_referrals_delivered_by_a_retry_are_never_made_twice(
    account: Account, tmp_path: Path
) -> None:
    """Nothing replaces a referral, so only the row itself tells that it was sent."""
    head = ["advocateProfileIntegrationId", "campaignId"]
    source = write(tmp_path / "referrals.csv", [["a", "1"], ["b", "x"], ["c", "1"]], head)
    mended = job(source, "referrals", columns={"campaignId": {"value": 1}})
    first = account.run(job(source, "referrals"))
    assert statuses(first)[2] == "rejected"
    retry(account, first, mended=mended)
    again = retry(account, first, mended=mended)
    assert statuses(again) == {2: "superseded"}
    assert len(account.held("referrals")) == 3


def test_failures_mended_by_hand_are_read_together_with_the_run(
    account: Account, first: Run, tmp_path: Path
) -> None:
    """As a person does it: read, mended, written by polars, which drops the mark."""
    mended = tmp_path / "mended.parquet"
    failures = first.failures.with_columns(pl.col("spend").str.replace(",", "."))
    failures.filter(pl.col("_row") == 2).write_parquet(mended)
    run = account.run(job(mended, columns=SPEND, name="by-hand"))
    assert statuses(run) == {2: "delivered"}
    assert run.manifest["parent"] == first.id
    together = dict(first.outcomes.select("row", "status").iter_rows())
    assert together[2] == "delivered"
    assert len(together) == 6


def test_rows_in_doubt_go_only_when_named_and_confirmed(account: Account, tmp_path: Path) -> None:
    head = ["advocateProfileIntegrationId", "campaignId"]
    source = write(tmp_path / "referrals.csv", [["a", "1"], ["b", "2"]], head)
    account.faults("cut-after from=2 for=1 on referrals")
    first = account.run(job(source, "referrals"))
    account.faults("")
    assert statuses(first) == {1: "delivered", 2: "in_doubt"}
    with pytest.raises(JobError, match="no rows"):
        retry(account, first)
    for choice in (Choice(where="in_doubt"), Choice(in_doubt=True)):
        with pytest.raises(JobError, match="twice"):
            retry(account, first, choice)
    run = retry(account, first, Choice(where="in_doubt", in_doubt=True))
    assert statuses(run) == {2: "delivered"}
    assert len(account.held("referrals")) == 3  # one too many: it was confirmed


def test_a_retry_can_be_interrupted_and_resumed(account: Account, tmp_path: Path) -> None:
    rows = [[f"p{n}", str(n), "1,0"] for n in range(2500)]
    source = write(tmp_path / "many.csv", rows)
    first = account.run(job(source, columns=SPEND))
    why = Interrupted("somebody asked", exit_code=130)
    mended = job(source, columns=MENDED)
    begun = retry(account, first, mended=mended, **stopped_after(1, why, account.events))
    assert 0 < begun.ended.totals.by_status["pending"] < 2500
    assert statuses(account.resume(begun)) == dict.fromkeys(range(1, 2501), "delivered")
