"""`pipeline sandbox`: options in, the sandbox served, how to reach it on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.sandbox.switches import SWITCHES, Switch

EPILOG = """\b
Examples:
  pipeline sandbox --port 8080
  pipeline sandbox --fault "429:5% on profiles retry-after=2; latency:lognormal(80ms,0.5)"
  pipeline sandbox --attributes attributes.json --strict yes --data ./account
  pipeline sandbox --like account.toml
  curl http://127.0.0.1:8080/_sandbox/state
"""


def _switches(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* one option for each switch of the sandbox."""
    for switch in reversed(SWITCHES):
        command = click.option(f"--{switch.name}", _parameter(switch), **_looks(switch))(command)
    return command


def _parameter(switch: Switch) -> str:
    return switch.name.replace("-", "_")


def _looks(switch: Switch) -> dict[str, Any]:
    kind = click.Choice(switch.values) if switch.values else click.STRING
    return {"type": kind, "show_default": switch.default or False, "help": switch.says}


@click.command(epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="What goes wrong; may be repeated. `--fault help` shows the language.",
)
@click.option("--seed", type=int, help="Of faults and of what is made up: same seed, same run.")
@click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML with faults, seed and [options] of an account; what is given here wins.",
)
@_switches
def sandbox(
    *,
    host: str,
    port: int,
    faults: tuple[str, ...],
    seed: int | None,
    like: Path | None,
    **given: str | None,
) -> None:
    """Serve an imitation of the API, with state, on this machine.

    Prints one line with its address and runs until it is interrupted. The key is that of
    TALON_ONE_API_KEY, or `sandbox`. What the API leaves undocumented is an option below.
    """
    from pipeline.sandbox import fault_language, likeness, server

    if "help" in faults:
        click.echo(fault_language.__doc__)
        return
    try:
        known = likeness.read(like) if like else likeness.Likeness()
        options = {s.name: value for s in SWITCHES if (value := given[_parameter(s)]) is not None}
        settings = server.Settings(
            host=host,
            port=port,
            faults=";".join(faults) or known.faults,
            seed=known.seed if seed is None else seed,
            options={**known.options, **options},
        )
        server.serve(settings, os.environ, tell=lambda line: click.echo(line, err=True))
    except (ValueError, OSError) as error:
        click.echo(f"sandbox: {error}", err=True)
        sys.exit(2)
