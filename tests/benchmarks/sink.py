"""The server that everything here sends to: compiled on the spot, started, asked what arrived.

Knows nothing of what is sent, nor by whom.
"""

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("sink.c")
COMPILING_S_MAX = 60
ENDING_S_MAX = 10
ASKING_S_MAX = 10


class SinkError(Exception):
    """The sink cannot be had on this machine; the message says what now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What a sink has counted. A body's rows are those with an `integrationId` of their own."""

    requests: int
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A sink that runs; it answers after *latency_ms*."""

    port: int
    latency_ms: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def arrived(self) -> Arrived:
        return Arrived(**self._ask("/stats"))

    def reset(self) -> None:
        """Count from zero."""
        self._ask("/reset")

    def _ask(self, path: str) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ASKING_S_MAX)
        try:
            connection.request("GET", path)
            counts: dict[str, int] = json.load(connection.getresponse())
        finally:
            connection.close()
        return counts


def build(folder: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Compile the sink into *folder* with $CC or `cc`; return the program. Raises SinkError."""
    compiler = shutil.which(environment.get("CC", "cc"), path=environment.get("PATH", ""))
    if compiler is None:
        raise SinkError(
            "the benchmark needs a C compiler for the server it measures against, and finds no "
            "`cc`: install one (`apt-get install gcc libc6-dev`), or name it by CC="
        )
    program = folder / "sink"
    done = subprocess.run(
        [compiler, "-O2", "-o", program, SOURCE],
        capture_output=True,
        text=True,
        timeout=COMPILING_S_MAX,
        check=False,
    )
    if done.returncode:
        raise SinkError(f"{compiler} cannot compile {SOURCE.name} (Linux only):\n{done.stderr}")
    return program


@contextmanager
def running(program: Path, *, latency_ms: int, answer: str | None = None) -> Iterator[Sink]:
    """Run a sink that answers after *latency_ms*: "204", or "200" with the JSON in *answer*."""
    said = [] if answer is None else [answer]
    with subprocess.Popen(
        [program, str(latency_ms), *said],
        stdin=subprocess.PIPE,  # its end is the sink's
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            if child.stdout is None or not (port := child.stdout.readline()):
                raise SinkError("the sink cannot listen on the loopback")
            yield Sink(port=int(port), latency_ms=latency_ms)
        finally:
            if child.stdin is not None:
                child.stdin.close()
            try:
                child.wait(ENDING_S_MAX)
            finally:
                child.kill()
