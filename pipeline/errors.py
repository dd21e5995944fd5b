"""What can end a run, named by whose move it is; nothing here knows what the program does.

PipelineError            what every error of ours is: a sentence, a hint, an exit code
├── JobError         2   the job, the mapping, the arguments: nothing was sent
├── InputError       2   the file: missing, unreadable, empty, not what it says
├── ServiceError     3   their side: key refused, host unreachable, nothing gets through
├── LimitError       3   a threshold was crossed, the source changed: the hint says how to go on
├── Interrupted 130 143  somebody, or the clock, asked the run to stop; the run can be resumed
├── RunError         4   the run folder: locked by another process, of a newer version, not one
├── StorageError     3   the disk: full, read-only, a part gone; the hint says how to go on
└── InvariantBroken 70   our fault: rows do not add up, an illegal transition in the ledger

A bad row is never an exception (it is an outcome), nor is a failed attempt (it is a `Fault`).
"""


class PipelineError(Exception):
    """Say what happened, where, and what to do next.

    `str(error)` is one sentence for a person; `hint` is the next move ("" where there is none);
    `exit_code` is what the command line ends with (DESIGN §10).
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class JobError(PipelineError):
    """Refuse a job, a mapping or arguments that cannot work; `problems` has every one of them."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems or (message,)


class InputError(PipelineError):
    """Refuse a source that is missing, unreadable, empty or not of the format it claims."""

    exit_code = 2


class ServiceError(PipelineError):
    """Stop because the API, or the way to it, does not let us on; nothing is lost."""

    exit_code = 3


class LimitError(PipelineError):
    """Stop because a limit that the job set was crossed, or the source changed under a run."""

    exit_code = 3


class Interrupted(PipelineError):
    """Stop because somebody asked: SIGINT 130, SIGTERM 143; what was in flight was finished."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 130) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class StorageError(PipelineError):
    """Stop because the run folder's disk failed us; what was durable stays durable."""

    exit_code = 3


class RunError(PipelineError):
    """Refuse a run folder: held by another process, of a newer version, or not one at all."""

    exit_code = 4


class InvariantBroken(PipelineError):
    """Stop because our own books do not balance; to be reported, never to be swallowed."""

    exit_code = 70
