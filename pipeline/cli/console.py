"""What the command line says: results on standard output, everything else on standard error.

Never a decision, and never a key: all that is said passes `clean`.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import click
from msgspec import Struct, field
from msgspec.structs import asdict

from pipeline.errors import JobError, PipelineError, StorageError
from pipeline.events import Event, Listener

META = "pipeline."
"""Where a Click context keeps what the output options said."""
KEYS = ("TALON_ONE_API_KEY", "TALON_ONE_MANAGEMENT_KEY")
KEY_BYTES_MAX = 4096
KEY_LENGTH_MIN = 12
"""A shorter one is made up (`sandbox`), and may be a word of ours."""
KEPT = "\n\t"
MASK = "****"


class Console(Struct, kw_only=True):
    """The two streams of this process, and how the user wants them."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    log_format: str = "text"
    _keys: tuple[str, ...] = field(default_factory=lambda: _keys(os.environ))

    @classmethod
    def of(cls, ctx: click.Context) -> "Console":
        """Return the one console of this command, as its output options ask for it."""
        console: Console | None = ctx.meta.get(META)
        if console is None:
            names = ("as_json", "quiet", "verbose", "log_format")
            said = {n: ctx.meta[META + n] for n in names if META + n in ctx.meta}
            console = ctx.meta[META] = cls(**said)
        return console

    @property
    def log_is_json(self) -> bool:
        """Whether standard error speaks JSON lines."""
        return self.log_format == "json"

    def say(self, text: str = "") -> None:
        """Print words for a person to standard output; with --json there are none."""
        if not self.as_json:
            self._write(text, sys.stdout)

    def give(self, values: Mapping[str, object]) -> None:
        """Print the one JSON object of --json; without it, nothing."""
        if self.as_json:
            self._write(json.dumps(values, default=_plain), sys.stdout)

    def warn(self, text: str) -> None:
        """Print a line to standard error."""
        self._write(self.line(text), sys.stderr)

    def line(self, text: str) -> str:
        """Return *text* as standard error has it, in one of its two formats."""
        if self.log_is_json:
            return json.dumps({"event": "Said", "text": text})
        return f"pipeline: {text}"

    def failed(self, error: PipelineError) -> None:
        """Say what ended the command: one sentence, each problem on a line, and what to do now."""
        problems = error.problems if isinstance(error, JobError) else ()
        self._give_failure(str(error), error.hint, error.exit_code, problems)
        if self.log_is_json:
            return
        self.warn(_sentence(str(error), problems))
        if error.hint:
            self.hint(error.hint)

    def broken(self, error: BaseException, trace: str) -> None:
        """Say that we are to blame; the traceback only where it was asked for."""
        message = f"this is our fault, please report it: {type(error).__name__}: {error}"
        hint = "" if self.verbose else "the same command with --verbose shows where it happened"
        self._give_failure(message, hint, 70, ())
        if self.verbose:
            self._write(trace.rstrip(), sys.stderr)
        if self.log_is_json:
            return
        self.warn(message)
        if hint:
            self.hint(hint)

    def hint(self, text: str) -> None:
        """Print what to do next to standard error."""
        if not self.log_is_json:
            self._write("\n".join(f"  {line}" for line in text.splitlines()), sys.stderr)

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """Return a listener that shows what happens: a bar on a terminal, log lines, or both."""
        from pipeline.cli.lines import Lines
        from pipeline.clock import SystemClock

        if self.quiet or self.log_is_json or not sys.stderr.isatty():
            yield Lines(self, self._log, SystemClock())
            return
        from tqdm import tqdm

        from pipeline.progress import Bar

        with Bar(tqdm) as bar:

            def above(text: str) -> None:
                with suppress(OSError):  # a terminal that has gone ends nothing
                    bar.write(self.clean(text))

            lines = Lines(self, above, None)

            def tell(event: Event) -> None:
                bar(event)
                lines(event)

            yield tell

    def clean(self, text: str) -> str:
        """Return *text* without keys, and without what would command a terminal."""
        for key in self._keys:
            text = text.replace(key, MASK)
        return "".join(c if c.isprintable() or c in KEPT else _escaped(c) for c in text)

    def _log(self, text: str) -> None:
        self._write(text, sys.stderr)

    def _give_failure(
        self, message: str, hint: str, exit_code: int, problems: tuple[str, ...]
    ) -> None:
        values = {"exit_code": exit_code, "message": message, "hint": hint}
        listed = list(problems or (message,))
        self.give({**values, "problems": listed})
        if self.log_is_json:
            self._write(json.dumps({"event": "Failed", **values, "problems": listed}), sys.stderr)

    def _write(self, text: str, stream: TextIO) -> None:
        """Print *text*. A reader that has gone ends nothing; a full disk is told, if it can be."""
        try:
            print(self.clean(text), file=stream, flush=True)
        except OSError as error:
            # What is left in the buffer would be tried once more when Python ends, and fail again.
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                why = error.strerror or error
                raise StorageError(f"standard output cannot be written: {why}") from error


def _plain(value: object) -> object:
    """Return what JSON does not have closer to it: a value as its fields, else as text."""
    return asdict(value) if isinstance(value, Struct) else str(value)


def _sentence(message: str, problems: tuple[str, ...]) -> str:
    """Return *message*, each problem on a line of its own where there are several."""
    if len(problems) <= 1 or "\n" in message:
        return message
    head = message.partition(": ")[0]
    return "\n".join([f"{head}:", *(f"  {problem}" for problem in problems)])


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _keys(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys that the environment holds or names a file of, for `clean` to look for."""
    texts = [environ.get(name, "") for name in KEYS]
    for name in KEYS:
        try:
            with Path(environ.get(f"{name}_FILE", "")).open("rb") as file:
                texts.append(file.read(KEY_BYTES_MAX).decode("latin-1"))
        except (OSError, ValueError):
            continue
    words = [text.split()[-1] for text in texts if text.split()]
    return tuple(word for word in words if len(word) >= KEY_LENGTH_MIN)
