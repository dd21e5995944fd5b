"""Rows in doubt, asked about at a real account: settled where it can be told, never doubled."""

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from pipeline import verbs
from pipeline.clock import SystemClock
from pipeline.ledger import Ledger
from pipeline.model import NO_ERROR, Change, State
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from pipeline.sandbox.embedded import Embedded
from tests.journey.account import Account, job

HEAD = ["advocateProfileIntegrationId", "campaignId"]


class LaterClock(SystemClock):
    """The machine's clock, some seconds on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds


def write(path: Path, rows: list[list[str]], head: list[str] = HEAD) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def resume(account: Account, run: Run, *, after_s: float = 0.0) -> Run:
    terms = account.terms(clock=LaterClock(after_s))
    return anyio.run(partial(verbs.resume, RunFolder(path=run.folder), terms))


def statuses(run: Run) -> Counter[str]:
    return Counter(run.results["status"])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "referrals.csv", [[f"a{n}", str(1 + n % 2)] for n in range(40)])


OPERATIONS = pytest.mark.parametrize("to", ["referrals", "referrals-one-by-one"])


@OPERATIONS
@pytest.mark.parametrize("fault", ["cut-after", "truncate", "500 after"])
def test_what_was_applied_is_found_with_its_code(
    account: Account, source: Path, to: str, fault: str
) -> None:
    account.faults(f"{fault} from=2 for=1 on {to}")
    run = account.run(job(source, to))
    account.faults("")
    doubts = 20 if to == "referrals" else 1
    assert statuses(run) == {"delivered": 40 - doubts, "in_doubt": doubts}
    run = resume(account, run)
    assert statuses(run) == {"delivered": 40}
    assert run.ended.exit_code == 0
    held = {one["code"]: one["advocateProfileIntegrationId"] for one in account.held("referrals")}
    assert len(held) == 40
    assert dict(zip(run.results["code"], run.results["key"], strict=True)) == held
    assert run.results["id"].null_count() == 0


@OPERATIONS
@pytest.mark.parametrize("fault", ["cut-before", "500"])
def test_what_was_not_applied_is_sent_when_it_cannot_come_any_more(
    account: Account, source: Path, to: str, fault: str
) -> None:
    account.faults(f"{fault} from=2 for=1 on {to}")
    run = account.run(job(source, to))
    account.faults("")
    doubts = statuses(run)["in_doubt"]
    assert doubts
    at_once = resume(account, run)
    assert statuses(at_once)["in_doubt"] == doubts
    details = at_once.results.filter(status="in_doubt")["error_details"]
    assert all("nothing is there" in words for words in details)
    run = resume(account, run, after_s=61)
    assert statuses(run) == {"delivered": 40}
    assert len(account.held("referrals")) == 40
    assert run.results["code"].n_unique() == 40


def test_what_cannot_be_told_stays_in_doubt_and_says_what_is_known(
    account: Account, source: Path
) -> None:
    """Somebody else makes codes for the same advocates in the same minute: nobody knows whose."""
    account.faults("cut-after from=2 for=1 on referrals")
    run = account.run(job(source, "referrals"))
    account.faults("")
    elsewhere = Account(account.base_url, account.api_key, account.runs_dir.parent / "elsewhere")
    elsewhere.run(job(source, "referrals"))
    for _ in range(2):
        run = resume(account, run, after_s=61)
        assert statuses(run) == {"delivered": 20, "in_doubt": 20}
        (details,) = run.results.filter(status="in_doubt")["error_details"].unique()
        assert details.count("the API was asked") == 1
        assert "it cannot be told" in details
    assert len(account.held("referrals")) == 80


def test_codes_of_another_of_our_runs_are_not_taken_for_ours(
    account: Account, source: Path
) -> None:
    account.faults("cut-after from=2 for=1 on referrals")
    run = account.run(job(source, "referrals"))
    account.faults("")
    account.run(job(source, "referrals", name="another"))
    run = resume(account, run)
    assert statuses(run) == {"delivered": 40}
    assert len(account.held("referrals")) == 80


def test_a_request_cut_short_by_a_crash_is_asked_about(account: Account, source: Path) -> None:
    """As kill -9 leaves it: `sending` in the ledger, and nobody knows."""
    account.faults("cut-after from=2 for=1 on referrals")
    run = account.run(job(source, "referrals"))
    account.faults("")
    as_if_killed(run)
    run = resume(account, run)
    assert statuses(run) == {"delivered": 40}
    assert len(account.held("referrals")) == 40


def as_if_killed(run: Run) -> None:
    """Let what is in doubt be `sending` again, without an answer."""
    ledger = Ledger.open(run.folder / "ledger.sqlite")
    ledger.withdraw_provisional()
    for batch in ledger.doubtful():
        for line in batch.requests:
            if line.state is State.IN_DOUBT:
                sending = replace(line, state=State.SENDING, error=NO_ERROR, finished_at=None)
                ledger.commit([Change(batch=batch.id, line=sending)])
    ledger.close()


def test_asking_alone_sends_nothing(account: Account, source: Path) -> None:
    account.faults("cut-before from=2 for=1 on referrals")
    run = account.run(job(source, "referrals"))
    account.faults("")
    terms = account.terms(clock=LaterClock(61))
    asked = anyio.run(partial(verbs.settle_doubts, RunFolder(path=run.folder), terms))
    assert asked.ended.totals.by_status["pending"] == 20
    assert len(account.held("referrals")) == 20
    assert statuses(resume(account, asked)) == {"delivered": 40}


def test_a_key_that_the_api_still_has_is_replayed(account: Account, tmp_path: Path) -> None:
    """KEYED: the answer was lost ten times; the same key and bytes get it, applied once."""
    rows = [[f"s{n}", "p", "open"] for n in range(3)]
    source = write(tmp_path / "sessions.csv", rows, ["customerSessionId", "profileId", "state"])
    account.faults("cut-after from=2 on sessions")
    work = job(source, "sessions")

    work = replace(work, delivery=replace(work.delivery, attempts_max=2))
    run = account.run(work)
    account.faults("")
    assert statuses(run)["in_doubt"] == 2
    run = resume(account, run)
    assert statuses(run) == {"delivered": 3}
    assert [one["applied"] for one in account.held("sessions")] == [1, 1, 1]


def test_a_key_too_old_is_not_replayed(account: Account, tmp_path: Path) -> None:

    source = write(tmp_path / "sessions.csv", [["s", "open"]], ["customerSessionId", "state"])
    account.faults("cut-after on sessions")
    work = job(source, "sessions")
    run = account.run(replace(work, delivery=replace(work.delivery, attempts_max=2)))
    account.faults("")
    for after_s in (23 * 3600 + 60.0, -3600.0):  # too old, and a clock set back
        run = resume(account, run, after_s=after_s)
        assert statuses(run) == {"in_doubt": 1}


# ── after a 400 ──────────────────────────────────────────────────────────────────────────────────


def test_what_a_refused_request_has_stored_is_not_sent_again(
    account: Account, source: Path
) -> None:
    """Nobody promises that a 400 stores nothing: here it has stored all, and names no row."""
    account.faults("400 after for=1 on referrals")
    run = account.run(job(source, "referrals"))
    assert statuses(run) == {"delivered": 20, "in_doubt": 20}
    (details,) = run.results.filter(status="in_doubt")["error_details"].unique()
    assert "the API has stored" in details
    assert len(account.held("referrals")) == 40
    run = resume(account, run)
    assert statuses(run) == {"delivered": 40}
    assert len(account.held("referrals")) == 40


def test_what_the_api_will_not_tell_is_not_sent_again(account: Account, source: Path) -> None:
    account.faults("400 after for=1 on referrals; 400 on inventories")
    run = account.run(job(source, "referrals"))
    assert statuses(run) == {"delivered": 20, "in_doubt": 20}
    assert len(account.held("referrals")) == 40


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Account]:
    """An account that refuses referrals of unknown advocates."""
    with Embedded(options={"unknown-profiles": "refuse"}) as running:
        yield Account(running.base_url, running.api_key, tmp_path / "runs")


@pytest.mark.parametrize("bad", [[3], [3, 7, 18]])
def test_where_a_refused_request_has_stored_nothing_the_neighbours_are_sent(
    strict: Account, tmp_path: Path, bad: list[int]
) -> None:
    profiles = [[f"a{n}"] for n in range(20) if n not in bad]
    strict.run(job(write(tmp_path / "profiles.csv", profiles, ["integrationId"])))
    source = write(tmp_path / "referrals.csv", [[f"a{n}", "1"] for n in range(20)])
    run = strict.run(job(source, "referrals"))
    assert statuses(run) == {"delivered": 20 - len(bad), "refused": len(bad)}
    made = Counter(one["advocateProfileIntegrationId"] for one in strict.held("referrals"))
    assert made == {f"a{n}": 1 for n in range(20) if n not in bad}
    assert strict.state()["operations"]["getCustomerInventory"]
