"""The key is nowhere: not in what a run wrote, nor in what was shown, whatever went wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.cli.shell import PATIENCE_S, ROOT, Started

WRONG = "00bad0key00bad0key00bad0key00bad0key"
FAULTS = "429:15%; cut-after:10%; html:5%; truncate:5%; empty:5%; 500:5%"


@pytest.fixture
def faulty() -> Iterator[Embedded]:
    with Embedded(faults=FAULTS) as running:
        yield running


def places_with(key: str, folder: Path) -> list[Path]:
    """Return every file below *folder* that holds *key*."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if key.encode() in path.read_bytes()]


@pytest.mark.parametrize("command", ["run", "resume"])
def test_a_run_among_faults_writes_and_shows_no_key(
    started: Started, faulty: Embedded, tmp_path: Path, command: str
) -> None:
    reach = {"TALON_ONE_BASE_URL": faulty.base_url, "TALON_ONE_API_KEY": faulty.api_key}
    what = [ROOT / "config" / "profiles.toml"]
    if command == "resume":
        first = started("run", *what, "--first", "2000", "--json", **reach)
        assert "Traceback" not in "".join(first.communicate(timeout=PATIENCE_S))
        what = ["last"]
    child = started(command, *what, "--verbose", "--log-format", "json", **reach)
    out, err = child.communicate(timeout=PATIENCE_S)
    assert "AttemptFailed" in err, "the faults must have struck"
    assert faulty.api_key not in out + err
    assert len(list(tmp_path.rglob("*.parquet"))) > 1
    assert not places_with(faulty.api_key, tmp_path)


def test_a_key_that_is_refused_is_not_shown(
    started: Started, customers: Path, tmp_path: Path
) -> None:
    child = started("run", customers, "--to", "profiles", "--verbose", TALON_ONE_API_KEY=WRONG)
    out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 3
    assert "401" in err
    assert WRONG not in out + err
    assert not places_with(WRONG, tmp_path)


def test_a_key_in_the_wrong_place_is_not_shown(started: Started, customers: Path) -> None:
    child = started(
        "run", customers, "--to", "profiles", "--verbose", "--base-url", f"https://{WRONG}@api"
    )
    out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 2
    assert WRONG not in out + err


def test_the_search_would_find_a_key(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(f'{{"authorization": "ApiKey-v1 {WRONG}"}}')
    assert places_with(WRONG, tmp_path)
