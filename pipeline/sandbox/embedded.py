"""A sandbox of one's own: a child process that lives as long as a `with` block, or as its parent.

Standard library only, so that importing it costs nothing. Works from plain code, from threads and
in a notebook. The key is made anew for each start and given by the environment, never on a command
line.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 30.0  # it takes half a second; a machine that is busy elsewhere takes more
STOP_S = 5.0
ANNOUNCED = "pipeline sandbox listening on "
HOME = Path(__file__).parents[2]  # from where the child imports this package, as we did
WORDS_MAX = 2000  # of what a child that failed has said


class SandboxFailedError(RuntimeError):
    """Raised when the sandbox does not start; the message holds what it said."""


class Embedded:
    """Start a sandbox with *faults* (`fault_language.py`) and *options* (`switches.py`).

    >>> with Embedded(faults="latency:20ms", options={"strict": "yes"}) as sandbox:
    ...     sandbox.base_url, sandbox.api_key

    `api_key` also opens `GET /v1/attributes`. The child ends with the block, and at the latest when
    this process does, however that ends. Raises SandboxFailedError.
    """

    def __init__(
        self, *, faults: str = "", options: Mapping[str, str] | None = None, seed: int = 0
    ) -> None:
        """Start nothing yet; `start` or `with` does."""
        self._settings = {"faults": faults, "options": dict(options or {}), "seed": seed}
        self._child: subprocess.Popen[bytes] | None = None
        self.base_url = ""
        self.api_key = secrets.token_hex(16)

    def __enter__(self) -> Self:
        """Start, and wait until it listens."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def __repr__(self) -> str:
        """Show the address, never the key."""
        return f"Embedded({self.base_url or 'not started'})"

    @property
    def pid(self) -> int:
        """Return the id of the child process."""
        if self._child is None:
            raise SandboxFailedError("the sandbox does not run; call start()")
        return self._child.pid

    def start(self) -> Self:
        """Start the child and wait until it says that it listens; again after `stop` or `kill`.

        Each start is an empty account, unless the option `data` names a folder; the key stays.
        """
        if self._child is not None:
            raise SandboxFailedError(f"the sandbox runs already, at {self.base_url}")
        path = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH", "")]))
        keys = {"TALON_ONE_API_KEY": self.api_key, "TALON_ONE_MANAGEMENT_KEY": self.api_key}
        with tempfile.TemporaryFile() as said:  # no pipe: nobody would empty it
            self._child = subprocess.Popen(  # noqa: S603 -- our own module
                [
                    sys.executable,
                    "-m",
                    "pipeline.sandbox.server",
                    json.dumps({**self._settings, "child": True}),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env={**os.environ, **keys, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is for the parent, which still needs its sandbox
            )
            line = self._first_line(self._child)
            if not line.startswith(ANNOUNCED):
                self.kill()
                said.seek(0)
                words = said.read(WORDS_MAX).decode(errors="replace").strip()
                raise SandboxFailedError(f"the sandbox did not start: {words or line or 'no word'}")
        self.base_url = line.removeprefix(ANNOUNCED)
        return self

    def stop(self) -> None:
        """End the child: it finishes what is in flight, at most two seconds."""
        if self._child is not None:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """End the child at once, as a crash would."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    @staticmethod
    def _first_line(child: subprocess.Popen[bytes]) -> str:
        """Return the child's first line; "" when it ends without one, or takes START_S."""
        if child.stdout is None:
            return ""
        timer = threading.Timer(START_S, child.kill)
        timer.start()
        try:
            return child.stdout.readline().decode(errors="replace").strip()
        finally:
            timer.cancel()
            timer.join()
