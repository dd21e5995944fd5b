"""A run as one looks at it: the run folder read into frames, a summary and a table for notebooks.

Reads only, also while another process writes. Never the network, never a stage.
"""

import html
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
from msgspec import Struct

from pipeline.config.job import Job
from pipeline.history import family
from pipeline.ledger import Ledger
from pipeline.model import Status, Summary
from pipeline.parts import read_part
from pipeline.run_folder import RunFolder
from pipeline.stages.results import place_of, schema_of

REASONS_SHOWN = 10
UNFINISHED = "not finished"


class Run(Struct, frozen=True):
    """One run of the loader, by its folder: `pipeline.open_run(folder)`.

    `summary`: rows by status, as a frame of one row. `results`: one row per source row, with its
    outcome. `failures`: the rows to mend, with their reasons. `rejected`: those of them that were
    never sent. Each is read when it is asked for.
    """

    folder: Path

    @property
    def id(self) -> str:
        """Name of the run, as the command line takes it."""
        return self.folder.name

    @property
    def manifest(self) -> dict[str, Any]:
        """What run.json says. Raises RunError when it cannot be read."""
        return self._files.read_manifest()

    @property
    def job(self) -> Job:
        """The job as it was resolved when the run began."""
        return Job.from_json(self.manifest["job"])

    @property
    def ended(self) -> Summary:
        """What the run has come to so far, from the ledger; also while it is running."""
        manifest = self.manifest
        last = manifest.get("summary") or {}
        with closing(Ledger.open(self._files.ledger, readonly=True)) as ledger:
            totals = ledger.totals()
        return Summary(
            run=self.id,
            folder=str(self.folder),
            operation=str(manifest["job"]["operation"]),
            totals=totals,
            seconds=float(last.get("seconds", 0.0)),
            exit_code=int(last.get("exit_code", 3)),
            message=str(last.get("message", UNFINISHED)),
            hint=str(last.get("hint", f"`pipeline resume {self.folder}` goes on")),
        )

    @property
    def summary(self) -> pl.DataFrame:
        """What the run has come to, as a frame of one row: rows by status, requests, seconds."""
        return pl.DataFrame([self.ended.to_json()])

    @property
    def results(self) -> pl.DataFrame:
        """One row per source row that has an outcome: status, answer, times. In file order."""
        paths = self._named("results")
        schema = schema_of(self.job.operation)
        if not paths:
            return pl.DataFrame(schema=schema)
        results = pl.concat([read_part(path) for path in paths])
        return results.sort("source", "row", maintain_order=True)

    @property
    def outcomes(self) -> pl.DataFrame:
        """What became of every row, retries of this run included; `run` says in which run.

        A row that has arrived has arrived; else the last word counts. In file order.
        """
        runs = family.descendants(family.of(self._files))
        frames = [
            Run(one.folder.path).results.with_columns(
                pl.lit(one.folder.id).alias("run"), pl.lit(number, pl.UInt32).alias("\0turn")
            )
            for number, one in enumerate(runs)
        ]
        arrived = (pl.col("status") == Status.DELIVERED.value).alias("\0arrived")
        laid = pl.concat(frames, how="diagonal_relaxed").with_columns(arrived)
        last = laid.sort("\0arrived", "\0turn", maintain_order=True)
        last = last.unique(["source", "row"], keep="last", maintain_order=True)
        place = place_of(runs[0].files, file="source", row="row")
        return last.sort(place, maintain_order=True).drop("\0turn", "\0arrived")

    @property
    def failures(self) -> pl.DataFrame:
        """The rows rejected, refused or failed: source columns as they came, and the reasons."""
        path = self._files.failures
        return read_part(path) if path.exists() else pl.DataFrame()

    @property
    def rejected(self) -> pl.DataFrame:
        """The rows that validation refused: number, line, reasons, and `source` as they came."""
        paths = self._named("rejected")
        return pl.concat([read_part(path) for path in paths]) if paths else pl.DataFrame()

    @property
    def reasons(self) -> pl.DataFrame:
        """Why rows failed: status, title, details, count; the most frequent first.

        The values that we rejected are left out of the words, so that alike reasons are counted
        together; `failures` has them.
        """
        columns = ("row", "status", "error_title", "error_details")
        paths = self._named("results")
        if not paths:
            return pl.DataFrame(schema={**dict.fromkeys(columns[1:], pl.String), "rows": pl.UInt32})
        failed = ~pl.col("status").is_in([status.value for status in GOOD])
        rejected = pl.col("status") == Status.REJECTED.value
        alike = pl.col("error_details").str.replace_all(r': "[^"]*" ', ": ")
        return (
            pl.scan_parquet(paths)
            .select(columns)
            .filter(failed)
            .with_columns(pl.when(rejected).then(alike).otherwise("error_details"))
            .group_by("status", "error_title", "error_details")
            .agg(pl.len().alias("rows"), pl.col("row").min().alias("first_row"))
            .sort("rows", "first_row", descending=[True, False])
            .collect()
        )

    def raise_on_failure(self) -> "Run":
        """Return the run when every row arrived. Raises RuntimeError with the summary if not."""
        ended = self.ended
        if ended.exit_code:
            raise RuntimeError(f"{self!r}: {ended.message or 'some rows did not arrive'}")
        return self

    def __repr__(self) -> str:
        ended = self.ended
        counts = ", ".join(
            f"{ended.totals.of(s):,} {s.value}" for s in Status if ended.totals.of(s)
        )
        return f"<Run {ended.operation} {self.id}: {counts or 'no rows'}>"

    def _repr_html_(self) -> str:
        """Show the run in a notebook: rows by status, speed, the most frequent reasons."""
        ended = self.ended
        counts = [
            (status.value.replace("_", " "), f"{ended.totals.of(status):,}")
            for status in Status
            if ended.totals.of(status)
        ]
        facts = [
            ("rows", f"{ended.totals.rows:,}"),
            *counts,
            ("requests", f"{ended.totals.requests:,}"),
            ("seconds", f"{ended.seconds:,.1f}"),
            ("rows per second", f"{ended.rows_per_second:,.0f}"),
        ]
        parts = [f"<p><b>{html.escape(ended.operation)}</b> {html.escape(self.id)}</p>"]
        if ended.message:
            parts.append(f"<p>{html.escape(ended.message)}</p>")
        parts.append(_table(("", ""), facts))
        reasons = self.reasons.head(REASONS_SHOWN)
        if len(reasons):
            head = ("rows", "status", "reason", "first row")
            lines = [
                (f"{rows:,}", status, _words(status, title, details), f"{first:,}")
                for status, title, details, rows, first in reasons.iter_rows()
            ]
            parts.append(_table(head, lines))
        parts.append(f"<p><code>{html.escape(str(self.folder))}</code></p>")
        return "".join(parts)

    @property
    def _files(self) -> RunFolder:
        return RunFolder(path=self.folder)

    def _named(self, kind: str) -> list[Path]:
        """Return the parts of *kind* that the ledger names: others may be half written."""
        with closing(Ledger.open(self._files.ledger, readonly=True)) as ledger:
            return [self.folder / kind / file for file in ledger.files(kind)]


GOOD = (Status.DELIVERED, Status.UNCHANGED, Status.SUPERSEDED)
"""The statuses that need nobody's attention."""


def _words(status: str, title: str | None, details: str | None) -> str:
    """Return a reason in words; that a rejected row was not sent need not be said again."""
    said = (details,) if status == Status.REJECTED.value and details else (title, details)
    return ": ".join(part for part in said if part)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    def cell(text: str, tag: str) -> str:
        side = "right" if text.replace(",", "").replace(".", "").isdigit() else "left"
        return f'<{tag} style="text-align: {side}">{html.escape(text)}</{tag}>'

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(cell(text, tag) for text in cells) + "</tr>"

    body = "".join(row(line, "td") for line in lines)
    header = row(head, "th") if any(head) else ""
    return f"<table>{header}{body}</table>"
