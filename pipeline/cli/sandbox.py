"""`pipeline sandbox`: options in, the sandbox served, how to reach it on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from pipeline.sandbox.switches import SWITCHES, Switch

EPILOG = """\b
Examples:
  pipeline sandbox --port 8080
  pipeline sandbox --fault "429:5% on profiles retry-after=2; latency:lognormal(80ms,0.5)"
  pipeline sandbox --attributes attributes.json --strict yes --data ./account
"""


def _switches(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* one option for each switch of the sandbox."""
    for switch in reversed(SWITCHES):
        command = click.option(f"--{switch.name}", switch.name.replace("-", "_"), **_looks(switch))(
            command
        )
    return command


def _looks(switch: Switch) -> dict[str, Any]:
    kind = click.Choice(switch.values) if switch.values else click.STRING
    return {
        "type": kind,
        "default": switch.default,
        "show_default": bool(switch.default),
        "help": switch.says,
    }


@click.command(epilog=EPILOG)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="where to listen; think before it is not the loopback",
)
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 picks a free one")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help='what goes wrong, such as "429:5% on profiles"; see the README',
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="of faults and of what is made up: same seed, same run",
)
@_switches
def sandbox(*, host: str, port: int, faults: tuple[str, ...], seed: int, **options: str) -> None:
    """Serve an imitation of the Talon.One Integration API, with state, on this machine.

    Prints one line with its address and runs until it is interrupted. The key is that of
    TALON_ONE_API_KEY, or `sandbox`.
    """
    from pipeline.sandbox import server

    settings = server.Settings(
        host=host,
        port=port,
        faults=";".join(faults),
        seed=seed,
        options={name.replace("_", "-"): value for name, value in options.items()},
    )
    try:
        server.serve(settings, os.environ, tell=lambda line: click.echo(line, err=True))
    except (ValueError, OSError) as error:
        click.echo(f"sandbox: {error}", err=True)
        sys.exit(2)
