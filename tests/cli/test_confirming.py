"""What cannot be brought back is asked about: by a terminal, else with --yes, else not done."""

import json
from pathlib import Path

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.cli.shell import Shell, at_a_terminal

TO_ERASE = ("--to", "erasures")


@pytest.fixture
def leavers(tmp_path: Path) -> Path:
    """Two customers who want to be forgotten."""
    path = tmp_path / "leavers.csv"
    path.write_text("integrationId\n00001\n00002\n")
    return path


def test_without_a_terminal_nothing_is_erased_and_no_run_begins(
    shell: Shell, leavers: Path, environment: dict[str, str], sandbox: Embedded
) -> None:
    refused = shell("run", leavers, *TO_ERASE)
    assert refused.exit_code == 2
    assert f"2 row(s), at {sandbox.base_url}" in refused.stderr
    assert "--yes" in refused.stderr
    assert not list(Path(environment["PIPELINE_RUNS_DIR"]).rglob("run.json"))


def test_yes_is_enough(shell: Shell, leavers: Path) -> None:
    done = shell("run", leavers, *TO_ERASE, "--yes", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["delivered"] == 2


@pytest.mark.parametrize("command", ["push", "resume"])
def test_what_was_staged_is_asked_about_before_it_is_sent(
    shell: Shell, leavers: Path, command: str
) -> None:
    assert shell("stage", leavers, *TO_ERASE).exit_code == 0
    refused = shell(command, "last")
    assert refused.exit_code == 2
    assert "erasures will" in refused.stderr
    assert json.loads(shell("status", "last", "--json").stdout)["pending"] == 2
    assert shell(command, "last", "--yes").exit_code == 0


def test_a_terminal_shows_what_it_will_do_and_takes_the_word(
    environment: dict[str, str], leavers: Path, sandbox: Embedded
) -> None:
    code, shown = at_a_terminal("erasures", environment, "run", leavers, *TO_ERASE)
    assert code == 0, shown
    assert "erasures will erase all data" in shown
    assert f"2 row(s), at {sandbox.base_url}" in shown
    assert "delivered    2" in shown


@pytest.mark.parametrize("words", ["yes", "", "\x04"], ids=["yes", "nothing", "Ctrl-D"])
def test_another_word_does_nothing(environment: dict[str, str], leavers: Path, words: str) -> None:
    code, shown = at_a_terminal(words, environment, "run", leavers, *TO_ERASE)
    assert code == 2
    assert "it was not confirmed; nothing was done" in shown
    assert not list(Path(environment["PIPELINE_RUNS_DIR"]).rglob("run.json"))


def test_what_destroys_nothing_is_not_asked_about(
    environment: dict[str, str], customers: Path
) -> None:
    code, shown = at_a_terminal("no", environment, "run", customers, "--to", "profiles")
    assert code == 0
    assert "to go on" not in shown
