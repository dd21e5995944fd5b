"""Names, locks and how a run is found."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import run_folder
from pipeline.errors import RunError, StorageError
from pipeline.run_folder import RunFolder

NOW = 1_790_000_000.0
HOLD = """
import sys
from pathlib import Path
from pipeline import run_folder
with run_folder.held(Path(sys.argv[1]), what="run of another", now=1_790_000_000.0):
    print("held", flush=True)
    sys.stdin.read()
"""


def made(runs_dir: Path, job: str = "profiles", *, now: float = NOW, suffix: str = "7f3a") -> Path:
    folder = run_folder.create(runs_dir, job, now=now, suffix=suffix)
    folder.write_manifest({"job": {}})
    return folder.path


def test_a_run_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert path.name == "2026-09-21T14-13-20Z-7f3a"
    for folder in (path, path / "staged", path / "rejected", path / "results"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_run_folder_is_not_made_twice(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(StorageError):
        made(tmp_path)


def test_a_place_that_cannot_have_a_run_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make the run folder"):
        run_folder.create(tmp_path / "file", "profiles", now=NOW, suffix="7f3a")


def test_runs_are_listed_with_the_newest_first(tmp_path: Path) -> None:
    old, new = made(tmp_path, now=NOW), made(tmp_path, "audiences", now=NOW + 60)
    (tmp_path / "profiles" / "begun").mkdir()  # no run.json: a crash came first
    assert [run.path for run in run_folder.all_runs(tmp_path)] == [new, old]
    assert run_folder.all_runs(tmp_path / "nothing") == []


def test_a_run_is_found_by_folder_id_beginning_and_as_the_last(tmp_path: Path) -> None:
    old, new = made(tmp_path, now=NOW), made(tmp_path, now=NOW + 60, suffix="0001")
    assert run_folder.find("last", tmp_path).path == new
    assert run_folder.find(old.name, tmp_path).path == old
    assert run_folder.find("2026-09-21T14-13", tmp_path).path == old
    assert run_folder.find(str(old), tmp_path / "elsewhere").path == old


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("2026-", "names more than one run"),
        ("2025-", "is not a run folder"),
        ("", "is not a run folder"),
        ("../profiles", "is not a run folder"),
    ],
)
def test_what_names_no_run_or_several_is_refused(
    tmp_path: Path, reference: str, words: str
) -> None:
    made(tmp_path, now=NOW)
    made(tmp_path, now=NOW + 60)
    with pytest.raises(RunError, match=words):
        run_folder.find(reference, tmp_path)


def test_without_runs_there_is_no_last(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no runs"):
        run_folder.find("last", tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe"])
def test_a_folder_without_a_readable_manifest_is_no_run(
    tmp_path: Path, content: bytes | None
) -> None:
    folder = RunFolder(path=tmp_path)
    if content is not None:
        folder.manifest.write_bytes(content)
    with pytest.raises(RunError, match="is not a run folder"):
        folder.read_manifest()


@pytest.mark.parametrize("content", [b"[]", b"17", b"null", b"{}"])
def test_a_manifest_of_another_shape_is_no_run(tmp_path: Path, content: bytes) -> None:
    folder = RunFolder(path=tmp_path)
    folder.manifest.write_bytes(content)
    with pytest.raises(RunError, match="is not a run folder"):
        folder.read_manifest()


def test_a_run_of_a_newer_pipeline_is_left_alone(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    folder.write_manifest({"made_by": "9.0"})
    folder.manifest.write_text(folder.manifest.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(RunError, match=r"newer pipeline \(9\.0\)"):
        folder.read_manifest()


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    folder.write_manifest({"name": 'Zoë "☃"', "rows": 2**60})
    assert folder.read_manifest() == {"version": 1, "name": 'Zoë "☃"', "rows": 2**60}


def test_who_comes_second_is_told_who_is_there(tmp_path: Path) -> None:
    with run_folder.held(tmp_path, what="run one", now=NOW):
        with pytest.raises(RunError) as caught, run_folder.held(tmp_path, what="two", now=NOW):
            pass
        assert "in use by process" in str(caught.value)
        assert "since 2026-09-21T14:13:20Z (run one)" in str(caught.value)
        assert caught.value.exit_code == 4
    with run_folder.held(tmp_path, what="two", now=NOW):
        pass


def test_the_lock_goes_with_the_process_that_had_it(tmp_path: Path) -> None:
    """Also with kill -9: nobody has to delete a file."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(RunError, match=f"process {holder.pid} .*run of another"),
            run_folder.held(tmp_path, what="two", now=NOW),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with run_folder.held(tmp_path, what="two", now=NOW):
        pass


def test_a_folder_that_cannot_be_locked_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="cannot write in"),
        run_folder.held(tmp_path / "file", what="x", now=NOW),
    ):
        pass
