"""Who takes part: the loader, what it is held against, and the commands that start them.

Each program is a file in `programs/`, called with FILE URL THREADS. Those that need packages of
their own take part where these are installed (`pip install -e '.[bench]'`), else are told of.
"""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent / "programs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program that the loader is held against."""

    name: str
    file: str
    needs: tuple[str, ...] = ()
    """Modules that it imports and the loader does not."""
    slow: bool = False
    """It runs on fewer rows; rows/s are what is compared."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that it needs and that are not installed."""
        return tuple(name for name in self.needs if find_spec(name) is None)

    def command(self, file: Path, url: str, threads: int) -> list[str | Path]:
        return [sys.executable, FOLDER / f"{self.file}.py", file, url, str(threads)]


LIMIT = Program(name="reading and encoding alone", file="limit")
PEERS = (
    Program(name="polars, json, threads, requests", file="analyst", needs=("requests",)),
    Program(name="polars, json, one thread, requests", file="one_thread", needs=("requests",)),
    Program(
        name="official client, threads", file="official_client", needs=("talon_one",), slow=True
    ),
    Program(
        name="dlt, custom destination", file="dlt_destination", needs=("dlt", "requests"), slow=True
    ),
    Program(
        name="pandas row by row, requests",
        file="pandas_rows",
        needs=("pandas", "requests"),
        slow=True,
    ),
)
TRANSPORT = Program(name="the HTTP client alone", file="transport")
SINGLE_PEER = Program(
    name="requests in threads, row by row", file="analyst_single", needs=("requests",)
)

JOB = """\
operation = "{operation}"
source    = "{source}"

[columns]
integrationId = "customer_id"
"attributes.first_name"     = "first_name"
"attributes.last_name"      = "last_name"
"attributes.email"          = "email"
"attributes.signup_date"    = "signup_date"
"attributes.is_vip"         = {{ column = "is_vip", type = "boolean" }}
"attributes.lifetime_value" = {{ column = "lifetime_value", type = "number" }}
"attributes.orders"         = {{ column = "orders", type = "integer" }}
"attributes.tier"           = "tier"
"attributes.birthday"       = "birthday"
"""

ALONE = """\
import runpy, sys
sys.modules["numpy"] = None
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""


def job(folder: Path, *, operation: str, source: Path) -> Path:
    """Write the loader's job for *source* into *folder*, and return where."""
    path = folder / f"{operation}-{source.stem}.toml"
    path.write_text(JOB.format(operation=operation, source=source))
    return path


def loader(*arguments: str | Path) -> list[str | Path]:
    """The loader's command line, as where it is installed alone: numpy comes with the peers."""
    return [sys.executable, "-c", ALONE, *arguments]
