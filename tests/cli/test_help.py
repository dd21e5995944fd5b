"""Help that teaches: what it shows can be typed, and it comes at once."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline.cli.main import ROOMS, commands
from tests.cli.shell import command, examples, typed

NAMED = ("account.toml", "attributes.json")
"""Files of examples that an option wants to find."""
HEAVY = ("polars", "pyarrow", "anyio", "httptools", "numpy")


EPILOGS = [commands.epilog, *(command(name).epilog for name in ROOMS)]
ALL = {" ".join(words): words for epilog in EPILOGS for words in examples(epilog or "")}


@pytest.mark.parametrize("name", ROOMS)
def test_every_command_has_an_example_of_its_own(name: str) -> None:
    assert any(words[0] == name for words in examples(command(name).epilog or ""))


@pytest.mark.parametrize("words", ALL.values(), ids=ALL)
def test_every_example_can_be_typed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMED:
        (tmp_path / name).touch()
    typed(words)


@pytest.mark.parametrize("name", ROOMS)
def test_every_command_of_the_help_explains_itself_and_its_options(name: str) -> None:
    shown = CliRunner().invoke(commands, [name, "--help"])
    assert shown.exit_code == 0
    assert command(name).help
    silent = [p.name for p in command(name).params if isinstance(p, click.Option) and not p.help]
    assert not silent


def test_the_list_of_commands_is_in_the_order_of_the_work() -> None:
    shown = CliRunner().invoke(commands, ["--help"]).stdout
    places = [shown.index(f"\n  {name} ") for name in ROOMS]
    assert places == sorted(places)


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from pipeline.cli.main import commands;"
        "commands.main(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"


def test_python_m_pipeline_is_the_same_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "pipeline", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"pipeline \d+\.\d+\.\d+\n", shown.stdout)


def test_a_command_misspelt_is_asked_back() -> None:
    refused = CliRunner().invoke(commands, ["statvs"])
    assert refused.exit_code == 2
    assert "Did you mean" in refused.stderr
    assert "'status'" in refused.stderr
