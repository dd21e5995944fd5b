"""Whole runs in which the API refuses rows, or an answer is lost on the way."""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from pipeline.events import ResultsWritten
from pipeline.ledger import Ledger
from pipeline.model import State
from pipeline.sandbox.embedded import Embedded
from tests.journey.account import Account, job, read_csv, write_csv


def test_rows_of_an_audience_that_is_not_there_are_refused_and_their_neighbours_delivered(
    tmp_path: Path,
) -> None:
    rows = [[f"p{number}", str(1 + number % 2)] for number in range(1000)]
    rows[700][1] = rows[33][1] = "404404"
    source = write_csv(tmp_path / "members.csv", rows, ["profileIntegrationId", "audienceId"])
    with Embedded(options={"audiences": "1,2"}) as sandbox:
        account = Account(sandbox.base_url, sandbox.api_key, tmp_path / "runs")
        run = account.run(job(source, "audiences"))
        held = {profile["integrationId"] for profile in account.held("profiles")}
    refused = run.results.filter(pl.col("status") == "refused")
    assert refused["row"].to_list() == [34, 701]
    assert refused["http_status"].to_list() == [404, 404]
    assert Counter(run.results["status"]) == {"delivered": 998, "refused": 2}
    assert held == {f"p{number}" for number in range(1000) if number not in (33, 700)}
    assert run.failures["audienceId"].to_list() == ["404404"] * 2


@pytest.mark.parametrize("pointers", ["indexed", "relative", "none"])
def test_a_bad_row_is_refused_with_the_apis_words_wherever_it_points(
    tmp_path: Path, pointers: str
) -> None:
    """The account knows `Tier` as a number; three rows say otherwise."""
    attributes = tmp_path / "attributes.json"
    attributes.write_text(json.dumps({"data": [ATTRIBUTE], "totalResultSize": 1}))
    rows = [[f"p{number}", "gold" if number in (0, 500, 999) else ""] for number in range(1000)]
    source = write_csv(tmp_path / "c.csv", rows, ["integrationId", "attributes.Tier"])
    options = {"attributes": str(attributes), "pointers": pointers}
    with Embedded(options=options) as sandbox:
        account = Account(sandbox.base_url, sandbox.api_key, tmp_path / "runs")
        run = account.run(job(source))
        held = len(account.held("profiles"))
    refused = run.results.filter(pl.col("status") == "refused")
    assert refused["row"].to_list() == [1, 501, 1000]
    assert all("Tier" in words for words in refused["error_details"])
    assert Counter(run.results["status"]) == {"delivered": 997, "refused": 3}
    assert held == 997


ATTRIBUTE = {
    "id": 1,
    "created": "2026-01-01T00:00:00Z",
    "accountId": 31,
    "entity": "CustomerProfile",
    "name": "Tier",
    "title": "Tier",
    "type": "number",
    "description": "",
    "suggestions": [],
    "editable": True,
}


def test_what_was_lost_on_the_way_is_in_doubt_and_stays_known(
    account: Account, tmp_path: Path
) -> None:
    """The second request of referrals is applied, and its answer cut off: never sent again.

    The account does not let itself be asked either; where it does: tests/doubts.
    """
    rows = [[f"a{number}", str(1 + number % 2)] for number in range(10)]
    source = write_csv(
        tmp_path / "referrals.csv", rows, ["advocateProfileIntegrationId", "campaignId"]
    )
    account.faults("cut-after from=2 for=1")
    run = account.run(job(source, "referrals"))
    account.faults("400 on inventories")
    for _ in range(2):
        assert run.ended.exit_code == 1
        assert run.results["row"].to_list() == list(range(1, 11))
        assert Counter(run.results["status"]) == {"delivered": 5, "in_doubt": 5}
        ledger = Ledger.open(run.folder / "ledger.sqlite", readonly=True)
        (doubtful,) = ledger.doubtful()
        ledger.close()
        assert [line.state for line in doubtful.requests] == [State.IN_DOUBT]
        run = account.resume(run)
    assert len(account.held("referrals")) == 10
    assert len(list((run.folder / "results").iterdir())) == 2
    # Each resume withdraws what says "in doubt", in case it can be settled, and writes it anew.
    written = Counter(event.part for event in account.events if isinstance(event, ResultsWritten))
    assert sorted(written.values()) == [1, 3]


def test_every_referral_has_its_own_code(account: Account, tmp_path: Path) -> None:
    """Two campaigns, shuffled: gathered into requests, answered by advocate."""
    rows = [[f"a{number % 700:04}", str(1 + number % 2)] for number in range(1400)]
    source = write_csv(
        tmp_path / "referrals.csv", rows, ["advocateProfileIntegrationId", "campaignId"]
    )
    run = account.run(job(source, "referrals", concurrency=3))
    results = run.results
    assert results["row"].to_list() == list(range(1, 1401))
    codes = {referral["code"]: referral for referral in account.held("referrals")}
    for cell, result in zip(read_csv(source), results.to_dicts(), strict=True):
        assert result["key"] == cell["advocateProfileIntegrationId"]
        referral = codes.pop(result["code"])
        assert referral["advocateProfileIntegrationId"] == result["key"]
        assert str(referral["campaignId"]) == cell["campaignId"]
    assert codes == {}
