"""What the README shows can be typed, and its table is that of the operations."""

import re
import shlex

import pytest

from tests.cli.shell import ROOT, Shell, typed

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.startswith("pipeline ")]
ALL = {line: shlex.split(line, comments=True)[1:] for line in LINES}
LEAST = 6


def test_the_readme_shows_commands() -> None:
    assert len(ALL) >= LEAST


@pytest.mark.parametrize("words", ALL.values(), ids=ALL)
def test_every_command_of_the_readme_can_be_typed(words: list[str]) -> None:
    typed(words)


def test_the_table_of_the_readme_is_that_of_the_operations(shell: Shell) -> None:
    _, _, after = README.partition("<!-- operations: ")
    table = after.partition("-->")[2].partition("<!-- /operations -->")[0]
    assert table.strip() == shell("operations", "--markdown").stdout.strip()


def test_markdown_is_for_the_list_alone(shell: Shell) -> None:
    assert shell("operations", "profiles", "--markdown").exit_code == 2
