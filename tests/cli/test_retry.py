"""`retry`: which rows are meant is typed, shown and, where they are in doubt, confirmed."""

import json
from pathlib import Path

import pytest

from tests.cli.shell import Shell, at_a_terminal

MENDED = """
operation = "profiles"
source = "not-here.csv"
[columns]
integrationId = { sql = "coalesce(nullif(integrationId, ''), 'somebody')" }
"attributes.Tier" = "attributes.Tier"
"""


@pytest.fixture
def refused(shell: Shell, mixed: Path) -> Path:
    """A run of five rows, of which two were rejected."""
    return Path(json.loads(shell("run", mixed, "--to", "profiles", "--json").stdout)["folder"])


@pytest.fixture
def doubtful(shell: Shell, tmp_path: Path) -> Path:
    """A run of two rows, of which one is in doubt."""
    path = tmp_path / "friends.csv"
    path.write_text("campaignId,advocateProfileIntegrationId\n1,a\n1,b\n")
    words = ("--to", "referrals-one-by-one", "--sandbox", "--concurrency", "1", "--json")
    done = json.loads(shell("run", path, *words, "--fault", "cut-after:50% times=1").stdout)
    assert done["in_doubt"] == 1
    return Path(done["folder"])


def count(environment: dict[str, str]) -> int:
    return len(list(Path(environment["PIPELINE_RUNS_DIR"]).rglob("run.json")))


def test_a_mended_job_delivers_what_was_rejected(
    shell: Shell, refused: Path, tmp_path: Path
) -> None:
    (tmp_path / "mended.toml").write_text(MENDED)
    done = shell("retry", refused, "--job", tmp_path / "mended.toml", "--json")
    values = json.loads(done.stdout)
    assert done.exit_code == 0, done.output
    assert (values["rows"], values["delivered"]) == (2, 2)
    assert values["folder"] != str(refused)


def test_a_story_in_json_has_its_requests_and_retries_as_objects(
    shell: Shell, refused: Path, doubtful: Path, tmp_path: Path
) -> None:
    (tmp_path / "mended.toml").write_text(MENDED)
    done = json.loads(shell("retry", refused, "--job", tmp_path / "mended.toml", "--json").stdout)
    story = json.loads(shell("explain", refused, "--row", "2", "--json").stdout)
    assert [(later["run"], later["status"]) for later in story["retries"]] == [
        (Path(done["folder"]).name, "delivered")
    ]
    stories = (
        json.loads(shell("explain", doubtful, "--row", str(row), "--json").stdout) for row in (1, 2)
    )
    told = [
        (request["state"], request["attempts"]) for one in stories for request in one["requests"]
    ]
    assert sorted(told) == [("delivered", 1), ("in_doubt", 1)]


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(
    shell: Shell, refused: Path, environment: dict[str, str]
) -> None:
    shown = shell("retry", refused, "--dry-run")
    assert shown.exit_code == 0
    assert "would be sent again: 2 row(s); 0 superseded" in shown.stdout
    assert "integrationId: is empty" in shown.stdout
    values = json.loads(shell("retry", refused, "--dry-run", "--limit", "1", "--json").stdout)
    assert (values["rows"], values["parent"]) == (1, refused.name)
    assert [example["row"] for example in values["examples"]] == [2]
    assert count(environment) == 1


@pytest.mark.parametrize(("where", "rows"), [("rejected", 2), ("IS EMPTY", 2), ("refused", None)])
def test_rows_are_meant_by_their_status_or_their_error(
    shell: Shell, refused: Path, where: str, rows: int | None
) -> None:
    shown = shell("retry", refused, "--where", where, "--dry-run", "--json")
    assert shown.exit_code == (0 if rows else 2)
    assert json.loads(shown.stdout).get("rows") == rows


def test_rows_in_doubt_are_not_sent_without_a_word(
    shell: Shell, doubtful: Path, environment: dict[str, str]
) -> None:
    for words in (("--in-doubt",), ("--where", "in_doubt"), ("--where", "in_doubt", "--in-doubt")):
        refused = shell("retry", doubtful, *words)
        assert refused.exit_code == 2
        assert "twice" in refused.stderr
    assert count(environment) == 1
    sent = shell("retry", doubtful, "--in-doubt", "--yes", "--json")
    assert json.loads(sent.stdout)["delivered"] == 1


def test_at_a_terminal_rows_in_doubt_are_asked_about(
    doubtful: Path, environment: dict[str, str]
) -> None:
    code, shown = at_a_terminal("twice", environment, "retry", doubtful, "--in-doubt")
    assert code == 0, shown
    assert "1 row(s) of run" in shown


def test_what_destroys_is_asked_about_again(
    shell: Shell, tmp_path: Path, environment: dict[str, str]
) -> None:
    path = tmp_path / "leavers.csv"
    path.write_text("integrationId\n00001\n00002\n")
    words = ("--to", "erasures", "--sandbox", "--fault", "400:100%", "--yes", "--json")
    stopped = json.loads(shell("run", path, *words).stdout)
    assert stopped["refused"] == 2
    refused = shell("retry", "last")
    assert refused.exit_code == 2
    assert "2 row(s), at http" in refused.stderr
    assert count(environment) == 1
    assert json.loads(shell("retry", "last", "--yes", "--json").stdout)["delivered"] == 2
