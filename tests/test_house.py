"""The habits of the house, as far as a machine can see them; ruff and import-linter see the rest.

Each test runs once per file, so that a failure names the file. This file is checked as well: a
pattern for a forbidden text is written so that it does not match itself.
"""

import ast
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FILE_BYTES_MAX = 2 * 1024 * 1024
INIT_LINES_MAX = 40

TOP_LEVEL = set(
    "pyproject.toml README.md Makefile LICENSE pipeline tests sample_data config".split()
)
# A drawer is not a room: whatever lies in a file of this name belongs elsewhere.
DRAWERS = set("abstract base common helper helpers manager misc tools util utils".split())
# Seven words mean one thing each (row, block, batch, request, attempt, outcome, run); not these.
BLURRED_NOUNS = set("chunk chunks entries entry item items payload payloads record records".split())
BLURRED_VERBS = {"handle", "manage", "process"}
EMPTY_TITLES = {"abstract", "base", "helper", "manager", "mixin", "processor"}
LOOPS_OVER_ROWS = {"iter_rows", "map_elements", "rows", "to_dicts"}
UNFINISHED = re.compile("[T]ODO|[F]IXME|[X]XX")
FOREIGN = {
    "a path of one machine": rb"(?<![\w.:/-])/(?:work|tmp|root|home|Users)/",
    "a registry": rb"pypi[.]org|python[h]osted|/opt/[pw](?:ypi|heels)",
    "a key": rb"Api[K]ey-v1 [0-9A-Fa-f]{24}|BEGIN [A-Z ]*PRIVATE [K]EY",
}
# The official document shows a made-up key in an example.
PUBLISHED = "tests/data/"


def committed() -> list[Path]:
    """Files under version control; where there is no git, every visible file."""
    if (git := shutil.which("git")) and (ROOT / ".git").exists():
        listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
        return [path for path in paths if path.is_file()]
    return [path for name in sorted(TOP_LEVEL) for path in walk(name)]


def walk(name: str) -> list[Path]:
    """Files at or below *name*, without caches."""
    top = ROOT / name
    found = [top] if top.is_file() else sorted(top.rglob("*"))
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def python_files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in walk(room) if path.suffix == ".py"]


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """Run a test once per file, named by its path from the root."""
    return pytest.mark.parametrize(
        "path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]
    )


PRODUCT = python_files("pipeline")
PYTHON = PRODUCT + python_files("tests", "sample_data")
COMMITTED = committed()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without those of the docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def bound_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a module gives to something: variables, parameters, functions, classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def words(name: str) -> list[str]:
    """The words of a name in lower case: of `row_number` and of `RowNumber` alike."""
    return [word.lower() for word in re.split(r"_|(?<=[a-z0-9])(?=[A-Z])", name) if word]


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every method called, as (line, `name`); for `a.b(...)` that is `b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.lineno, node.func.attr


def imported(tree: ast.AST) -> set[str]:
    """Top-level packages that a module imports, wherever in it."""
    names = [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
    names += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def dependencies() -> set[str]:
    """What an installed package has at hand: its dependencies and its extras for users."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["pandas"]
    return {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in declared}


def nodes(tree: ast.AST, source: str) -> list[int]:
    """Lines on which the expression *source* stands."""
    shape = ast.dump(ast.parse(source, mode="eval").body)
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and ast.dump(node) == shape
    ]


@each(PYTHON)
def test_a_file_fits_on_a_few_screens(path: Path) -> None:
    lines = len(path.read_bytes().splitlines())
    assert lines <= FILE_LINES_MAX, "a file that long is two files"


@each(PYTHON)
def test_a_function_fits_on_one_screen(path: Path) -> None:
    long = {f.name: length(f) for f in functions(parsed(path)) if length(f) > FUNCTION_LINES_MAX}
    assert not long, "a function that long does two things"


@each(PYTHON)
def test_a_module_opens_with_its_law(path: Path) -> None:
    assert ast.get_docstring(parsed(path)), "say what lives here, and what it must never know"


@each(PYTHON)
def test_a_file_is_a_room_and_not_a_drawer(path: Path) -> None:
    assert path.stem not in DRAWERS, "name it by the noun that lives there"


@each(PRODUCT)
def test_folders_are_at_most_two_deep(path: Path) -> None:
    folders = path.relative_to(ROOT / "pipeline").parts[:-1]
    assert len(folders) <= 2, "if a stage outgrows its folder, it is two stages"


@each(PRODUCT)
def test_names_keep_to_the_seven_words(path: Path) -> None:
    tree = parsed(path)
    blurred = [hit for hit in bound_names(tree) if BLURRED_NOUNS & set(words(hit[1]))]
    blurred += [
        (f.lineno, f.name) for f in functions(tree) if BLURRED_VERBS & set(words(f.name)[:1])
    ]
    blurred += [
        (node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and EMPTY_TITLES & set(words(node.name))
    ]
    assert not blurred, "say row, block, batch, request, attempt, outcome or run, and what is done"


@each(PRODUCT)
def test_what_is_imported_is_declared(path: Path) -> None:
    foreign = imported(parsed(path)) - sys.stdlib_module_names - {"pipeline"}
    assert foreign <= dependencies(), "`make demo` installs only what pyproject.toml declares"


@each(PRODUCT)
def test_nothing_relies_on_assert(path: Path) -> None:
    lines = [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ast.Assert)]
    assert not lines, "assert vanishes under -O: raise InvariantBroken"


@each(PRODUCT)
def test_nothing_is_left_for_later(path: Path) -> None:
    assert not nodes(parsed(path), "NotImplementedError"), "a file comes when its content comes"


@each(PYTHON)
def test_no_comment_is_a_wish(path: Path) -> None:
    with path.open("rb") as file:
        wishes = [
            token.start[0]
            for token in tokenize.tokenize(file.readline)
            if token.type in {tokenize.COMMENT, tokenize.STRING} and UNFINISHED.search(token.string)
        ]
    assert not wishes, "do it, or write it down where work is planned"


@each([path for path in PRODUCT if "stages" in path.parts])
def test_no_stage_loops_over_rows(path: Path) -> None:
    loops = [(line, name) for line, name in calls(parsed(path)) if name in LOOPS_OVER_ROWS]
    assert not loops, "write it as an expression over the frame"


@each(python_files("tests"))
def test_tests_use_fakes_and_are_never_skipped(path: Path) -> None:
    tree = parsed(path)
    patches = [
        (line, f"monkeypatch.{name}")
        for name in ("setattr", "delattr", "setitem", "delitem")
        for line in nodes(tree, f"monkeypatch.{name}")
    ]
    skips = [
        (line, name)
        for name in ("skip", "skipif", "xfail")
        for line in [*nodes(tree, f"pytest.mark.{name}"), *nodes(tree, f"pytest.{name}")]
    ]
    assert not patches + skips


@each(COMMITTED)
def test_nothing_committed_is_foreign_here(path: Path) -> None:
    content = path.read_bytes()
    found = {
        what: content[: hit.start()].count(b"\n") + 1
        for what, pattern in FOREIGN.items()
        if (hit := re.search(pattern, content))
    }
    if str(path.relative_to(ROOT)).startswith(PUBLISHED):
        found.pop("a key", None)
    assert not found
    assert len(content) <= FILE_BYTES_MAX, "too big for a repository"


def test_the_top_level_is_fixed() -> None:
    visible = {path.relative_to(ROOT).parts[0] for path in COMMITTED}
    strays = {name for name in visible if not name.startswith(".")} - TOP_LEVEL
    assert not strays, "documents go to pipeline/README.md, tool settings to pyproject.toml"


def test_the_public_api_is_re_exports_only() -> None:
    path = ROOT / "pipeline" / "__init__.py"
    docstring = parsed(path).body[0]
    code = path.read_text().splitlines()[docstring.end_lineno :]
    code = [line for line in code if line.strip() and not line.lstrip().startswith("#")]
    assert len(code) <= INIT_LINES_MAX
