"""The ledger on disk: SQLite, WAL, every commit synced. The only place with SQL.

Never HTTP, never frames. One `Ledger` may be used from several threads: a lock makes its calls
take turns. Reading a run that another process writes is allowed (`readonly`).
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pipeline.errors import InvariantBroken, RunError, StorageError
from pipeline.ledger import lines, schema
from pipeline.ledger.lines import READ, STATUSES
from pipeline.model import (
    BatchId,
    BatchLine,
    Change,
    RequestLine,
    StagedPart,
    State,
    Status,
    Totals,
)

BUSY_MS = 10_000
"""How long a call waits for another process that reads or writes the same ledger."""
ROWS = "rows"
"""The fact that staging is finished: how many rows the run has."""
CHECKPOINT = "checkpoint"
"""The fact from where an interrupted staging goes on, as JSON."""
SET_ASIDE = (Status.REJECTED, Status.SUPERSEDED, Status.UNCHANGED)
"""Statuses of rows that are not staged; their parts are of a kind of the same name."""
NEW_BATCHES = (
    "INSERT INTO batches (part, id, start, rows, first_row) "
    f"SELECT ?, {', '.join(map(lines.element, range(4)))} FROM json_each(?)"
)
GIVEN = "(SELECT value FROM json_each(?))"
BATCHES = "SELECT b.id, p.file, b.start, b.rows FROM batches b JOIN parts p ON p.id = b.part"
SETTLED = "b.delivered + b.refused + b.failed + b.in_doubt"


class Ledger:
    """The books of one run. Raises StorageError for the disk, InvariantBroken for our faults."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def create(cls, path: Path) -> "Ledger":
        """Make an empty ledger at *path*, for its owner only; the file must not be there yet."""
        with _as_storage(path):
            path.touch(mode=0o600, exist_ok=False)
            ledger = cls(_connect(path))
            ledger._connection.executescript(
                f"PRAGMA journal_mode = WAL; BEGIN; {schema.TABLES} "
                f"PRAGMA user_version = {schema.VERSION}; COMMIT;"
            )
        return ledger

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False) -> "Ledger":
        """Open the ledger of an earlier run. Raises RunError when it is of another version."""
        if not path.is_file():
            raise RunError(f"{path} is missing: the run cannot be read", hint="see `pipeline runs`")
        with _as_storage(path):
            connection = _connect(path)
            if readonly:
                connection.execute("PRAGMA query_only = 1")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != schema.VERSION:
            connection.close()
            raise RunError(
                f"{path} has version {version}, this program knows version {schema.VERSION}",
                hint="go on with the version of pipeline that made the run",
            )
        return cls(connection)

    def close(self) -> None:
        """Give the file back; whatever was committed is durable."""
        with self._lock:
            self._connection.close()

    # ── facts ────────────────────────────────────────────────────────────────────────────────

    def fact(self, name: str) -> str | None:
        """Return the fact *name*, or None where it was never set."""
        row = self._one("SELECT value FROM facts WHERE name = ?", name)
        return row[0] if row else None

    def set_fact(self, name: str, value: str) -> None:
        """Set the fact *name*, durably."""
        with self._transaction() as connection:
            _set_fact(connection, name, value)

    # ── staging ──────────────────────────────────────────────────────────────────────────────

    def stage(self, part: StagedPart, checkpoint: str | None = None) -> tuple[BatchId, ...]:
        """Name a staged part, its batches and the rows set aside in one transaction.

        The files must be durable already. *checkpoint*, where it is given, becomes the fact of that
        name with them. Returns the numbers of the batches.
        """
        with self._transaction() as connection:
            if checkpoint is not None:
                _set_fact(connection, CHECKPOINT, checkpoint)
            for aside in part.aside:
                for kind in (aside.status.value, "results"):
                    _name_part(connection, kind, aside.file, aside.rows)
            if not part.batches:
                return ()
            rows = sum(rows for rows, _ in part.batches)
            part_id = _name_part(connection, "staged", part.file, rows)
            first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM batches").fetchone()[0]
            starts = accumulate((count for count, _ in part.batches), initial=0)
            numbered = enumerate(zip(starts, part.batches, strict=False), first)
            batches = [(number, start, *batch) for number, (start, batch) in numbered]
            connection.execute(NEW_BATCHES, (part_id, json.dumps(batches)))
        return tuple(BatchId(number) for number, *_ in batches)

    def staged_batches(self) -> Iterator[tuple[int, int]]:
        """Yield (rows, first row number) of every staged batch, in order."""
        yield from self._all("SELECT rows, first_row FROM batches ORDER BY id")

    def files(self, kind: str) -> list[str]:
        """Return the names of all parts of *kind*: staged, results or a status of SET_ASIDE."""
        found = self._all("SELECT file FROM parts WHERE kind = ? ORDER BY id", kind)
        return [row[0] for row in found]

    # ── delivery ─────────────────────────────────────────────────────────────────────────────

    def open_batches(self, *, after: BatchId, limit: int) -> list[BatchLine]:
        """Return up to *limit* batches beyond *after* that have pending rows, in order."""
        which = f"{SETTLED} < b.rows AND b.id > ? ORDER BY b.id LIMIT ?"
        return self._lines(self._batches(which, after, limit))

    def commit(self, changes: Sequence[Change]) -> None:
        """Make *changes* durable in one transaction, in their order."""
        with self._transaction() as connection:
            lines.apply(connection, changes)

    # ── results ──────────────────────────────────────────────────────────────────────────────

    def unwritten(self, *, rows_max: int, doubts: bool) -> list[BatchLine]:
        """Return settled batches whose results are not written, until they have *rows_max* rows.

        doubts: those with rows in doubt; else those without.
        """
        which = "b.in_doubt > 0" if doubts else "b.in_doubt = 0"
        found = self._batches(
            f"b.results IS NULL AND {SETTLED} = b.rows AND {which} ORDER BY b.id LIMIT ?",
            max(1, rows_max),
        )
        before = accumulate((row[3] for row in found), initial=0)
        return self._lines(
            [row for row, rows in zip(found, before, strict=False) if rows < rows_max]
        )

    def without_results(self, *, after: BatchId, limit: int) -> list[BatchLine]:
        """Return up to *limit* batches beyond *after* whose results are not written, in order."""
        which = "b.results IS NULL AND b.id > ? ORDER BY b.id LIMIT ?"
        return self._lines(self._batches(which, after, limit))

    def name_results(self, file: str, batches: Sequence[BatchLine], *, provisional: bool) -> None:
        """Name a durable results part of *batches*, and fold their requests away.

        A provisional part has rows in doubt: its requests are kept, for a later settlement.
        """
        rows = sum(batch.rows for batch in batches)
        numbers = json.dumps([batch.id for batch in batches])
        with self._transaction() as connection:
            part = _name_part(connection, "results", file, rows, provisional=provisional)
            told = f"UPDATE batches SET results = {part} WHERE id IN {GIVEN}"
            connection.execute(told, (numbers,))
            if not provisional:
                connection.execute(f"DELETE FROM requests WHERE batch IN {GIVEN}", (numbers,))

    def withdraw_provisional(self) -> list[str]:
        """Forget the results parts that have rows in doubt; return their files, to be deleted."""
        with self._transaction() as connection:
            provisional = "SELECT id, file FROM parts WHERE provisional = 1"
            found = connection.execute(provisional).fetchall()
            for part, _ in found:
                connection.execute("UPDATE batches SET results = NULL WHERE results = ?", (part,))
                connection.execute("DELETE FROM parts WHERE id = ?", (part,))
        return [file for _, file in found]

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def batch(self, number: BatchId) -> BatchLine | None:
        """Return batch *number* with its requests, or None."""
        found = self._lines(self._batches("b.id = ?", number))
        return found[0] if found else None

    def doubtful(self) -> Iterator[BatchLine]:
        """Yield the batches with rows that are in doubt, or were being sent; in order."""
        sending = "SELECT batch FROM requests WHERE state = ?"
        for row in self._all(
            f"SELECT id FROM batches WHERE in_doubt > 0 OR id IN ({sending}) ORDER BY id",
            State.SENDING,
        ):
            line = self.batch(BatchId(row[0]))
            if line:
                yield line

    def totals(self) -> Totals:
        """Add up the run: every row, staged or set aside, under its status, pending ones too."""
        sums = ", ".join(f"coalesce(sum({status}), 0)" for status in STATUSES)
        row = self._one(
            f"SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(requests), 0), "
            f"coalesce(sum(attempts), 0), {sums} FROM batches"
        )
        kinds = self._all("SELECT kind, sum(rows) FROM parts GROUP BY kind")
        aside = {Status(kind): rows for kind, rows in kinds if kind in SET_ASIDE}
        count, staged, requests, attempts, *settled = row
        by_status = dict(zip(STATUSES, settled, strict=True))
        by_status[Status.PENDING] = staged - sum(settled)
        return Totals(
            rows=staged + sum(aside.values()),
            by_status=by_status | dict.fromkeys(SET_ASIDE, 0) | aside,
            batches=count,
            requests=requests,
            retries=attempts - requests,
        )

    def results_rows(self) -> int:
        """Return how many rows the named results parts have."""
        return int(self._one("SELECT coalesce(sum(rows), 0) FROM parts WHERE kind = 'results'")[0])

    # ── within ───────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _as_storage("the ledger"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _all(self, sql: str, *values: Any) -> list[Any]:  # noqa: ANN401 - SQLite's own types
        with self._lock, _as_storage("the ledger"):
            return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> Any:  # noqa: ANN401 - SQLite's own types
        with self._lock, _as_storage("the ledger"):
            return self._connection.execute(sql, values).fetchone()

    def _table(self, columns: str, sql: str, *values: Any) -> list[Any]:  # noqa: ANN401 - as above
        """Return *columns* of what *sql* finds, ordered by them, all at once.

        As one JSON text: sqlite3 lets go of the interpreter for each cell, and then waits for it.
        """
        found = self._one(f"SELECT json_group_array(json_array({columns})) FROM ({sql})", *values)
        return sorted(json.loads(found[0]))

    def _batches(self, which: str, *values: Any) -> list[Any]:  # noqa: ANN401 - as above
        """Return id, file, start and rows of the batches that *which* says, in their order."""
        return self._table("id, file, start, rows", f"{BATCHES} WHERE {which}", *values)

    def _lines(self, found: Sequence[tuple[int, str, int, int]]) -> list[BatchLine]:
        """Return the batches *found*, with their requests."""
        requests: dict[int, list[RequestLine]] = {number: [] for number, *_ in found}
        of_them = f"SELECT * FROM requests WHERE batch IN {GIVEN}"
        numbers = json.dumps([*requests])
        for _, batch, *values in self._table(f"id, batch, {READ}", of_them, numbers):
            requests[batch].append(lines.read(values))
        return [
            BatchLine(
                id=BatchId(number),
                file=file,
                start=start,
                rows=rows,
                requests=tuple(requests[number]),
            )
            for number, file, start, rows in found
        ]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _set_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _name_part(
    connection: sqlite3.Connection, kind: str, file: str, rows: int, *, provisional: bool = False
) -> int:
    cursor = connection.execute(
        "INSERT INTO parts (kind, file, rows, provisional) VALUES (?, ?, ?, ?)",
        (kind, file, rows, provisional),
    )
    return int(cursor.lastrowid or 0)


@contextlib.contextmanager
def _as_storage(what: Path | str) -> Iterator[None]:
    """Translate what SQLite and the disk say; our own errors pass."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise InvariantBroken(f"{what}: {error}") from error
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"{what} cannot be used: {error}",
            hint="free space or mend the permissions, then resume the run; nothing is lost",
        ) from error
