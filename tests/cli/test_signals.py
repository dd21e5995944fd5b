"""Ctrl-C, kill, and both twice: a run that is stopped can go on, and says how."""

import json
import signal

import pytest

from pipeline.cli.console import Console
from pipeline.cli.signals import stoppable
from pipeline.errors import Interrupted
from tests.cli.shell import PATIENCE_S, ROOT, Started, line_with

SLOW = ("--sandbox", "--concurrency", "1", "--fault")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_what_is_in_flight_and_the_run_can_go_on(
    started: Started, number: signal.Signals, code: int
) -> None:
    child = started("run", ROOT / "config" / "profiles.toml", "--json", *SLOW, "latency:700ms")
    line_with(child, "rows read")
    child.send_signal(number)
    out, err = child.communicate(timeout=PATIENCE_S)
    values = json.loads(out)
    assert child.returncode == values["exit_code"] == code
    assert "finishing what is in flight" in err
    assert f"interrupted by {number.name}" in err
    assert f"pipeline resume {values['folder']}" in values["hint"]
    assert values["in_doubt"] == 0
    assert values["pending"] == 23570 - values["delivered"] > 0
    resumed, _ = started("resume", values["folder"], "--json").communicate(timeout=PATIENCE_S)
    assert json.loads(resumed)["delivered"] == 23570


def test_a_second_signal_leaves_at_once(started: Started) -> None:
    child = started("run", ROOT / "config" / "profiles.toml", *SLOW, "latency:90s")
    line_with(child, "rows read")
    child.send_signal(signal.SIGINT)
    line_with(child, "once more leaves at once")
    child.send_signal(signal.SIGTERM)
    assert child.wait(PATIENCE_S) == 143, "it is the second that ended it, not the patience of 20 s"


def test_a_signal_before_a_run_began_ends_the_command_where_it_stands() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as stopped, stoppable(Console()):
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before
