"""A run that dies at any reading of the clock is either no run, or one that can be resumed.

The clock is read before and after each attempt, for each line of the log and at both ends: whoever
dies there has done some durable steps and not the next. The process lives on, the run does not:
nothing of it is closed, written or said. Kills of a real process are in the chaos harness.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest

from pipeline.clock import SystemClock
from pipeline.ledger import Ledger
from pipeline.run import Run
from pipeline.run_folder import all_runs
from tests.journey.account import Account, job


class KilledError(BaseException):
    """As a signal would: no handler for errors catches it."""


class DyingClock(SystemClock):
    """Tell the time so many times, and then never again."""

    def __init__(self, times: int) -> None:
        self.left = times

    def now(self) -> float:
        self.left -= 1
        if self.left < 0:
            raise KilledError
        return super().now()


def source(path: Path, operation: str) -> Path:
    """Thirty rows in three batches: three campaigns, or a profile three times."""
    head = {
        "profiles": ["integrationId", "attributes.Turn"],
        "referrals": ["advocateProfileIntegrationId", "campaignId"],
    }[operation]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([f"{row % 10:03}", str(1 + row // 10)] for row in range(30))
    return path


def died(account: Account, path: Path, operation: str, times: int) -> bool:
    """Run until the clock has been read *times* times; return whether that killed it."""
    killed = False
    try:
        account.run(job(path, operation), clock=DyingClock(times))
    except* KilledError:  # in a group where tasks were running
        killed = True
    return killed


def check_nothing_is_left(run: Run) -> None:
    """Each file is named by the ledger; what was half written is gone."""
    ledger = Ledger.open(run.folder / "ledger.sqlite", readonly=True)
    for kind in ("staged", "rejected", "results"):
        assert {path.name for path in (run.folder / kind).iterdir()} == set(ledger.files(kind))
    ledger.close()


def check(run: Run, account: Account, operation: str) -> None:
    results = run.results
    assert results["row"].to_list() == list(range(1, 31))
    check_nothing_is_left(run)
    if operation == "profiles":
        assert set(results["status"]) == {"delivered"}
        held = {p["integrationId"]: p["attributes"] for p in account.held("profiles")}
        assert held == {f"{n:03}": {"Turn": "3"} for n in range(10)}  # the last row of each
        return
    made = Counter(
        (referral["advocateProfileIntegrationId"], referral["campaignId"])
        for referral in account.held("referrals")
    )
    assert max(made.values(), default=0) <= 1
    for result in results.to_dicts():
        campaign = 1 + (result["row"] - 1) // 10
        assert result["status"] in ("delivered", "in_doubt")
        if result["status"] == "delivered":
            assert made[result["key"], campaign] == 1
            assert result["code"]
        else:
            assert "interrupted" in result["error_details"]


@pytest.mark.parametrize("operation", ["profiles", "referrals"])
def test_whoever_dies_at_any_moment_can_be_resumed(
    account: Account, tmp_path: Path, operation: str
) -> None:
    path = source(tmp_path / "source.csv", operation)
    moments = dead = resumed = 0
    while died(account, path, operation, moments):
        dead += 1
        for folder in all_runs(account.runs_dir)[:1]:
            run = Run(folder.path)
            if run.manifest.get("summary") is None:
                check(account.resume(run), account, operation)
                resumed += 1
        account.lever("reset")
        for folder in all_runs(account.runs_dir):
            folder.manifest.unlink()
        moments += 1
    assert dead > 15
    assert resumed > 10
