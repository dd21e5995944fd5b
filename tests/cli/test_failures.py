"""Whose move it is: what ends a command becomes a sentence and an exit code, ours included."""

import click
import pytest
from click.testing import CliRunner, Result

from pipeline.cli import options
from pipeline.cli.main import Commands
from pipeline.errors import (
    InputError,
    Interrupted,
    InvariantBroken,
    JobError,
    LimitError,
    PipelineError,
    RunError,
    ServiceError,
    StorageError,
)

KEY = "feedfacecafebeef0123456789abcdef"


def failing(error: BaseException, *arguments: str) -> Result:
    """Run a command that does nothing but raise *error*."""

    @click.command()
    @options.output
    def broken(**_: object) -> None:
        raise error

    class Broken(Commands):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            del ctx, cmd_name
            return broken

    return CliRunner().invoke(
        Broken(name="pipeline"), ["broken", *arguments], env={"TALON_ONE_API_KEY": KEY}
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JobError("what is wrong", hint="what now"), 2),
        (InputError("what is wrong", hint="what now"), 2),
        (ServiceError("what is wrong", hint="what now"), 3),
        (LimitError("what is wrong", hint="what now"), 3),
        (StorageError("what is wrong", hint="what now"), 3),
        (RunError("what is wrong", hint="what now"), 4),
        (InvariantBroken("what is wrong", hint="what now"), 70),
        (Interrupted("what is wrong", hint="what now", exit_code=143), 143),
    ],
)
def test_each_error_of_ours_has_its_exit_code(error: PipelineError, code: int) -> None:
    failed = failing(error)
    assert failed.exit_code == code
    assert failed.stderr == "pipeline: what is wrong\n  what now\n"


def test_an_error_from_within_a_task_group_is_told_as_itself() -> None:
    failed = failing(BaseExceptionGroup("tasks", [ServiceError("the key is refused")]))
    assert failed.exit_code == 3
    assert failed.stderr == "pipeline: the key is refused\n"


def test_ctrl_c_is_no_error() -> None:
    failed = failing(KeyboardInterrupt())
    assert (failed.exit_code, failed.stderr) == (130, "pipeline: interrupted\n")


def test_what_nobody_foresaw_is_our_fault_and_shows_no_traceback() -> None:
    failed = failing(ValueError("a surprise"))
    assert failed.exit_code == 70
    assert "our fault" in failed.stderr
    assert "ValueError: a surprise" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_verbose_shows_where_it_happened_and_never_a_key() -> None:
    failed = failing(ValueError(f"the header was {KEY}"), "--verbose")
    assert "Traceback" in failed.stderr
    assert KEY not in failed.output
    assert "the header was ****" in failed.stderr
