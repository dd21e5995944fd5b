"""Load customer data into Talon.One in bulk, and know afterwards what became of every row.

    import pipeline

    run = pipeline.load("customers.csv", to="profiles", sandbox=True)
    run.summary     # how many rows were delivered, refused, rejected ...
    run.results     # polars frame: one row per source row
    run.failures    # polars frame: the rows to mend, as they came, and why

Only re-exports live here.  Importing `pipeline` loads none of its rooms, and neither polars nor
asyncio: a name is fetched from its room when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.api import aload, load, open_run, runs
    from pipeline.errors import (
        InputError,
        InvariantBroken,
        JobError,
        LimitError,
        PipelineError,
        RunError,
        ServiceError,
        StorageError,
    )
    from pipeline.run import Run

    __version__: str

__all__ = [
    "InputError", "InvariantBroken", "JobError", "LimitError", "PipelineError", "Run", "RunError",
    "ServiceError", "StorageError", "__version__", "aload", "load", "open_run", "runs",
]  # fmt: skip

_ROOMS = {"Run": "run", **dict.fromkeys(("aload", "load", "open_run", "runs"), "api")}


def __getattr__(name: str) -> object:
    """Fetch a public name from the room it lives in."""
    if name == "__version__":
        return import_module("importlib.metadata").version("talon-one-pipeline")
    if name not in __all__:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(import_module(f"pipeline.{_ROOMS.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
