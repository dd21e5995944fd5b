"""`--concurrency`, `--rate`, `--max-share`: read everywhere that sends, wrong ones explained."""

import json
from pathlib import Path

import pytest

from tests.cli.shell import Shell

WORDS = ("--concurrency", "adaptive", "--rate", "500/s", "--max-share", "50%")
SAID = {"concurrency": "adaptive", "rate": 500.0, "max_share": 0.5}


def kept(done: str) -> dict[str, object]:
    """What the run of the summary *done* has of its delivery."""
    manifest = json.loads((Path(json.loads(done)["folder"]) / "run.json").read_text())
    delivery: dict[str, object] = manifest["job"]["delivery"]
    return {name: delivery[name] for name in SAID}


def test_without_a_word_it_adapts(shell: Shell, mixed: Path) -> None:
    done = shell("run", mixed, "--to", "profiles", "--json")
    assert kept(done.stdout) == {"concurrency": "adaptive", "rate": None, "max_share": 1.0}


def test_run_and_retry_send_as_they_are_told(shell: Shell, mixed: Path) -> None:
    done = shell("run", mixed, "--to", "profiles", "--json", *WORDS)
    assert kept(done.stdout) == SAID
    again = shell("retry", "last", "--json", "--rate", "7", "--sandbox")
    assert kept(again.stdout) == SAID | {"rate": 7.0}


@pytest.mark.parametrize("command", ["push", "resume"])
def test_what_goes_on_is_told_anew(shell: Shell, mixed: Path, command: str) -> None:
    assert shell("stage", mixed, "--to", "profiles").exit_code == 0
    assert kept(shell(command, "last", "--json", *WORDS).stdout) == SAID


@pytest.mark.parametrize(
    ("option", "said", "expected"),
    [
        ("--concurrency", "many", '"adaptive", or a number of requests from 1 to 256, got "many"'),
        ("--concurrency", "0", 'from 1 to 256, got "0"'),
        ("--rate", "200/m", 'above 0, such as 200 or 200/s, got "200/m"'),
        ("--max-share", "50", 'up to 1, such as 0.5 or 50%, got "50"'),
    ],
)
@pytest.mark.parametrize("command", ["run", "push", "resume", "retry"])
def test_a_wrong_word_is_explained_and_nothing_done(
    shell: Shell, command: str, option: str, said: str, expected: str
) -> None:
    done = shell(command, "last", option, said)
    assert done.exit_code == 2
    assert expected in " ".join(done.stderr.split())
