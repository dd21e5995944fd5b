"""The sandbox as a process: start, say where it listens, stop on a signal or when the parent goes.

    python -m pipeline.sandbox.server SETTINGS      (a JSON object with the fields of Settings)

Keys come from the environment only and are never printed. One line on standard output says where it
listens; everything else goes to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import orjson
import uvicorn
from msgspec import Struct, field

from pipeline.sandbox import fault_language
from pipeline.sandbox.app import App
from pipeline.sandbox.engine import Engine, Keys
from pipeline.sandbox.operations import NAMES
from pipeline.sandbox.switches import Switches
from pipeline.sandbox.wire import Protocol

KEY_VARIABLE = "TALON_ONE_API_KEY"
MANAGEMENT_KEY_VARIABLE = "TALON_ONE_MANAGEMENT_KEY"
DEFAULT_KEY = "sandbox"
STOP_S = 2  # for requests that are in flight when it is told to stop
BACKLOG = 2048
GC_THRESHOLDS = (100_000, 50, 1_000)


class Settings(Struct, frozen=True, kw_only=True):
    """How to start. `options` are switches; `child` means: end when standard input does."""

    host: str = "127.0.0.1"
    port: int = 0
    faults: str = ""
    seed: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    child: bool = False


def keys(environment: Mapping[str, str]) -> Keys:
    """Return the keys that open the sandbox: those of *environment*, else `sandbox`."""
    return Keys(
        application=environment.get(KEY_VARIABLE) or DEFAULT_KEY,
        management=environment.get(MANAGEMENT_KEY_VARIABLE) or DEFAULT_KEY,
    )


def build(settings: Settings, environment: Mapping[str, str]) -> App:
    """Return the application for *settings*. Raises ValueError for settings that make no sense."""
    engine = Engine(Switches(settings.options), keys(environment), settings.seed)
    return App(engine, fault_language.parse(settings.faults, NAMES, settings.seed), _now)


def _now() -> float:
    return datetime.now(UTC).timestamp()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach *host*."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(uvicorn.Server):
    """uvicorn, which says in one line that it listens, and stops when its parent is gone."""

    def __init__(
        self, config: uvicorn.Config, *, announce: Callable[[], None], child: bool
    ) -> None:
        super().__init__(config)
        self._announce, self._child, self._parent = announce, child, os.getppid()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()
        if self._child:
            asyncio.get_running_loop().add_reader(0, self._parent_spoke)

    async def on_tick(self, counter: int) -> bool:
        # A fork of the parent may hold the other end of standard input: its id tells as well.
        gone = self._child and os.getppid() != self._parent
        return gone or await super().on_tick(counter)

    def _parent_spoke(self) -> None:
        if not os.read(0, 1024):
            asyncio.get_running_loop().remove_reader(0)
            self.should_exit = True


def hints(settings: Settings, address: str, environment: Mapping[str, str]) -> list[str]:
    """Return the lines that tell a person how to reach the sandbox at *address*; never a key."""
    lines = [] if environment.get(KEY_VARIABLE) else [f"export {KEY_VARIABLE}={DEFAULT_KEY}"]
    lines.append(f"export TALON_ONE_BASE_URL={address}")
    if not is_loopback(settings.host):
        lines.append(
            f"warning: {settings.host} can be reached from other machines, and holds what is loaded"
        )
    return lines


def listening(settings: Settings) -> socket.socket:
    """Return a socket that listens. Its connections send at once, not when the last is answered.

    asyncio would see to that, but not for a socket that it is handed: 44 ms for each answer.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    listener = socket.create_server(address, family=family, backlog=BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(
    settings: Settings, environment: Mapping[str, str], tell: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until told to stop; *tell* gets lines for a person.

    Raises ValueError for bad settings, OSError when the port is taken.
    """
    # Millions of profiles without a cycle among them: looking for cycles cost half of the time.
    gc.set_threshold(*GC_THRESHOLDS)
    app = build(settings, environment)
    with listening(settings) as listener:
        config = uvicorn.Config(
            app,
            http=Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
            timeout_keep_alive=60,
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{listener.getsockname()[1]}"

        def announce() -> None:
            print(f"pipeline sandbox listening on {address}", flush=True)  # noqa: T201
            for line in hints(settings, address, environment):
                tell(line)

        with contextlib.suppress(KeyboardInterrupt):  # that is how a person stops it
            _Server(config, announce=announce, child=settings.child).run(sockets=[listener])


def main(argv: list[str]) -> int:
    """Serve with the settings in *argv*; 0 when told to stop, 2 for settings that make no sense."""
    try:
        serve(Settings(**orjson.loads(argv[1] if len(argv) > 1 else "{}")), os.environ)
    except (ValueError, TypeError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
