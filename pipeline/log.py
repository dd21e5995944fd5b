"""The run's log for a machine: each event as one JSON object a line.

A listener: it knows events and a file, never the journey. A log that cannot be written must not
end a run: the first such failure closes it.
"""

import json
from io import TextIOWrapper
from pathlib import Path

from msgspec.structs import asdict

from pipeline.clock import Clock, stamp
from pipeline.events import Event, RequestSent, RowsStaged

TOO_MANY = (RequestSent, RowsStaged)
"""Events of every request or block: for progress, not for the log."""


class Log:
    """Append events to the file at *path*, for its owner only."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._clock = clock
        self._file: TextIOWrapper | None = None
        try:
            path.touch(mode=0o600)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError:
            self._file = None

    def __call__(self, event: Event) -> None:
        """Write *event*, unless it is one of those that come with every request."""
        if self._file is None or isinstance(event, TOO_MANY):
            return
        line = {"at": stamp(self._clock.now()), "event": type(event).__name__}
        try:
            self._file.write(json.dumps(line | asdict(event)) + "\n")
        except OSError:
            self.close()

    def close(self) -> None:
        """Give the file back."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                return
