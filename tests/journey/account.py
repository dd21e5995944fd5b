"""The account of a sandbox as a test sees it: what it holds, its levers, and runs into it."""

import csv
import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from pipeline import verbs
from pipeline.config.job import Job
from pipeline.config.secrets import Connection, Secret
from pipeline.config.toml import Overrides, job_from
from pipeline.errors import PipelineError
from pipeline.events import Event, RequestsSettled
from pipeline.journey import Journey
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from pipeline.verbs import Terms


@dataclass(slots=True)
class Account:
    """A sandbox at *base_url*; runs into it go to *runs_dir*."""

    base_url: str
    api_key: str
    runs_dir: Path
    events: list[Event] = field(default_factory=list)

    def held(self, kind: str) -> list[dict[str, Any]]:
        """Everything of *kind* that the account has: profiles, referrals, audiences."""
        return [json.loads(line) for line in self._ask(kind).splitlines()]

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._ask("state"))
        return answer

    def faults(self, text: str) -> None:
        self.lever("faults", text.encode())

    def lever(self, name: str, body: bytes = b"") -> None:
        urllib.request.urlopen(f"{self.base_url}/_sandbox/{name}", body).close()

    def _ask(self, name: str) -> bytes:
        with urllib.request.urlopen(f"{self.base_url}/_sandbox/{name}") as answer:
            content: bytes = answer.read()
        return content

    # ── runs ─────────────────────────────────────────────────────────────────────────────────

    def terms(self, **more: Any) -> Terms:
        key = Secret(self.api_key)
        connection = Connection(base_url=self.base_url, api_key=key, management_key=None)
        given = {"connection": connection, "tell": self.events.append} | more
        return Terms(runs_dir=self.runs_dir, **given)

    def run(self, job: Job, **more: Any) -> Run:
        return anyio.run(partial(verbs.run, job, self.terms(**more)))

    def stage(self, job: Job, **more: Any) -> Run:
        return verbs.stage(job, self.terms(**more))

    def push(self, run: Run) -> Run:
        return anyio.run(partial(verbs.push, RunFolder(path=run.folder), self.terms()))

    def resume(self, run: Run, change: Callable[[Job], Job] = lambda job: job) -> Run:
        folder = RunFolder(path=run.folder)
        return anyio.run(partial(verbs.resume, folder, self.terms(), change))


def job(source: Path, to: str = "profiles", **overrides: Any) -> Job:
    """The job that loads *source*, one request at a time unless *overrides* say otherwise."""
    return job_from([source], Overrides(to=to, **{"concurrency": 1, **overrides}))


def stopped_after(batches: int, why: PipelineError, events: list[Event]) -> dict[str, Any]:
    """Terms that stop a run with *why* once so many requests have settled."""
    journeys: list[Journey] = []

    def tell(event: Event) -> None:
        events.append(event)
        settled = sum(e.requests for e in events if isinstance(e, RequestsSettled))
        if settled >= batches:
            journeys[0].stop(why)

    return {"started": journeys.append, "tell": tell}


def write_csv(path: Path, rows: list[list[str]], head: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
