"""`demo`: the sample data into a sandbox, told step by step.

Ordinary runs, as `pipeline run` makes them; nothing here that those do not do.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

import pipeline
from pipeline.cli import options, tables
from pipeline.cli.console import Console
from pipeline.cli.importing import importing
from pipeline.cli.running import end, reached, watched
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.config.secrets import Connection
    from pipeline.model import Summary
    from pipeline.run import Run

EPILOG = """\b
Examples:
  pipeline demo
  pipeline demo --all
  pipeline demo --runs-dir demo_runs --json
"""
MESSY = "messy"
ENDED = (0, 1)
"""Exit codes of a run that went to its end; another one ends the demo."""
TOLD = {
    "profiles": """
Every customer of customers.csv becomes a profile, 1000 in a request.
""",
    "referrals": """
The best customers become advocates, in two campaigns. A request names one campaign,
so its rows are gathered from all over referrals.csv.
""",
    "audiences": """
Every customer joins the audience of its tier; from a Parquet file, this time.
""",
    "messy": """
customers_messy.csv has one trouble a row. A row that cannot be sent is rejected, and
told why; its neighbours are delivered.
""",
}
"""Job of config/ = what it shows, in the order in which it is run."""
OTHERS = """
Every other operation has a job file too. All of them run on the same sandbox; those that take
something away come last, and would ask first wherever they are run by themselves.
"""


@click.command(epilog=EPILOG)
@click.option("--all", "everything", is_flag=True, help="Then every other job file of config/.")
@options.RUNS_DIR
@options.output
@click.pass_context
def demo(ctx: click.Context, *, everything: bool, runs_dir: Path | None, console: Console) -> None:
    """Load the sample data into a sandbox: the whole journey.

    Needs the folders config/ and sample_data/ of the repository, no account and no key. Exit code
    0 when everything became of every row what had to: the clean files were delivered to the last
    row, and of the messy one each row was either delivered or rejected with its reason.
    """
    from pipeline.model import Status
    from pipeline.sandbox.likeness import Likeness

    home = _home()
    others = _others(home) if everything else {}
    runs: dict[str, Run] = {}
    console.say("A sandbox starts on this machine: it imitates the API and keeps what it is sent.")
    with reached(options.Way(account=Likeness())) as connection:
        for name, told in {**TOLD, **others}.items():
            job = home / "config" / f"{name}.toml"
            console.say(f"{told}  pipeline run {_short(job)} --sandbox")
            runs[name] = _load(job, runs_dir, connection, console)
            if runs[name].ended.exit_code not in ENDED:
                end(ctx, runs[name], console)
    ended = {name: run.ended for name, run in runs.items()}
    messy = ended[MESSY].totals
    accounted = messy.of(Status.DELIVERED) + messy.of(Status.REJECTED) == messy.rows
    clean = all(summary.exit_code == 0 for name, summary in ended.items() if name != MESSY)
    code = 0 if clean and accounted else 1
    console.give({"runs": [summary.to_json() for summary in ended.values()], "exit_code": code})
    _conclude({name: runs[name] for name in TOLD}, ended, console)
    ctx.exit(code)


def _others(home: Path) -> dict[str, str]:
    """Return the other jobs of config/ and what to say before each; what destroys comes last."""
    from pipeline.config.toml import Overrides, load_job

    paths = [path for path in sorted((home / "config").glob("*.toml")) if path.stem not in TOLD]
    destroys = {path: load_job(path, Overrides()).operation.destructive for path in paths}
    names = [path.stem for path in sorted(paths, key=destroys.__getitem__)]
    return {name: OTHERS if name == names[0] else "" for name in names}


def _home() -> Path:
    """Return the folder that holds config/ and sample_data/. Raises InputError."""
    places = (Path(), Path(pipeline.__file__).parents[1])
    for place in places:
        if all((place / "config" / f"{name}.toml").is_file() for name in TOLD):
            return place
    looked = " and ".join(str(place.absolute()) for place in places)
    raise InputError(
        f"the sample data is not here: no config/profiles.toml in {looked}",
        hint="the demo needs a clone of the repository: run it there, or `make demo`",
    )


def _load(job: Path, runs_dir: Path | None, connection: Connection, console: Console) -> Run:
    with importing():
        from pipeline import api, verbs
        from pipeline.config.toml import Overrides, load_job

    loaded = load_job(job, Overrides(runs_dir=runs_dir))
    with watched(console) as given:
        # Of a sandbox of one's own nothing is lost: what destroys need not be asked about.
        terms = api.terms(loaded, connection=connection, confirmed=True, **given)
        return api.blocking(partial(verbs.run, loaded, terms))


def _conclude(runs: dict[str, Run], ended: dict[str, Summary], console: Console) -> None:
    """Show what was loaded (*ended*: of all), what was not and why, and where to look."""
    rejected = [
        {"row": row, "line": line, "reasons": reasons}
        for row, line, reasons in runs[MESSY].rejected.select("row", "line", "reasons").iter_rows()
    ]
    console.say(f"\nRows of {MESSY}.toml that cannot be sent, and why:\n")
    console.say(tables.rejected(rejected))
    console.say(f"\n{tables.comparison(ended)}\n")
    folders = [(name, str(run.folder)) for name, run in runs.items()]
    console.say(f"Every run has a folder, with one result for each row:\n{tables.facts(folders)}")
    messy, codes = runs[MESSY].folder, runs["referrals"].folder
    console.say(
        f"\nTo look further:\n"
        f"  pipeline status {messy}\n"
        f"  pipeline demo --all\n"
        f"  python -c 'import pipeline; print(pipeline.open_run(\"{codes}\").results)'\n"
        f"  python -c 'import pipeline; print(pipeline.open_run(\"{messy}\").failures)'"
    )


def _short(path: Path) -> str:
    """Return *path* as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
