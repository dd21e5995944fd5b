"""What the job names → files that exist and can be read as one source, or a sentence why not.

Paths, patterns and addresses in object stores; the format of each file; the same columns in all.
Never reads a row.
"""

import difflib
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

import polars as pl
from msgspec import Struct
from msgspec.structs import replace
from pyarrow import fs

from pipeline.config.csv import CsvOptions
from pipeline.config.job import STANDARD_INPUT
from pipeline.errors import InputError
from pipeline.stages.source.block import BEGINNING, Block, Start
from pipeline.stages.source.csv import open_csv
from pipeline.stages.source.fingerprint import fingerprint
from pipeline.stages.source.ndjson import open_ndjson
from pipeline.stages.source.parquet import open_arrow, open_parquet
from pipeline.stages.source.stored import Stored, reading
from pipeline.stages.source.text import decompressed

STORES = ("s3", "gs", "gcs", "abfs", "abfss")
"""Schemes of addresses in object stores. Credentials come from the store's usual variables."""
READABLE = "give a CSV, Parquet, Arrow or NDJSON file, or a pattern such as 'exports/*.csv'"

_WILDCARDS = frozenset("*?[")
_PARQUET, _ARROW, _NDJSON, _CSV = "Parquet", "Arrow", "NDJSON", "CSV"
_FORMATS = {
    ".parquet": _PARQUET,
    ".pq": _PARQUET,
    ".arrow": _ARROW,
    ".feather": _ARROW,
    ".ipc": _ARROW,
    ".ndjson": _NDJSON,
    ".jsonl": _NDJSON,
}
_COMPRESSIONS = frozenset({".gz", ".zst", ".bz2"})
_UTF16 = "UTF-16 text"
_LOOKS = tuple(
    (re.compile(start), what)
    for start, what in (
        (rb"PAR1[^\w\s,;|\"']", _PARQUET),
        (rb"ARROW1\0\0", _ARROW),
        (rb"\s*\{\s*\"", _NDJSON),
        (rb"\xff\xfe|\xfe\xff", _UTF16),
        (rb"%PDF-", "a PDF"),
        (rb"PK\x03\x04", "an Excel workbook or another ZIP archive"),
        (rb"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        (rb"(?i)\s*<(!doctype html|html)", "an HTML page"),
        (rb"\s*<\?xml", "XML"),
        (rb"\s*\[\s*\{", "a JSON array"),
        (rb"SQLite format 3\0", "an SQLite database"),
        (rb"Obj\x01", "Avro"),
        (rb"\x89PNG|\xff\xd8\xff", "a picture"),
        (rb"7z\xbc\xaf|Rar!", "an archive"),
    )
)
_HINTS = {
    _UTF16: 'say encoding = "utf-16" under [csv]',
    _PARQUET: "let its name end in .parquet",
    _ARROW: "let its name end in .arrow",
    _NDJSON: "let its name end in .ndjson",
}


_START_BYTES = 512


class Reader(Protocol):
    """One file of a known format."""

    @property
    def stored(self) -> Stored:
        """Where it lies."""

    @property
    def columns(self) -> Mapping[str, pl.DataType]:
        """Its columns, in its order."""

    @property
    def is_text(self) -> bool:
        """Whether its cells are text in which an empty one may mean "no value"."""

    @property
    def has_nulls(self) -> bool:
        """Whether a cell may be null."""

    def blocks(self, start: Start = BEGINNING) -> Iterator[Block]:
        """All its rows from *start* on; `share_read` is of this file, and so is `start`."""


class Source(Struct, frozen=True, kw_only=True):
    """Files that are read one after the other as one; made by `open_source`."""

    columns: Mapping[str, pl.DataType]
    readers: tuple[Reader, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Their names, in the order in which they are read."""
        return tuple(reader.stored.name for reader in self.readers)

    @property
    def is_text(self) -> bool:
        """Whether cells are text and an empty one may mean "no value": CSV, or once was."""
        return all(reader.is_text for reader in self.readers)

    @property
    def has_nulls(self) -> bool:
        """Whether a cell may be null: in all but CSV."""
        return any(reader.has_nulls for reader in self.readers)

    @property
    def origins(self) -> tuple[str, ...]:
        """The runs whose failures they are, where they are that; "" for any other file."""
        return tuple(getattr(reader, "origin", "") for reader in self.readers)

    def blocks(self, start: Start = BEGINNING) -> Iterator[Block]:
        """Read all files from *start* on, where a block began in an earlier reading.

        From the same start come the same blocks each time, and from any start the same rows, with
        the columns in the same order. Raises InputError when a file cannot be read to its end.
        """
        sizes = [reader.stored.size for reader in self.readers]
        total = max(sum(sizes), 1)
        for index, reader in enumerate(self.readers):
            if index < start.reader:
                continue
            before, size = sum(sizes[:index]), sizes[index]
            for block in reader.blocks(start if index == start.reader else BEGINNING):
                share = None if block.share_read is None else block.share_read * size
                yield replace(
                    block,
                    frame=block.frame[list(self.columns)],
                    share_read=None if share is None else (before + share) / total,
                    start=replace(block.start, reader=index),
                )

    def fingerprint(self) -> str:
        """Say whether it is the same input as another time; fingerprint.py has what it misses."""
        return fingerprint([reader.stored for reader in self.readers])


def open_source(sources: Sequence[str], csv: CsvOptions) -> Source:
    """Find and open what *sources* name: paths, patterns, addresses. Raises InputError.

    Files of a pattern come in the order of their names, sources in the order given.
    """
    found = [stored for source in sources for stored in _find(source)]
    if not found:
        raise InputError("no source was named", hint=READABLE)
    places = [stored.path for stored in found]
    for stored in found:
        if places.count(stored.path) > 1:
            raise InputError(
                f"{stored.name} is named twice as a source", hint="its rows would be sent twice"
            )
    readers = tuple(_reader(stored, csv) for stored in found)
    for other in readers[1:]:
        _check_same_columns(readers[0], other)
    return Source(columns=readers[0].columns, readers=readers)


def _find(source: str) -> list[Stored]:
    scheme, colon, _ = source.partition("://")
    if source == STANDARD_INPUT:
        raise InputError(
            "standard input cannot be read a second time", hint="spool it first, or name a file"
        )
    if colon and scheme != "file":
        return _find_objects(source, scheme)
    path = source.removeprefix("file://")
    if os.path.lexists(path) or not _WILDCARDS & set(path):
        return [_local(path)]
    matches = glob.glob(path, recursive=True)  # noqa: PTH207 - as a shell: no hidden files
    files = sorted(match for match in matches if Path(match).is_file())
    if not files:
        raise InputError(f"no file matches {source}", hint=READABLE)
    return [_local(file) for file in files]


def _local(name: str) -> Stored:
    path = Path(name)
    if path.is_dir():
        raise InputError(
            f"{name} is a directory", hint=f"name its files, or a pattern: '{path / '*.csv'}'"
        )
    if not path.exists():
        raise InputError(f"{name} does not exist", hint=_did_you_mean(path) or READABLE)
    if not path.is_file():
        raise InputError(
            f"{name} is not a regular file and cannot be read a second time",
            hint="pipe it to standard input and name the source -",
        )
    where = str(path.resolve())
    try:
        where.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(where).decode(errors="replace")
        raise InputError(f"{shown} is no name in UTF-8", hint="rename it") from error
    return Stored(
        name=name,
        path=where,
        filesystem=fs.LocalFileSystem(),
        size=path.stat().st_size,
    )


def _did_you_mean(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no directory {path.parent}"
    siblings = [sibling.name for sibling in path.parent.iterdir() if sibling.is_file()]
    close = difflib.get_close_matches(path.name, siblings, cutoff=0.75)
    return f"did you mean {', '.join(str(path.parent / name) for name in close)}?" if close else ""


def _find_objects(address: str, scheme: str) -> list[Stored]:
    if scheme not in STORES:
        raise InputError(
            f"{address}: {scheme}:// cannot be read from",
            hint="an address begins with s3://, gs:// or abfss://container@account.dfs…; "
            "anything else: download it first, or pipe it to standard input",
        )
    base = re.split(r"[*?[]", address, maxsplit=1)[0]
    with reading(address, hint="are the address, the credentials and the region right?"):
        if base == address:
            filesystem, path = fs.FileSystem.from_uri(address)
            files = [filesystem.get_file_info(path)]
        else:
            base = base.rpartition("/")[0]
            filesystem, folder = fs.FileSystem.from_uri(base)
            listing = filesystem.get_file_info(fs.FileSelector(folder, recursive=True))
            pattern = folder + address[len(base) :]
            files = sorted(
                (file for file in listing if _matches(file.path, pattern)), key=lambda f: f.path
            )
    stored = [
        Stored(
            name=f"{scheme}://{file.path}", path=file.path, filesystem=filesystem, size=file.size
        )
        for file in files
        if file.type == fs.FileType.File
    ]
    if not stored:
        raise InputError(f"there is no file {address}", hint=READABLE)
    return stored


def _matches(path: str, pattern: str) -> bool:
    """Whether *path* matches; only ** crosses folders."""
    same_depth = path.count("/") == pattern.count("/")
    return fnmatchcase(path, pattern) and (same_depth or "**" in pattern)


def _reader(stored: Stored, csv: CsvOptions) -> Reader:
    """Open *stored* as what its name says, once its first bytes agree."""
    if not stored.size:
        raise InputError(
            f"{stored.name} is empty", hint="it has not even a header: export it again"
        )
    suffixes = [suffix.lower() for suffix in Path(stored.path).suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    expected = _FORMATS.get(suffixes[-1] if suffixes else "", _CSV)
    looks = _looks_like(stored, csv.compression)
    if looks == _UTF16 and "16" in csv.encoding:
        looks = ""
    is_binary = expected in {_PARQUET, _ARROW}
    if looks != expected and (looks or is_binary):
        raise InputError(
            f"{stored.name} {'looks like ' + looks if looks else 'does not look like'}"
            f"{', not like' if looks else ''} {expected}",
            hint=_HINTS.get(looks, "export it as CSV or Parquet"),
        )
    match expected:
        case "Parquet":
            return open_parquet(stored)
        case "Arrow":
            return open_arrow(stored)
        case "NDJSON":
            return open_ndjson(stored)
        case _:
            return open_csv(stored, csv)


def _looks_like(stored: Stored, compression: str) -> str:
    file, content = decompressed(stored, compression)
    with file, reading(stored.name):
        start = content.read(_START_BYTES)
    return next((what for magic, what in _LOOKS if magic.match(start)), "")


def _check_same_columns(first: Reader, other: Reader) -> None:
    missing = [name for name in first.columns if name not in other.columns]
    added = [name for name in other.columns if name not in first.columns]
    changed = [
        f"{name!r} is {kind} instead of {first.columns[name]}"
        for name, kind in other.columns.items()
        if name in first.columns and kind != first.columns[name]
    ]
    if missing:
        changed.append(f"{', '.join(map(repr, missing))} missing")
    if added:
        changed.append(f"{', '.join(map(repr, added))} added")
    if changed:
        raise InputError(
            f"{other.stored.name} has other columns than {first.stored.name}: {'; '.join(changed)}",
            hint="load files of different columns with a job each",
        )
