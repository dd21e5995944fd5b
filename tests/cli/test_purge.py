"""`runs --purge-row`: people taken out of old runs, after a word of confirmation."""

import json
from pathlib import Path

import pipeline
from tests.cli.shell import Shell, at_a_terminal


def keys(environment: dict[str, str]) -> list[str | None]:
    (run,) = pipeline.runs(environment["PIPELINE_RUNS_DIR"])
    return run.results["key"].to_list()


def test_nobody_is_taken_out_without_a_word(
    shell: Shell, customers: Path, environment: dict[str, str]
) -> None:
    shell("run", customers, "--to", "profiles")
    refused = shell("runs", "--purge-row", "00003")
    assert refused.exit_code == 2
    assert "1 integration id(s)" in refused.stderr
    assert "--yes" in refused.stderr
    assert "00003" in keys(environment)


def test_a_person_is_taken_out_of_every_run(
    shell: Shell, customers: Path, environment: dict[str, str]
) -> None:
    shell("run", customers, "--to", "profiles")
    done = shell("runs", "--purge-row", "00003", "--purge-row", "00004", "--yes", "--json")
    values = json.loads(done.stdout)
    assert (done.exit_code, values["rows"]) == (0, 2)
    assert [run["rows"] for run in values["runs"]] == [2]
    assert {"00003", "00004"}.isdisjoint(keys(environment))
    assert len(keys(environment)) == 10
    assert (
        "0 row(s) emptied, in 0 of 1 run(s)"
        in shell("runs", "--purge-row", "00003", "--yes").stdout
    )


def test_a_run_with_rows_to_be_sent_is_left_and_named(shell: Shell, customers: Path) -> None:
    shell("stage", customers, "--to", "profiles")
    done = shell("runs", "--purge-row", "00003", "--yes")
    assert done.exit_code == 1
    assert "left as it is" in done.stderr
    assert "still to be sent" in done.stderr


def test_at_a_terminal_the_word_is_typed(
    shell: Shell, customers: Path, environment: dict[str, str]
) -> None:
    shell("run", customers, "--to", "profiles")
    code, shown = at_a_terminal("purge", environment, "runs", "--purge-row", "00003")
    assert (code, "1 row(s) emptied, in 1 of 1 run(s)" in shown) == (0, True), shown
