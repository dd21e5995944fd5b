"""The API's words about some rows, taken out of a ledger for good. Never a state or a count."""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import StorageError


def scrub(path: Path, batches: Iterable[int]) -> None:
    """Drop answers and error texts of all requests of *batches*, also from free pages and the log.

    The ledger at *path* must be open nowhere else. Raises StorageError.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = 1")
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE requests SET answer = NULL, error_details = NULL WHERE batch = ?",
                [(batch,) for batch in batches],
            )
            connection.execute("COMMIT")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StorageError(f"{path} could not be written: {error}") from error
