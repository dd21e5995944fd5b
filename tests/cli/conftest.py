"""One sandbox for all tests of this room, and the command line in this process or in another."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import commands
from pipeline.sandbox.embedded import Embedded
from tests.cli.shell import PATIENCE_S, ROOT, Shell, Started


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Embedded]:
    with Embedded() as running:
        yield running


@pytest.fixture
def environment(sandbox: Embedded, tmp_path: Path) -> dict[str, str]:
    """Where the API is, the key to it, and a place for runs."""
    return {
        "TALON_ONE_BASE_URL": sandbox.base_url,
        "TALON_ONE_API_KEY": sandbox.api_key,
        "PIPELINE_RUNS_DIR": str(tmp_path / "runs"),
    }


@pytest.fixture
def shell(environment: Mapping[str, str]) -> Shell:
    """Run the command line in this process: `shell("runs", "--json").stdout`."""

    def run(*arguments: object, **variables: str) -> Result:
        told = [str(argument) for argument in arguments]
        return CliRunner().invoke(commands, told, env={**environment, **variables})

    return run


@pytest.fixture
def started(environment: Mapping[str, str]) -> Iterator[Started]:
    """Start the command line as a process of its own; none outlives its test."""
    children: list[subprocess.Popen[str]] = []

    def start(*arguments: object, **variables: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=PATIENCE_S)


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """Ten customers, whose columns are named like the fields of the API."""
    path = tmp_path / "customers.csv"
    lines = [f"{number:05},gold" for number in range(1, 11)]
    path.write_text("\n".join(["integrationId,attributes.Tier", *lines]) + "\n")
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Five rows, of which the second and the fourth cannot be sent."""
    path = tmp_path / "mixed.csv"
    path.write_text("integrationId,attributes.Tier\n1,gold\n,gold\n3,gold\n,tin\n5,gold\n")
    return path
