"""What a machine can do to a run: a full disk, a folder that is read-only, a file damaged.

Each is a clear end with the next move, in the exit code that is promised; nothing that was durable
is lost, and nothing is sent twice. Real files and real processes.
"""

import ctypes
import os
import re
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import polars as pl
import pytest

from pipeline import run_folder, verbs
from pipeline.clock import SystemClock
from pipeline.errors import Interrupted, PipelineError, RunError, StorageError
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from tests.journey.account import Account, job, stopped_after

ROWS = 3000
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
PATIENCE_S = 60.0
Verb = Callable[[Account, Run], object]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    lines = "".join(f"p{n},{os.urandom(20).hex()}\n" for n in range(ROWS))
    path.write_text(f"integrationId,attributes.Noise\n{lines}")
    return path


def begun(account: Account, source: Path) -> Run:
    """A run that was stopped after its first request."""
    why = Interrupted("somebody asked", exit_code=130)
    return account.run(job(source), **stopped_after(1, why, account.events))


def check_whole(account: Account, run: Run) -> None:
    assert run.ended.exit_code == 0
    assert run.results["row"].to_list() == list(range(1, ROWS + 1))
    assert set(run.results["status"]) == {"delivered"}
    assert {profile["applied"] for profile in account.held("profiles")} == {1}


# ── the disk ─────────────────────────────────────────────────────────────────────────────────────


def pipeline(
    account: Account, *arguments: object, before: Callable[[], None]
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, which *before* has put in trouble."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments), "--base-url", account.base_url],
        env=os.environ | {"TALON_ONE_API_KEY": account.api_key, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("kib", [1, 40, 150])
def test_files_that_cannot_grow_end_a_run_clearly_and_it_goes_on(
    account: Account, source: Path, kib: int
) -> None:
    """As on a full disk: every write beyond so many KiB of a file fails."""
    limit = kib * 1024

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = pipeline(account, "run", source, "--to", "profiles", "--runs-dir", account.runs_dir,
                     before=before)  # fmt: skip
    assert ended.returncode == 3, ended.stderr
    assert "Traceback" not in ended.stderr
    assert re.search(r"cannot (write|be used|make)|cannot be written|disk", ended.stderr)
    runs = run_folder.all_runs(account.runs_dir)
    if not runs:
        assert list(account.runs_dir.glob("*/*/")) == []
        assert "nothing was sent" in ended.stderr
        check_whole(account, account.run(job(source)))
        return
    (folder,) = runs
    run = account.resume(Run(folder.path))
    check_whole(account, run)
    assert not list(folder.path.rglob("*.partial"))


def as_anybody() -> None:
    """For root no folder is read-only: give up the right to write everywhere."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


def test_a_place_that_is_read_only_is_said_and_nothing_is_sent(
    account: Account, tmp_path: Path
) -> None:
    source = tmp_path / "customers.csv"
    source.write_text("integrationId\na\n")
    place = tmp_path / "runs"
    place.mkdir()
    place.chmod(0o555)
    ended = pipeline(account, "run", source, "--to", "profiles", "--runs-dir", place,
                     before=as_anybody)  # fmt: skip
    assert ended.returncode == 3, ended.stderr
    assert f"cannot write in {place}" in ended.stderr
    assert "--runs-dir" in ended.stderr
    assert account.state()["requests"] == 0


def test_a_run_that_became_read_only_is_said_and_goes_on_when_it_is_not(
    account: Account, source: Path
) -> None:
    run = begun(account, source)
    folders = [run.folder.parent, run.folder, *(p for p in run.folder.iterdir() if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    for file in run.folder.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    (run.folder.parent / ".lock").chmod(0o444)
    requests = account.state()["requests"]
    ended = pipeline(account, "resume", run.folder, before=as_anybody)
    assert ended.returncode == 3, ended.stderr
    assert "cannot write in" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert account.state()["requests"] == requests
    for folder in folders:
        folder.chmod(0o700)
    for file in run.folder.rglob("*"):
        if file.is_file():
            file.chmod(0o600)
    check_whole(account, account.resume(run))


# ── files damaged, or of another version ─────────────────────────────────────────────────────────


def resume(account: Account, run: Run) -> object:
    return account.resume(run)


def push(account: Account, run: Run) -> object:
    return account.push(run)


def retry(account: Account, run: Run) -> object:
    return anyio.run(partial(verbs.retry, RunFolder(path=run.folder), account.terms()))


def explain(account: Account, run: Run) -> object:
    return verbs.explain(RunFolder(path=run.folder), 1)


def look(account: Account, run: Run) -> object:
    return run.ended


VERBS = pytest.mark.parametrize("verb", [resume, push, retry, explain, look])


@VERBS
def test_a_ledger_of_a_newer_version_is_left_alone(
    account: Account, source: Path, verb: Verb
) -> None:
    run = begun(account, source)
    ledger = sqlite3.connect(run.folder / "ledger.sqlite")
    ledger.execute("PRAGMA user_version = 99")
    ledger.close()
    before = (run.folder / "ledger.sqlite").read_bytes()
    requests = account.state()["requests"]
    with pytest.raises(RunError, match="version 99") as caught:
        verb(account, run)
    assert caught.value.exit_code == 4
    assert caught.value.hint
    assert (run.folder / "ledger.sqlite").read_bytes() == before
    assert account.state()["requests"] == requests
    ledger = sqlite3.connect(run.folder / "ledger.sqlite")
    ledger.execute("PRAGMA user_version = 1")
    ledger.close()
    check_whole(account, account.resume(run))


DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "of something else": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(4096)),
}


@VERBS
@pytest.mark.parametrize(
    ("file", "how"),
    [(file, how) for file in ("run.json", "ledger.sqlite") for how in DAMAGES
     if (file, how) != ("ledger.sqlite", "cut")],  # what is cut off may be of no concern
)  # fmt: skip
def test_books_that_are_damaged_are_a_clear_end(
    account: Account, source: Path, file: str, how: str, verb: Verb
) -> None:
    run = begun(account, source)
    kept = (run.folder / file).read_bytes()
    requests = account.state()["requests"]
    DAMAGES[how](run.folder / file)
    with pytest.raises(PipelineError, match=re.escape(file)) as caught:
        verb(account, run)
    assert caught.value.exit_code in (3, 4)
    assert account.state()["requests"] <= requests + 3
    (run.folder / file).write_bytes(kept)


@VERBS
def test_a_part_of_the_rows_that_is_gone_is_named(
    account: Account, source: Path, verb: Verb
) -> None:
    if verb is look:
        return  # needs no part
    run = begun(account, source)
    (part,) = (run.folder / "staged").glob("*.parquet")
    away = part.rename(run.folder / "away")
    try:
        found = verb(account, run)
    except PipelineError as error:
        message, code = str(error), error.exit_code
    else:
        assert isinstance(found, Run)
        message, code = found.ended.message, found.ended.exit_code
    assert part.name in message
    assert code == 3
    away.rename(part)
    check_whole(account, account.resume(run))


def test_results_that_are_gone_are_named_and_the_rest_is_delivered(
    account: Account, source: Path
) -> None:
    run = begun(account, source)
    (part, *_) = (run.folder / "results").glob("*.parquet")
    away = part.rename(run.folder / "away")
    again = account.resume(run)
    assert again.ended.exit_code == 3
    assert part.name in again.ended.message
    with pytest.raises((StorageError, FileNotFoundError, pl.exceptions.PolarsError)):
        _ = again.results
    away.rename(part)
    check_whole(account, account.resume(run))


def test_a_run_that_cannot_be_read_does_not_stop_the_others(account: Account, source: Path) -> None:
    broken = account.run(job(source))
    (broken.folder / "run.json").write_text("{")
    account.lever("reset")
    bad = source.parent / "bad.csv"
    bad.write_text("integrationId,n\na,1\n,2\n")
    run = account.run(job(bad))
    again = anyio.run(partial(verbs.retry, RunFolder(path=run.folder), account.terms()))
    assert again.results["status"].to_list() == ["rejected"]


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


class ShiftedClock(SystemClock):
    """The machine's clock, set to another time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds


@pytest.mark.parametrize("seconds", [-86_400.0, -1.0, 86_400.0])
def test_a_clock_that_was_set_changes_nothing_of_what_is_sent(
    account: Account, source: Path, seconds: float
) -> None:
    run = begun(account, source)
    terms = account.terms(clock=ShiftedClock(seconds))
    run = anyio.run(partial(verbs.resume, RunFolder(path=run.folder), terms))
    check_whole(account, run)
    assert run.ended.seconds >= 0
