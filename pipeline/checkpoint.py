"""Where an interrupted staging goes on: a block of the source, and how much from there is staged.

The law: a checkpoint says that what is staged are the first good rows of the source, and none but
them. It is named in one transaction with the part that makes it true. Where rows were gathered for
a part from here and there, so that they are not the first, nothing but the same reading makes the
same batches again: then the checkpoint is where that reading began, and what it has staged is
recognised. Knows counts and places, and the facts of the ledger; never frames or files.
"""

from collections import deque

import msgspec
from msgspec import Struct, field

from pipeline.ledger import CHECKPOINT, Ledger
from pipeline.model import Status
from pipeline.parts import Repeats
from pipeline.preparation import FIRST, Mark
from pipeline.run_folder import RunFolder
from pipeline.stages.staging import Before, Folders, Reached, Stager


class Checkpoint(Struct, frozen=True, kw_only=True):
    """All rows before *mark* are staged or rejected, and of the good ones behind it the first."""

    mark: Mark = FIRST
    rows: int = 0
    """How many good rows are staged, from the first of the source on."""
    batches: int = 0
    """How many batches they make."""

    @property
    def skip(self) -> int:
        """How many good rows from the mark on are staged."""
        return self.rows - self.mark.good

    def to_json(self) -> str:
        """Return the checkpoint as the ledger keeps it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "Checkpoint":
        """Return the checkpoint that `to_json` has made *text* of."""
        return msgspec.json.decode(text, type=cls)


class Course(Struct, kw_only=True):
    """One process's part of a staging: where it began, and where the next one could."""

    begun: Checkpoint
    """What the ledger says when it begins."""
    staged_before: int = 0
    """Batches that earlier processes have staged, from the first of the source on."""
    _marks: deque[Mark] = field(default_factory=deque)
    """Those that may still be wanted; the first is the latest that could be named by now."""

    @classmethod
    def of(cls, ledger: Ledger) -> "Course":
        """Return the course of a process that goes on with, or begins, the staging in *ledger*."""
        fact = ledger.fact(CHECKPOINT)
        begun = Checkpoint.from_json(fact) if fact else Checkpoint()
        return cls(begun=begun, staged_before=ledger.totals().batches)

    def stager(self, folder: RunFolder, ledger: Ledger, repeats: Repeats) -> Stager:
        """Return the stager that recognises what lies behind the checkpoint and is staged."""
        begun = self.begun
        before = Before(
            since=Reached(rows=begun.rows, rejected=begun.mark.rejected, batches=begun.batches),
            batches=tuple(ledger.staged_batches()),
            rejected_rows=ledger.totals().of(Status.REJECTED),
            parts=len(ledger.files("staged")),
            rejected_parts=len(ledger.files("rejected")),
        )
        folders = Folders(staged=folder.staged, rejected=folder.rejected, results=folder.results)
        return Stager(folders=folders, before=before, repeats=repeats)

    def passes(self, mark: Mark | None) -> None:
        """Hear that a block begins at *mark*; None: that reading could not begin there."""
        if mark is not None:
            self._marks.append(mark)

    def after(self, reached: Reached, *, in_order: bool) -> Checkpoint:
        """Return the checkpoint to be named with a part, when it and all before are durable.

        in_order: whether the rows of all batches that this process has seen are the first ones.
        """
        marks = self._marks
        while len(marks) > 1 and _covers(reached, marks[1]):
            marks.popleft()
        recognising = reached.batches < self.staged_before
        if recognising or not in_order or not marks or not _covers(reached, marks[0]):
            return self.begun
        return Checkpoint(mark=marks[0], rows=reached.rows, batches=reached.batches)


def _covers(reached: Reached, mark: Mark) -> bool:
    """Whether all that comes before *mark* is durable."""
    return mark.good <= reached.rows and mark.rejected <= reached.rejected
