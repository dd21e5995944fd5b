"""The loader as a process of its own: begins a run, or goes on with it, and may die on the way.

    python -m tests.faults.loader < PLAN

PLAN is JSON, with the API key in it. Ends with 0 when the run went to its end. Parts and batches
are small, so that few rows make many durable steps, and waits are a twentieth, so that retries
cost little; everything else is the product as it is.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from pipeline import preparation, run_folder, scribe, supply, verbs
from pipeline.clock import SystemClock
from pipeline.config.secrets import Connection, Secret
from pipeline.config.toml import Overrides, job_from
from pipeline.stages import batching, staging
from pipeline.stages.batching import Batcher
from pipeline.stages.source import csv
from pipeline.verbs import Terms
from tests.faults.mutants import MUTANTS
from tests.faults.points import Fuse, arm

CONCURRENCY = 4
HASTE = 20
"""How many times shorter each wait is."""
BATCH_ROWS, PART_ROWS, RESULTS_ROWS, REJECTED_ROWS, AHEAD_ROWS = 25, 75, 100, 4, 200
BLOCK_ROWS, BLOCK_BYTES = 50, 2048
WENT_TO_ITS_END = (0, 1)
"""Exit codes of runs that delivered what can be delivered; 1 is Python's too, when it raises."""


class HastyClock(SystemClock):
    """A clock whose intervals pass quickly. Times of day are the real ones: keys have an age."""

    def monotonic(self) -> float:
        return super().monotonic() * HASTE

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / HASTE)


def shrink() -> None:
    """Make every part small; fail where the product has no such size any more."""
    sizes: list[tuple[Any, str, int]] = [
        (vars(preparation), "BLOCK_ROWS", BLOCK_ROWS),
        (csv.open_csv.__kwdefaults__, "block_bytes", BLOCK_BYTES),
        (Batcher.__init__.__kwdefaults__, "rows_max", BATCH_ROWS),
        (vars(batching), "SOME_ROWS", BATCH_ROWS),
        (vars(staging), "FIRST_PART_ROWS", PART_ROWS),
        (vars(staging), "PART_ROWS", PART_ROWS),
        (vars(staging), "REJECTED_ROWS_MAX", REJECTED_ROWS),
        (vars(staging), "PARTS_BETWEEN_REJECTED", 2),
        (vars(supply), "BATCHES_READ", 4),
        (vars(supply), "AHEAD_ROWS", AHEAD_ROWS),
        (vars(scribe), "RESULTS_ROWS", RESULTS_ROWS),
        (scribe.Scribe.write_results.__kwdefaults__, "least", RESULTS_ROWS),
    ]
    for place, name, size in sizes:
        place[name] = size if name in place else place[f"no {name} any more"]


async def carry(plan: dict[str, Any]) -> int:
    """Go on with the run that is there, or begin it; return 0 when it went to its end."""
    connection = Connection(
        base_url=plan["base_url"], api_key=Secret(plan["api_key"]), management_key=None
    )
    runs_dir = Path(plan["runs_dir"])
    terms = Terms(runs_dir=runs_dir, connection=connection, clock=HastyClock(), confirmed=True)
    begun = run_folder.all_runs(runs_dir)
    if begun:
        run = await verbs.resume(begun[0], terms)
    else:
        said = {name: plan[name] for name in ("to", "columns", "options")}
        overrides = Overrides(concurrency=CONCURRENCY, **said)
        run = await verbs.run(job_from([plan["source"]], overrides), terms)
    if run.ended.exit_code in WENT_TO_ITS_END:
        return 0
    sys.stderr.write(f"{run.ended.message}\n")
    return run.ended.exit_code


def main() -> int:
    plan = json.loads(sys.stdin.read())
    shrink()
    arm(Fuse(plan["point"], plan["passage"]))  # before the mutant: a point lies between its steps
    if plan["mutant"]:
        MUTANTS[plan["mutant"]]()
    return anyio.run(partial(carry, plan))


if __name__ == "__main__":
    sys.exit(main())
