"""People taken out of old runs: nothing of them is left on disk, and the books still add up."""

import json
import sqlite3
import zlib
from pathlib import Path

import polars as pl
import pytest

from pipeline import run_folder
from pipeline.history.purge import Purged, purge
from pipeline.model import Status
from pipeline.run import Run
from tests.journey.account import Account, job
from tests.operations.test_end_to_end import write_csv
from tests.retry.test_retry import retry

NOW = 1_790_000_000.0
PERSON = "p-4711-erased"
OTHER = "p-other"


def traces(folder: Path) -> list[str]:
    """The files below *folder* in which the person can still be read, by whatever encoding."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            text = json.dumps(pl.read_parquet(path).to_dicts(), default=str)
        elif path.suffix == ".sqlite":
            text = _ledger(path)
        elif path.is_file():
            text = path.read_bytes().decode(errors="replace")
        else:
            continue
        if PERSON in text:
            found.append(path.name)
    return found


def _ledger(path: Path) -> str:
    text = path.read_bytes().decode(errors="replace")
    with sqlite3.connect(path) as connection:
        answers = connection.execute("SELECT answer FROM requests WHERE answer IS NOT NULL")
        text += "".join(zlib.decompress(answer).decode() for (answer,) in answers)
    return text


def referrals(account: Account, folder: Path, *, times: str = "") -> Run:
    rows = [{"integrationId": who, "campaignId": "1", "startDate": times} for who in PEOPLE]
    return account.run(job(write_csv(folder / "advocates.csv", rows), "referrals"))


PEOPLE = (OTHER, PERSON)


@pytest.mark.parametrize("faults", ["", "cut-after"], ids=["delivered", "in doubt"])
def test_rows_of_a_person_keep_their_numbers_and_nothing_else(
    account: Account, tmp_path: Path, faults: str
) -> None:
    account.faults(faults)
    run = referrals(account, tmp_path)
    account.faults("")
    before, statuses = run.ended.totals, run.results["status"].to_list()
    assert traces(run.folder)
    report = purge(account.runs_dir, [PERSON], now=NOW)
    assert (report.rows, report.left) == (1, ())
    assert traces(run.folder) == []
    assert run.ended.totals == before
    results = run.results
    assert results["key"].to_list() == [OTHER, None]
    assert results["status"].to_list() == statuses
    assert results["row"].to_list() == [1, 2]
    assert results["code"][1] is None
    assert (results["code"][0] is not None) == (not faults)
    assert purge(account.runs_dir, [PERSON], now=NOW).rows == 0


def test_answers_that_wait_in_the_ledger_are_forgotten(account: Account, tmp_path: Path) -> None:
    rows = [{"integrationId": who, "campaignId": "1"} for who in reversed(PEOPLE)]
    account.faults("cut-after from=2")
    run = account.run(job(write_csv(tmp_path / "a.csv", rows), "referrals-one-by-one"))
    account.faults("")
    assert run.results["status"].to_list() == ["delivered", "in_doubt"]
    assert "ledger.sqlite" in traces(run.folder)
    purge(account.runs_dir, [PERSON], now=NOW)
    assert traces(run.folder) == []


def test_rejected_rows_failures_and_a_spooled_source_are_emptied_too(account: Account) -> None:
    frame = pl.DataFrame({"who": [PERSON, OTHER, PERSON], "n": ["1", "x", "y"]})
    spec = {"integrationId": "who", "attributes.N": {"column": "n", "type": "number"}}
    run = account.run(job(Path("-"), columns=spec), frame=frame)
    assert run.ended.totals.by_status["rejected"] == 2
    assert purge(account.runs_dir, [PERSON], now=NOW).rows == 2
    assert traces(run.folder) == []
    assert run.failures["who"].to_list() == [OTHER]
    assert list((run.folder / "spooled").iterdir()) == []
    assert run.rejected["reasons"].to_list()[1] == ["purged"]


def test_a_person_is_taken_out_of_what_others_were_answered(
    account: Account, tmp_path: Path
) -> None:
    pairs = [{"couponValue": "SUMMER10", "integrationId": who} for who in PEOPLE]
    account.run(job(write_csv(tmp_path / "r.csv", pairs), "coupon-reservations"))
    coupons = write_csv(tmp_path / "coupons.csv", [{"couponValue": "SUMMER10"}])
    run = account.run(job(coupons, "reserved-customers"))
    assert run.results["integrationIds"].to_list() == [[OTHER, PERSON]]
    purge(account.runs_dir, [PERSON], now=NOW)
    assert run.results["integrationIds"].to_list() == [[OTHER]]
    assert traces(account.runs_dir) == []


def test_a_run_with_rows_to_send_or_in_use_is_left_as_it_is(
    account: Account, tmp_path: Path
) -> None:
    run = account.stage(job(write_csv(tmp_path / "a.csv", [{"integrationId": PERSON}])))
    (left,) = purge(account.runs_dir, [PERSON], now=NOW).left
    assert left == Purged(folder=run.folder, left=left.left)
    assert "still to be sent" in left.left
    done = account.push(run)
    with run_folder.held(run.folder, what="a test", now=NOW):
        (left,) = purge(account.runs_dir, [PERSON], now=NOW).left
    assert "in use by" in left.left
    assert traces(done.folder)
    assert purge(account.runs_dir, [PERSON], now=NOW).left == ()
    assert traces(done.folder) == []


def test_nobody_is_taken_out_for_a_name_that_is_part_of_another(
    account: Account, tmp_path: Path
) -> None:
    referrals(account, tmp_path)
    assert purge(account.runs_dir, [PERSON[:-1], "", OTHER + "s"], now=NOW).rows == 0
    assert traces(account.runs_dir)


def test_rows_that_a_retry_set_aside_are_emptied_too(account: Account, tmp_path: Path) -> None:
    source = tmp_path / "people.csv"
    source.write_text(f"integrationId,n\n{PERSON},bad\n{OTHER},bad\n{PERSON},2\n")
    typed = {"attributes.N": {"column": "n", "type": "integer"}}
    mended = {"attributes.N": {"sql": "replace(n, 'bad', '1')", "type": "integer"}}
    run = account.run(job(source, columns=typed))
    again = retry(account, run, mended=job(source, columns=mended))
    assert again.ended.totals.of(Status.SUPERSEDED) == 1
    assert traces(again.folder)
    before = again.ended.totals
    purge(account.runs_dir, [PERSON], now=NOW)
    assert traces(again.folder) == []
    assert again.ended.totals == before
