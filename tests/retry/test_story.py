"""The story of one row: told from wherever its parts lie, whatever became of it."""

import json
from pathlib import Path

import pytest
from msgspec.structs import asdict

from pipeline import verbs
from pipeline.errors import Interrupted, JobError
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from tests.journey.account import Account, job
from tests.retry.test_retry import MENDED, SPEND, retry, source, write

__all__ = ["source"]


def told(run: Run, row: int, file: str | None = None) -> tuple[verbs.Story, str]:
    story = verbs.explain(RunFolder(path=run.folder), row, file)
    return story, "\n".join(story.lines())


def test_of_a_rejected_row_it_tells_cells_and_reasons_and_of_its_retry(
    account: Account, source: Path
) -> None:
    first = account.run(job(source, columns=SPEND))
    second = retry(account, first, mended=job(source, columns=MENDED))
    story, text = told(first, 2)
    assert (story.status, story.line) == ("rejected", 3)
    assert story.cells == {"integrationId": "b", "attributes.Name": "two", "spend": "2,5"}
    (reason,) = story.reasons
    assert reason.startswith('attributes.Spend (column "spend"): "2,5" is not a number')
    (again,) = story.retries
    assert (again.run, again.status) == (second.id, "delivered")
    assert again.sent == {
        "integrationId": "b", "attributes.Name": "two", "attributes.Spend": 2.5, "silent": "yes"
    }  # fmt: skip
    assert text.startswith(f"row 2 of {source}, line 3: rejected (run {first.id})\n")
    assert '"2,5" is not a number' in text
    assert f"row 2 of {source}, line 3: delivered (run {second.id})" in text


def test_each_fact_has_one_line_and_is_said_as_the_api_gets_it(
    account: Account, tmp_path: Path
) -> None:
    source = write(tmp_path / "two.csv", [["a", "one\ntwo", "true"], ["b", "one", "false"]])
    columns = {"attributes.Vip": {"column": "spend", "type": "boolean"}}
    run = account.run(job(source, columns=columns))
    _, text = told(run, 1)
    assert r'attributes.Name  "one\ntwo"' in text
    assert "attributes.Vip   true" in text


def test_of_a_superseded_row_it_says_which_stands_in_its_place(
    account: Account, source: Path
) -> None:
    first = account.run(job(source, columns=SPEND))
    retry(account, first, mended=job(source, columns=MENDED))
    story, text = told(first, 4)
    assert story.retries[0].status == "superseded"
    assert f"row 5 of {source} has the same key and came later" in text


def test_of_a_refused_row_it_tells_each_request_while_the_ledger_has_them(
    account: Account, tmp_path: Path
) -> None:
    """Refused before anything was delivered: the run stops with its batch open."""
    source = write(tmp_path / "few.csv", [[f"p{n}", "x", "1"] for n in range(30)])
    account.faults("400")
    run = account.run(job(source, "profiles-one-by-one"))
    account.faults("")
    story, text = told(run, 1)
    (request,) = story.requests
    assert (request.rows, request.state, request.http_status) == (1, "refused", 400)
    assert "request 1 of 1 row: refused, HTTP 400, sent 20" in text
    pending, text = told(run, 30)
    assert (pending.status, pending.requests) == ("pending", ())


def test_of_a_delivered_row_it_tells_what_the_api_answered(
    account: Account, tmp_path: Path
) -> None:
    head = ["advocateProfileIntegrationId", "campaignId"]
    source = write(tmp_path / "referrals.csv", [["a", "1"], ["b", "1"]], head)
    run = account.run(job(source, "referrals"))
    story, text = told(run, 2)
    (code,) = [r["code"] for r in account.held("referrals")
               if r["advocateProfileIntegrationId"] == "b"]  # fmt: skip
    assert story.outcome["code"] == code
    assert code in text
    assert (story.batch, story.key) == (1, "b")


def test_of_a_line_that_cannot_be_read_it_shows_the_line(account: Account, tmp_path: Path) -> None:
    source = tmp_path / "broken.csv"
    source.write_text("integrationId,x\na,1\nb,2,3\nc,1\n")
    run = account.run(job(source))
    story, text = told(run, 2)
    assert (story.raw, story.cells) == ("b,2,3", {})
    assert "b,2,3" in text


def test_a_row_of_several_files_asks_which(account: Account, tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text(f"integrationId\n{name}\n")
    work = job(tmp_path / "one.csv", "profiles")
    run = account.run(job(tmp_path / "*.csv"))  # type: ignore[arg-type]
    assert work.operation == run.job.operation
    with pytest.raises(JobError, match="more than one file"):
        told(run, 1)
    story, _ = told(run, 1, str(tmp_path / "two.csv"))
    assert story.key == "two.csv"


@pytest.mark.parametrize("row", [0, 7, 10**12])
def test_a_row_that_is_not_there_is_said(account: Account, source: Path, row: int) -> None:
    run = account.run(job(source, columns=SPEND))
    with pytest.raises(JobError, match=f"has no row {row}"):
        told(run, row)


def test_a_run_that_has_read_nothing_yet_is_said(account: Account, source: Path) -> None:
    stop = {"started": lambda journey: journey.stop(Interrupted("early"))}
    run = account.run(job(source, columns=SPEND), **stop)
    with pytest.raises(JobError, match="has no row 1"):
        told(run, 1)


def test_it_is_plain_data(account: Account, source: Path) -> None:
    first = account.run(job(source, columns=SPEND))
    retry(account, first, mended=job(source, columns=MENDED))
    for row in range(1, 7):
        story, _ = told(first, row)
        assert json.loads(json.dumps(asdict(story), default=str))["row"] == row
