"""The state on disk: every request that changed the account, in order, in one file.

A start with the same folder applies them again; ids and codes follow from the order, so the
account is the same. What was answered survives the end of this process, not a power cut: nothing
is fsynced. This file knows bytes and numbers, nothing of what a request means.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson
from msgspec import Struct
from msgspec.structs import asdict

NAME = "journal"
VERSION = 1


class Applied(Struct, frozen=True, kw_only=True):
    """One request that changed the account. `bad` are the rows that were left out."""

    number: int
    now: float
    method: str
    path: str
    query: str
    key: str
    bad: tuple[int, ...]
    body: bytes


class Started(Struct, frozen=True, kw_only=True):
    """The switches and the seed from here on."""

    switches: Mapping[str, str]
    seed: int


class Journal:
    """The file in *folder*; one process at a time has it."""

    def __init__(self, folder: str) -> None:
        """Open or make the journal. Raises ValueError when another sandbox has it, OSError."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path / NAME
        self._file: IO[bytes] = self._path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ValueError(f"{folder}: another sandbox is using this folder") from error

    def read(self) -> Iterator[Applied | Started]:
        """Yield what is there, in order. An end that was cut short is taken off the file."""
        self._file.seek(0)
        good = 0
        while (line := self._file.readline()).endswith(b"\n"):
            head = orjson.loads(line)
            if head.pop("version") != VERSION:
                raise ValueError(f"{self._path}: written by another version; start a new folder")
            size = head.pop("size")
            body = self._file.read(size + 1)
            if len(body) != size + 1:
                break
            good = self._file.tell()
            yield _event(head, body[:-1])
        self._file.truncate(good)

    def write(self, event: Applied | Started) -> None:
        """Append *event*; it is with the operating system when this returns."""
        head = {"version": VERSION, **asdict(event)}
        body = head.pop("body", b"")
        head["size"] = len(body)
        self._file.write(orjson.dumps(head) + b"\n" + body + b"\n")
        self._file.flush()

    def clear(self) -> None:
        """Forget everything."""
        self._file.truncate(0)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _event(head: dict[str, Any], body: bytes) -> Applied | Started:
    if "seed" in head:
        return Started(**head)
    return Applied(**{**head, "bad": tuple(head["bad"])}, body=body)
