"""What has been run: listed, looked at while it runs, and gone on with."""

import json
import time
from pathlib import Path

import pytest

from pipeline import run_folder
from pipeline.cli.options import ALLOWED, CHANGES
from pipeline.cli.running import changed
from pipeline.cli.runs import _listed
from pipeline.cli.runs import resume as command
from pipeline.config.toml import Overrides, job_from
from tests.cli.shell import ROOT, Shell

MESSY = ROOT / "config" / "messy.toml"


def status(shell: Shell, run: str = "last") -> dict[str, object]:
    shown = shell("status", run, "--json")
    assert shown.exit_code == 0, shown.output
    values: dict[str, object] = json.loads(shown.stdout)
    return values


def test_what_is_staged_is_delivered_by_push_without_its_source(
    shell: Shell, customers: Path
) -> None:
    assert shell("stage", customers, "--to", "profiles").exit_code == 0
    staged = status(shell)
    assert (staged["state"], staged["pending"], staged["delivered"]) == ("staged", 10, 0)
    customers.unlink()
    assert shell("push", "last").exit_code == 0
    finished = status(shell)
    assert (finished["state"], finished["pending"], finished["delivered"]) == ("finished", 0, 10)


def test_a_canary_stops_and_the_rest_follows(shell: Shell, customers: Path) -> None:
    stopped = shell("run", customers, "--to", "profiles", "--first", "3")
    assert stopped.exit_code == 3
    assert status(shell)["state"] == "interrupted"
    assert status(shell)["delivered"] == 3
    assert shell("resume", "last").exit_code == 0
    assert status(shell)["delivered"] == 10


def test_a_run_names_who_holds_it(shell: Shell, customers: Path) -> None:
    shell("run", customers, "--to", "profiles")
    folder = Path(str(status(shell)["folder"]))
    with run_folder.held(folder, what="a test", now=time.monotonic()):
        assert status(shell)["state"] == "running"
        assert "(a test)" in str(status(shell)["held_by"])
        assert "(a test)" in shell("status", "last").stdout
        assert "running" in shell("runs").stdout
        second = shell("resume", "last")
    assert second.exit_code == 4
    assert "is in use by process" in second.stderr
    assert status(shell)["state"] == "finished"


def test_status_tells_why_and_where_to_look(shell: Shell) -> None:
    assert shell("run", MESSY).exit_code == 1
    shown = shell("status", "last").stdout
    assert "rejected     45" in shown
    assert "is not one of bronze" in shown
    for name in ("results", "failures.parquet", "log.jsonl"):
        (line,) = [one for one in shown.splitlines() if f"/{name}" in one]
        assert Path(line.split()[1]).exists()


def test_runs_are_listed_the_newest_first(
    shell: Shell, customers: Path, environment: dict[str, str]
) -> None:
    shell("stage", MESSY)
    shell("run", customers, "--to", "profiles")
    listed = json.loads(shell("runs", "--json").stdout)
    assert listed["runs_dir"] == environment["PIPELINE_RUNS_DIR"]
    runs = [(run["run"], run["rows"], run["delivered"]) for run in listed["runs"]]
    assert runs == sorted(runs, reverse=True)
    assert {run[1:] for run in runs} == {(86, 0), (10, 10)}
    table = shell("runs").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["run", *(run[0] for run in runs)]


def test_a_run_that_cannot_be_read_does_not_hide_the_others(
    shell: Shell, customers: Path, environment: dict[str, str]
) -> None:
    shell("run", customers, "--to", "profiles")
    broken = Path(environment["PIPELINE_RUNS_DIR"]) / "profiles" / "2020-01-01T00-00-00Z-dead"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    listed = json.loads(shell("runs", "--json").stdout)["runs"]
    assert [run["state"] for run in listed] == ["finished", "unreadable"]
    assert "run.json cannot be read" in shell("runs").stdout


def test_no_runs_is_an_answer(shell: Shell, tmp_path: Path) -> None:
    shown = shell("runs", "--runs-dir", tmp_path / "none")
    assert (shown.exit_code, shown.stdout) == (0, f"no runs in {tmp_path / 'none'}\n")


@pytest.mark.parametrize(
    ("arguments", "where", "name", "value"),
    [
        (("--max-refused", "5%"), "limits", "max_refused", "5%"),
        (("--max-rejected", "7"), "limits", "max_rejected", 7),
        (("--tolerate", "1"), "limits", "tolerate", 1),
        (("--concurrency", "3"), "delivery", "concurrency", 3),
        (("--concurrency", "adaptive"), "delivery", "concurrency", "adaptive"),
        (("--rate", "200/s"), "delivery", "rate", 200.0),
        (("--max-share", "50%"), "delivery", "max_share", 0.5),
    ],
)
def test_what_resume_says_anew_holds(
    arguments: tuple[str, ...], where: str, name: str, value: object, customers: Path
) -> None:
    given = command.make_context("resume", ["last", *arguments]).params
    changes = {name: given[name] for name in (*ALLOWED, *CHANGES)}
    before = job_from([customers], Overrides(to="profiles", max_refused=1, tolerate=9))
    after = changed(before, changes).to_json()
    assert after[where][name] == value
    assert after | {where: {}} == before.to_json() | {where: {}}
    assert after[where] | {name: 0} == before.to_json()[where] | {name: 0}


def test_a_resume_that_tolerates_more_ends_well(shell: Shell, mixed: Path) -> None:
    assert shell("stage", mixed, "--to", "profiles").exit_code == 0
    tolerant = shell("resume", "last", "--tolerate", "40%", "--json")
    assert tolerant.exit_code == json.loads(tolerant.stdout)["exit_code"] == 0


def test_rare_statuses_have_a_column_where_there_are_any() -> None:
    counts = {"delivered": 7, "not_delivered": 1, "pending": 0, "exit_code": 1}
    facts = {"run": "a", "operation": "profiles", "started_at": "now", "state": "finished"}
    usual = facts | counts | {"rows": 8}
    rare = facts | counts | {"rows": 11, "superseded": 3}
    head, (line,) = _listed([usual])
    assert "superseded" not in head
    assert len(line) == len(head)
    head, lines = _listed([rare, usual | {"superseded": 0}])
    assert [line[head.index("superseded")] for line in lines] == ["3", "0"]
    unreadable = {"run": "b", "state": "unreadable", "message": "why"}
    head, (_, line) = _listed([rare, unreadable])
    assert (len(line), line[-1]) == (len(head), "why")


def test_status_says_what_can_be_done_about_rows_in_doubt(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "friends.csv"
    path.write_text("campaignId,advocateProfileIntegrationId\n1,a\n1,b\n")
    words = ("--to", "referrals-one-by-one", "--sandbox", "--concurrency", "1")
    done = shell("run", path, *words, "--fault", "cut-after:50% times=1", "--json")
    assert json.loads(done.stdout)["in_doubt"] == 1, done.output
    shown = shell("status", "last").stdout
    assert "1 row(s) were sent" in shown
    assert "asks the API about" in shown
    assert "--in-doubt` sends them once more" in shown


def test_the_story_of_a_row_is_told(shell: Shell, mixed: Path) -> None:
    shell("run", mixed, "--to", "profiles")
    rejected = shell("explain", "last", "--row", "2")
    assert rejected.exit_code == 0
    assert f"row 2 of {mixed}, line 3: rejected" in rejected.stdout
    assert "reason: integrationId: is empty" in rejected.stdout
    delivered = json.loads(shell("explain", "last", "--row", "5", "--json").stdout)
    assert (delivered["status"], delivered["key"], delivered["line"]) == ("delivered", "5", 6)
    assert delivered["cells"] == {"integrationId": "5", "attributes.Tier": "gold"}


def test_a_row_that_is_not_there_has_no_story(shell: Shell, mixed: Path) -> None:
    shell("run", mixed, "--to", "profiles")
    for words in (("--row", "6"), ("--row", "1", "--source", "other.csv"), ("--row", "0"), ()):
        refused = shell("explain", "last", *words)
        assert (refused.exit_code, refused.stdout) == (2, "")
