"""A sandbox of one's own: a child process that lives as long as a `with` block, or as its parent.

Standard library only, so that importing it costs nothing. Works from plain code, from threads and in a
notebook. The key is made anew for each start and given by the environment, never on a command line.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

START_S = 30.0  # a slow machine takes 2 s
STOP_S = 5.0
ANNOUNCED = "pipeline sandbox listening on "
HOME = Path(__file__).parents[2]


class SandboxFailedError(RuntimeError):
    """Raised when the sandbox does not start; the message holds what it said."""


class Embedded:
    """Start a sandbox with *faults* (see `faults.py`) and *options* (see `switches.py`).

    >>> with Embedded(faults="latency:20ms", options={"strict": "yes"}) as sandbox:
    ...     sandbox.base_url, sandbox.api_key

    `api_key` also opens `GET /v1/attributes`. The child ends with the block, and at the latest when
    this process does, however that ends. Raises SandboxFailedError.
    """

    def __init__(
        self, *, faults: str = "", options: Mapping[str, str] | None = None, seed: int = 0
    ) -> None:
        """Start nothing yet; `start` or `with` does."""
        self._settings = {
            "faults": faults,
            "options": dict(options or {}),
            "seed": seed,
            "child": True,
        }
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
            msg = "the sandbox has not been started"
            raise SandboxFailedError(msg)
        return self._child.pid

    def start(self) -> Self:
        """Start the child and wait until it says that it listens."""
        environment = {
            **os.environ,
            "TALON_ONE_API_KEY": self.api_key,
            "TALON_ONE_MANAGEMENT_KEY": self.api_key,
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HOME), os.environ.get("PYTHONPATH", "")])
            ),
        }
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pipeline.sandbox.server", json.dumps(self._settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the parent: it still needs its sandbox to settle
        )
        line = self._first_line()
        if not line.startswith(ANNOUNCED):
            self.kill()
            said = (
                self._child.stderr.read().decode(errors="replace").strip()
                if self._child.stderr
                else ""
            )
            msg = f"the sandbox did not start: {said or line or 'it said nothing'}"
            raise SandboxFailedError(msg)
        self.base_url = line.removeprefix(ANNOUNCED)
        return self

    def stop(self) -> None:
        """End the child: it finishes what is in flight, at most two seconds."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._close()

    def kill(self) -> None:
        """End the child at once, as a crash would."""
        if self._child is not None:
            self._child.kill()
        self._close()

    def _close(self) -> None:
        if self._child is not None:
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()

    def _first_line(self) -> str:
        """Return the child's first line; "" when it ends without one, or takes longer than START_S."""
        child = self._child
        if child is None or child.stdout is None:
            return ""
        timer = threading.Timer(START_S, child.kill)
        timer.start()
        try:
            return child.stdout.readline().decode(errors="replace").strip()
        finally:
            timer.cancel()
            timer.join()
