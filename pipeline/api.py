"""The notebook's door: plain functions that also work where an event loop is running already.

One async core (`verbs`), one place that gives it a loop. Never Click, never print.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import polars as pl
from msgspec import Struct, field
from msgspec.structs import replace

from pipeline import run_folder, verbs
from pipeline.config.job import STANDARD_INPUT, Job, runs_dir
from pipeline.config.secrets import Connection, Secret, connect
from pipeline.config.toml import Overrides, job_from
from pipeline.errors import InputError
from pipeline.events import Listener
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from pipeline.verbs import Terms

T = TypeVar("T")


class Way(Struct, frozen=True, kw_only=True):
    """How to reach the API: an address (else the environment's), or a sandbox of one's own."""

    base_url: str | None = None
    insecure: bool = False
    sandbox: bool = False
    faults: str = ""
    """For the sandbox: what goes wrong, see `pipeline sandbox --help`."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


@contextlib.contextmanager
def reached(way: Way) -> Iterator[Connection]:
    """Return the connection that *way* describes; a sandbox lives as long as the block.

    Raises JobError when no address or no key is known.
    """
    if not way.sandbox:
        yield connect(way.base_url, insecure=way.insecure, environ=way.environ)
        return
    from pipeline.sandbox.embedded import Embedded

    with Embedded(faults=way.faults) as sandbox:
        key = Secret(sandbox.api_key)
        yield Connection(base_url=sandbox.base_url, api_key=key, management_key=key)


def load(
    data: Any,  # noqa: ANN401 - what it may be is in the docstring; pandas is an extra
    to: str | None = None,
    *,
    columns: Mapping[str, object] | None = None,
    sandbox: bool = False,
    base_url: str | None = None,
    **more: Any,  # noqa: ANN401 - the fields of Overrides, checked there
) -> Run:
    """Load *data* into the operation *to* and return the run, when every row has its outcome.

        run = pipeline.load(frame, to="profiles", columns={"integrationId": "customer_id"})
        run.results.filter(pl.col("status") != "delivered")

    data: a polars or pandas frame, the path of a CSV, Parquet, NDJSON or Arrow file (or several),
    or of a job file. columns: field of the API = column of the source, or a table as `[columns]`
    of a job file has it. sandbox: into an imitation of the API of its own. base_url: else
    TALON_ONE_BASE_URL; the key comes from TALON_ONE_API_KEY. more: options, name, runs_dir,
    concurrency, rate, max_share, csv, zone, max_rejected, max_refused, tolerate, first, progress (a
    bar; True), confirm (True where an operation that destroys, such as erasures, is meant).

    Works inside a running event loop too, which it blocks: `await pipeline.aload(…)` does not.
    Raises JobError and InputError before anything is done; what ends a run early is told in the
    run it returns.
    """
    more |= {"sandbox": sandbox, "base_url": base_url}
    return blocking(partial(aload, data, to, columns=columns, **more))


async def aload(
    data: Any,  # noqa: ANN401 - as `load`
    to: str | None = None,
    *,
    columns: Mapping[str, object] | None = None,
    sandbox: bool = False,
    base_url: str | None = None,
    **more: Any,  # noqa: ANN401 - as `load`
) -> Run:
    """Do what `load` does, in async code: `run = await pipeline.aload(frame, to="profiles")`."""
    progress, confirmed = bool(more.pop("progress", True)), bool(more.pop("confirm", False))
    overrides = Overrides(to=to, columns=columns or {}, **more)
    frame = as_frame(data)
    what = [STANDARD_INPUT] if frame is not None else _paths(data)
    job = job_from(what, overrides)
    if frame is not None:
        job = replace(job, sources=("frame",))
    with reached(Way(base_url=base_url, sandbox=sandbox)) as connection, _bar(progress) as tell:
        given = terms(job, connection=connection, tell=tell, frame=frame, confirmed=confirmed)
        return await verbs.run(job, given)


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Return the run in *folder*, or that the id, or "last", names: `pipeline.open_run("last")`.

    Raises RunError when there is none.
    """
    return Run(run_folder.find(os.fspath(folder), runs_dir(None, os.environ)).path)


def runs(folder: str | os.PathLike[str] | None = None) -> list[Run]:
    """Return all runs below *folder*, the newest first: `pipeline.runs()[0].summary`.

    folder: else PIPELINE_RUNS_DIR, else `runs` in the working directory.
    """
    where = runs_dir(None if folder is None else Path(folder), os.environ)
    return [Run(found.path) for found in run_folder.all_runs(where)]


def find(reference: str, where: Path | None) -> RunFolder:
    """Return the folder of the run that *reference* names, as the command line takes it."""
    return run_folder.find(reference, runs_dir(where, os.environ))


def terms(job: Job, **given: Any) -> Terms:  # noqa: ANN401 - the fields of Terms
    """Return the terms on which *job* is carried out; its runs go where the job says."""
    return Terms(runs_dir=runs_dir(job.runs_dir, os.environ), **given)


def blocking(work: Callable[[], Awaitable[T]]) -> T:
    """Run *work* to its end in a loop of its own: in this thread, or beside a running loop."""

    async def run() -> T:
        return await work()

    try:
        anyio.get_current_task()
    except Exception:  # noqa: BLE001 - whatever says that no loop is running here
        return anyio.run(run)
    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(run)


def as_frame(data: Any) -> pl.DataFrame | None:  # noqa: ANN401 - see `load`
    """Return *data* as a polars frame if it is one, of polars' or pandas' kind; else None."""
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, pl.DataFrame):
        return data
    if type(data).__module__.partition(".")[0] == "pandas":
        frame: pl.DataFrame = pl.from_pandas(data)
        return frame
    return None


def _paths(data: Any) -> list[str]:  # noqa: ANN401 - see `load`
    if isinstance(data, str | os.PathLike):
        return [os.fspath(data)]
    if isinstance(data, Sequence):
        return [os.fspath(one) for one in data]
    raise InputError(
        f"a {type(data).__name__} cannot be loaded",
        hint="give a polars or pandas frame, a path, or a list of paths",
    )


@contextlib.contextmanager
def _bar(wanted: bool) -> Iterator[Listener]:  # noqa: FBT001 - whether there is a bar, not how
    if not wanted:
        yield lambda _: None
        return
    from pipeline.progress import Bar

    with Bar() as bar:
        yield bar
