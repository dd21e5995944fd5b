"""The public API is what `pipeline.__all__` says: exact, lazy, documented, typed."""

import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline

PUBLIC = {
    "InputError", "InvariantBroken", "JobError", "LimitError", "PipelineError", "Run", "RunError",
    "ServiceError", "StorageError", "__version__", "aload", "load", "open_run", "runs",
}  # fmt: skip
DOCUMENTED = sorted(PUBLIC - {"__version__"})
ENTRANCES = ["aload", "load", "open_run", "runs"]
HEAVY = [
    "polars",
    "pyarrow",
    "httptools",
    "asyncio",
    "click",
    "sqlite3",
    "pipeline.api",
]


def test_all_names_exactly_the_public_api() -> None:
    assert set(pipeline.__all__) == PUBLIC
    assert len(pipeline.__all__) == len(PUBLIC)


def test_dir_shows_the_public_api_and_no_more() -> None:
    assert set(dir(pipeline)) == PUBLIC


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_public_name_has_a_docstring_of_its_own(name: str) -> None:
    public = getattr(pipeline, name)
    assert public.__name__ == name
    assert inspect.cleandoc(public.__doc__ or "")


@pytest.mark.parametrize("name", ENTRANCES)
def test_an_entrance_shows_an_example(name: str) -> None:
    assert f"pipeline.{name}(" in (getattr(pipeline, name).__doc__ or "")


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(pipeline.__file__).parent / "py.typed").is_file()


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert pipeline.__version__ == importlib.metadata.version("talon-one-pipeline")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'unload'"):
        _ = pipeline.unload


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, pipeline; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


LOAD = """
import sys, pipeline
pipeline.load({source!r}, to="profiles", sandbox=True, runs_dir={runs!r})
print([name for name in {heavy} if name in sys.modules])
"""


def test_a_run_loads_nothing_heavy_that_it_has_no_use_for(tmp_path: Path) -> None:
    source = tmp_path / "customers.csv"
    source.write_text('integrationId,attributes.Name\na,"say ""b"""\n', encoding="utf-8")
    heavy = ["pyarrow.compute", "pandas"]
    code = LOAD.format(source=str(source), runs=str(tmp_path / "runs"), heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
