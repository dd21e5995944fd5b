"""A run against a sandbox that is like an account, what it foretells, and a run with an end."""

import json
from pathlib import Path

import pytest

from pipeline.cli.tables import duration, foretold
from pipeline.model import Status, Summary, Totals
from tests.cli.shell import Shell, typed

LIKE = 'faults = "503:100% times=1"\nseed = 7\n[options]\nstrict = "yes"\nattributes = "a.json"\n'


def ended(*, delivered: int, pending: int = 0, seconds: float = 10.0) -> Summary:
    return Summary(
        run="r",
        folder="f",
        operation="profiles",
        totals=Totals(
            rows=delivered + pending,
            by_status={Status.DELIVERED: delivered, Status.PENDING: pending},
            requests=delivered // 10,
            retries=delivered // 20,
        ),
        seconds=seconds,
        exit_code=0,
    )


def test_a_sandbox_is_like_the_file_says(shell: Shell, customers: Path, tmp_path: Path) -> None:
    (tmp_path / "account.toml").write_text(LIKE)
    (tmp_path / "a.json").write_text('{"data": []}')
    words = ("run", customers, "--to", "profiles", "--sandbox", "--like", tmp_path / "account.toml")
    done = shell(*words, "--verbose")
    assert done.exit_code == 1
    assert "attempt 1 failed" in done.stderr
    assert "Tier" in done.stdout, "an attribute that the account does not have"


def test_faults_of_the_command_line_win_over_those_of_the_file(
    shell: Shell, customers: Path, tmp_path: Path
) -> None:
    (tmp_path / "account.toml").write_text('faults = "503:100% times=1"\n')
    words = ("run", customers, "--to", "profiles", "--sandbox", "--like", tmp_path / "account.toml")
    done = shell(*words, "--verbose", "--fault", "latency:1ms")
    assert done.exit_code == 0
    assert "attempt 1 failed" not in done.stderr
    assert "A rehearsal" in done.stdout
    assert "10 rows would take" in done.stdout


def test_a_run_without_a_likeness_foretells_nothing(shell: Shell, customers: Path) -> None:
    assert "rehearsal" not in shell("run", customers, "--to", "profiles", "--sandbox").stdout


def test_what_was_measured_is_carried_over_to_all_rows() -> None:
    said = " ".join(foretold(ended(delivered=1000, pending=59_000)).split())
    assert "60,000 rows would take about 10 min and 9,000 requests (15.0 a second)" in said
    assert "of 1,000 rows in 10.0 s" in said


def test_of_nothing_nothing_is_foretold() -> None:
    assert foretold(ended(delivered=0, pending=5)).startswith("Nothing was settled")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.01, "1 s"), (119.4, "119 s"), (120, "2 min"), (7199, "120 min"), (9000, "2.5 h")],
)
def test_a_time_is_told_in_one_unit(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("30s", 30), ("1h30m", 5400)]
)
def test_an_end_is_a_time(text: str, seconds: float) -> None:
    for words in (["push", "last"], ["resume", "last"], ["run", "a.csv"]):
        assert typed([*words, "--stop-after", text]).params["stop_after"] == seconds


@pytest.mark.parametrize("text", ["", "2", "2 h", "2d", "-1s", "0s", "soon"])
def test_what_is_no_time_is_refused(shell: Shell, text: str) -> None:
    refused = shell("resume", "last", "--stop-after", text)
    assert refused.exit_code == 2
    assert "time" in refused.stderr


def test_a_run_stops_by_the_clock_and_can_be_resumed(shell: Shell, customers: Path) -> None:
    words = ("--to", "profiles-one-by-one", "--concurrency", "1", "--stop-after", "1s")
    stopped = shell("run", customers, *words, "--sandbox", "--fault", "latency:400ms", "--json")
    values = json.loads(stopped.stdout)
    assert stopped.exit_code == 3
    assert "--stop-after" in values["message"]
    assert 0 < values["pending"] == 10 - values["delivered"] < 10
    assert json.loads(shell("resume", "last", "--json").stdout)["delivered"] == 10
