"""The names in a run folder, how one is found, and who holds it.

Knows paths, locks and JSON files; never what a ledger or a staged part says (DESIGN §3).
"""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from pipeline import durable
from pipeline.clock import stamp
from pipeline.errors import RunError, StorageError

LAST = "last"
LOCK = ".lock"
HOLDER_BYTES_MAX = 1000
"""What is read of a lock: a process, a host, a time."""
VERSION = 1
"""Version of the layout; written to run.json."""


class RunFolder(Struct, frozen=True, kw_only=True):
    """The files of one run, each by its name. Making one touches nothing on disk."""

    path: Path

    @property
    def id(self) -> str:
        """Name of the run, unique within its job: 2026-11-23T02-00-00Z-7f3a."""
        return self.path.name

    @property
    def manifest(self) -> Path:
        """The job as resolved, the source's fingerprint, versions; the summary at the end."""
        return self.path / "run.json"

    @property
    def ledger(self) -> Path:
        """The truth: batches, requests, their states and answers."""
        return self.path / "ledger.sqlite"

    @property
    def spooled(self) -> Path:
        """Sources that cannot be read twice (standard input, frames), as they came."""
        return self.path / "spooled"

    @property
    def staged(self) -> Path:
        """Parts with the rows to be sent."""
        return self.path / "staged"

    @property
    def rejected(self) -> Path:
        """Parts with the rows that validation refused, and why."""
        return self.path / "rejected"

    @property
    def results(self) -> Path:
        """Parts with one row per source row."""
        return self.path / "results"

    def place(self, kind: str) -> Path:
        """Where the parts of *kind* lie: staged, results, or a status of rows set aside."""
        return self.path / kind

    @property
    def failures(self) -> Path:
        """The rows to mend and feed back."""
        return self.path / "failures.parquet"

    @property
    def log(self) -> Path:
        """What happened, for a machine: one JSON object a line."""
        return self.path / "log.jsonl"

    def read_manifest(self) -> dict[str, Any]:
        """Return run.json as written. Raises RunError when it is no run folder, or a newer one."""
        try:
            manifest: dict[str, Any] = json.loads(self.manifest.read_bytes())
            version = int(manifest["version"])
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise RunError(
                f"{self.path} is not a run folder: {self.manifest.name} cannot be read",
                hint="`pipeline runs` lists the runs",
            ) from error
        if version > VERSION:
            raise RunError(
                f"{self.path} was made by a newer pipeline ({manifest.get('made_by', 'unknown')})",
                hint="use that version, or a later one",
            )
        return manifest

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Replace run.json, durably."""
        text = json.dumps({"version": VERSION, **manifest}, indent=2, ensure_ascii=False)
        durable.write_atomically(self.manifest, text.encode() + b"\n")


def create(runs_dir: Path, job: str, *, now: float, suffix: str) -> RunFolder:
    """Make the folder of a new run of *job* below *runs_dir*, for its owner's eyes only.

    now: seconds since the epoch; suffix: a few characters that tell apart runs of one second.
    Raises StorageError.
    """
    folder = RunFolder(path=runs_dir / job / f"{stamp(now).replace(':', '-')}-{suffix}")
    try:
        folder.path.mkdir(parents=True, mode=0o700)
        folder.path.chmod(0o700)
        for part in (folder.staged, folder.rejected, folder.results):
            part.mkdir(mode=0o700)
    except OSError as error:
        raise StorageError(
            f"cannot make the run folder {folder.path}: {error.strerror or error}",
            hint="name another place with --runs-dir",
        ) from error
    return folder


def all_runs(runs_dir: Path) -> list[RunFolder]:
    """Return every run below *runs_dir*, the newest first; none where there is no such folder."""
    found = [RunFolder(path=path.parent) for path in runs_dir.glob("*/*/run.json")]
    return sorted(found, key=lambda folder: (folder.id, str(folder.path)), reverse=True)


def find(reference: str, runs_dir: Path) -> RunFolder:
    """Return the run that *reference* names: a folder, a run's id (or its beginning), or `last`.

    Raises RunError when nothing, or more than one run, answers to it.
    """
    if (Path(reference) / "run.json").is_file():
        return RunFolder(path=Path(reference).resolve())
    runs = all_runs(runs_dir)
    if reference == LAST and runs:
        return runs[0]
    named = [run for run in runs if run.id.startswith(reference) and reference]
    exact = [run for run in named if run.id == reference]
    if len(exact or named) == 1:
        return (exact or named)[0]
    where = f"{runs_dir} has {len(runs)} run(s)" if runs else f"{runs_dir} has no runs"
    what = "names more than one run" if named else "is not a run folder or a run's id"
    raise RunError(f'"{reference}" {what}; {where}', hint="`pipeline runs` lists them")


@contextlib.contextmanager
def held(folder: Path, *, what: str, now: float) -> Iterator[None]:
    """Hold *folder* for this process until the block ends; the lock goes with the process.

    what: shown to whoever comes second ("run 2026-…"). Raises RunError when another process holds
    it, naming that process and since when; StorageError when the lock cannot be made.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder}: {error.strerror or error}",
            hint="mend the permissions, or name another place with --runs-dir",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, HOLDER_BYTES_MAX, 0).decode(errors="replace").strip()
            raise RunError(
                f"{folder} is in use by {holder or 'another process'}",
                hint="wait until it has ended; nothing was done",
            ) from error
        holder = f"process {os.getpid()} on {socket.gethostname()} since {stamp(now)} ({what})"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder_of(folder: Path) -> str:
    """Return who holds *folder*, in the words of its lock; "" when nobody does."""
    try:
        with (folder / LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said = lock.read(HOLDER_BYTES_MAX).decode(errors="replace")
                return said or "another process"
    except OSError:
        pass
    return ""
