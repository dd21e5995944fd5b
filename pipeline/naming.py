"""Parts made durable, then named in the ledger, one after the other, in a thread of its own.

The next part is prepared meanwhile: half of the time that staging takes is writing. At most one
part is being written, and one waits for that.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import polars as pl

from pipeline.checkpoint import Checkpoint
from pipeline.ledger import Ledger
from pipeline.stages.staging import Part


class Namer:
    """Names parts in the order in which they come; a context manager.

    *staged* is told the name and the rows of each part that is durable, in that thread, and may
    make it wait.
    """

    def __init__(self, ledger: Ledger, staged: Callable[[str, pl.DataFrame | None], None]) -> None:
        self._ledger = ledger
        self._staged = staged
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="naming")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what was begun. Raises as `name` does, unless an error is on its way already."""
        self._thread.shutdown()
        if error is None:
            self._wait()

    def name(self, parts: Iterable[Part], checkpoint: Callable[[], Checkpoint]) -> None:
        """Write and name *parts*, each with the *checkpoint* of when it came.

        Returns when the last of them is being written. Raises StorageError, of an earlier part too.
        """
        for part in parts:
            at = checkpoint()
            self._wait()
            self._last = self._thread.submit(self._name, part, at)

    def _name(self, part: Part, at: Checkpoint) -> None:
        part.write()
        self._ledger.stage(part.named, at.to_json())
        self._staged(part.named.file, part.rows)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
