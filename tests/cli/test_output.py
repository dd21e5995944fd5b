"""Standard output is for results alone, standard error for everything else."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.model import Status
from tests.cli.shell import PATIENCE_S, ROOT, Shell, Started


def balanced(values: Mapping[str, int]) -> bool:
    return values["rows"] == sum(values[status] for status in Status)


def test_json_is_one_object_whose_numbers_add_up(started: Started, mixed: Path) -> None:
    child = started("run", mixed, "--to", "profiles", "--json", "--verbose")
    out, err = child.communicate(timeout=PATIENCE_S)
    (line,) = out.splitlines()
    values = json.loads(line)
    assert child.returncode == values["exit_code"] == 1
    assert (values["rows"], values["delivered"], values["rejected"]) == (5, 3, 2)
    assert balanced(values)
    assert Path(values["folder"]).is_absolute()
    assert "5 rows read, 2 rejected" in err


@pytest.mark.parametrize("command", ["run", "stage"])
def test_the_numbers_of_the_sample_add_up(shell: Shell, command: str) -> None:
    done = shell(command, ROOT / "config" / "messy.toml", "--json")
    values = json.loads(done.stdout)
    assert balanced(values)
    assert values["rows"] == 86
    assert values["rejected"] == 45
    assert values["delivered" if command == "run" else "pending"] == 41


def test_an_error_is_one_json_object_too(shell: Shell) -> None:
    refused = shell("run", "missing.csv", "--to", "profiles", "--json")
    values = json.loads(refused.stdout)
    assert refused.exit_code == values["exit_code"] == 2
    assert values["message"] == "missing.csv does not exist"
    assert values["hint"]


def test_quiet_says_nothing_when_all_is_well(shell: Shell, customers: Path) -> None:
    done = shell("run", customers, "--to", "profiles", "--quiet")
    assert (done.exit_code, done.output) == (0, "")


def test_quiet_still_says_what_is_not_well(shell: Shell, mixed: Path) -> None:
    done = shell("run", mixed, "--to", "profiles", "--quiet")
    assert done.exit_code == 1
    assert "2 of 5 rows did not arrive" in done.stderr
    assert "is empty" in done.stdout


def test_a_log_in_json_is_json_to_the_last_line(shell: Shell, mixed: Path) -> None:
    done = shell("run", mixed, "--to", "profiles", "--log-format", "json", "--verbose")
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert {"RunStarted", "RowsStaged", "StagingFinished", "RequestsSettled", "Noticed"} <= {
        *events
    }


def test_a_failure_is_a_line_of_the_json_log(shell: Shell) -> None:
    refused = shell("run", "missing.csv", "--to", "profiles", "--log-format", "json")
    (line,) = refused.stderr.splitlines()
    assert json.loads(line)["message"] == "missing.csv does not exist"


def test_where_there_is_no_terminal_there_is_no_bar(shell: Shell, customers: Path) -> None:
    done = shell("run", customers, "--to", "profiles")
    assert "\r" not in done.stderr
    assert "delivery" not in done.stderr
    assert "10 rows read, 0 rejected" in done.stderr


def test_a_terminal_gets_a_bar_for_reading_and_one_for_delivery(
    environment: dict[str, str], customers: Path
) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [sys.executable, "-m", "pipeline", "run", str(customers), "--to", "profiles"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        shown = b""
        try:
            while some := os.read(ours, 65536):
                shown += some
        except OSError:  # the other side is closed: the child has ended
            pass
        finally:
            os.close(ours)
    assert child.returncode == 0
    text = shown.decode()
    assert "reading: 100%" in text
    assert "10/10 rows" in text.rpartition("delivery: 100%")[2]
    assert "not delivered 0, in flight 0" in text


def test_a_reader_that_goes_away_does_not_end_the_run(started: Started, mixed: Path) -> None:
    child = started("run", mixed, "--to", "profiles")
    for stream in (child.stdout, child.stderr):
        assert stream is not None
        stream.close()
    assert child.wait(PATIENCE_S) == 1
    status = started("status", "last", "--json").communicate(timeout=PATIENCE_S)[0]
    assert json.loads(status)["delivered"] == 3


def test_streams_that_are_not_there_do_not_matter(
    environment: dict[str, str], customers: Path
) -> None:
    line = f'"{sys.executable}" -m pipeline run "{customers}" --to profiles <&- >&- 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=ROOT, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0


def test_a_full_disk_under_standard_output_is_told(environment: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "operations"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith("pipeline: standard output cannot be written")


def test_what_stands_in_a_cell_does_not_command_the_terminal(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "rude.csv"
    path.write_text("integrationId\nturned \u202e around\n")
    shown = shell("preview", path, "--to", "profiles").stdout
    assert "\u202e" not in shown
    assert "turned \\u202e around" in shown


def test_nor_does_what_stands_in_a_name(shell: Shell) -> None:
    refused = shell("run", "red\x1bc.csv", "--to", "profiles")
    assert refused.stderr.startswith("pipeline: red\\x1bc.csv does not exist")
