"""Files in an object store are read like files on a disk, against an S3 that speaks just enough."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.config.csv import CsvOptions
from pipeline.errors import InputError
from pipeline.stages.source.locate import open_source


def parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"id": ["3", "4"], "tier": ["gold", "gold"]}), sink)
    return sink.getvalue().to_pybytes()


OBJECTS = {
    "exports/a.csv": b"id,tier\n1,gold\n",
    "exports/b.csv": b"id,tier\n2,silver\n",
    "exports/old/a.csv": b"id,tier\n9,bronze\n",
    "exports/c.parquet": parquet_bytes(),
}


class Bucket(BaseHTTPRequestHandler):
    """The bucket `bucket`, read-only, by path-style addresses."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        parts = urlsplit(self.path)
        key = unquote(parts.path).removeprefix("/bucket").removeprefix("/")
        if not key:
            return self.send(200, self.listing(parse_qs(parts.query)))
        if key not in OBJECTS:
            return self.send(404, b"")
        content = OBJECTS[key]
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            return self.send(206, content[int(wanted[1]) : int(wanted[2]) + 1])
        return self.send(200, content)

    def listing(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        found = [
            f"<Contents><Key>{key}</Key><Size>{len(content)}</Size></Contents>"
            for key, content in OBJECTS.items()
            if key.startswith(prefix)
        ]
        truncated = "<IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult>{truncated}{''.join(found)}</ListBucketResult>".encode()

    def send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("x-amz-bucket-region", "us-east-1")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its model
        pass


@pytest.fixture
def _store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made up")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made up")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
        server.shutdown()
        thread.join()


def read(*addresses: str) -> pl.DataFrame:
    return pl.concat([block.frame for block in open_source(addresses, CsvOptions()).blocks()])


@pytest.mark.usefixtures("_store")
def test_addresses_and_patterns_are_read_as_one_source() -> None:
    addresses = ("s3://bucket/exports/*.csv", "s3://bucket/exports/c.parquet")
    source = open_source(addresses, CsvOptions())
    assert source.files == (
        "s3://bucket/exports/a.csv",
        "s3://bucket/exports/b.csv",
        "s3://bucket/exports/c.parquet",
    )
    assert read(*addresses)["id"].to_list() == ["1", "2", "3", "4"]
    assert read("s3://bucket/exports/**a.csv")["id"].to_list() == ["1", "9"]
    assert len(source.fingerprint()) == 32


@pytest.mark.usefixtures("_store")
def test_what_is_not_there_is_said() -> None:
    for address in ("s3://bucket/exports/z.csv", "s3://bucket/exports/z*.csv"):
        with pytest.raises(InputError, match="there is no file s3://bucket/exports/z"):
            open_source([address], CsvOptions())
    with pytest.raises(InputError, match="cannot be read: Missing bucket name"):
        open_source(["s3:///a.csv"], CsvOptions())
