"""A key is never shown, and nothing that is not an address or a key gets as far as a request."""

import copy
import json
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.secrets import Connection, Secret, connect
from pipeline.errors import JobError

KEY = "0123456789abcdefSECRET"
URL = "https://demo.europe-west1.talon.one"
ENVIRON = {"TALON_ONE_BASE_URL": URL, "TALON_ONE_API_KEY": KEY}


def connected(base_url: str | None = None, *, insecure: bool = False, **environ: str) -> Connection:
    return connect(base_url, insecure=insecure, environ=ENVIRON | environ)


def refused(environ: Mapping[str, str], base_url: str | None = None) -> JobError:
    with pytest.raises(JobError) as caught:
        connect(base_url, insecure=False, environ=environ)
    return caught.value


def told(error: JobError) -> str:
    """Everything that a person may get to see of an error."""
    return "".join(
        [*traceback.format_exception(error), str(error), repr(error), error.hint, *error.problems]
    )


SHOWINGS: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "format with a width": "{0!r:>9}".format,
    "f-string": lambda secret: f"{secret}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "in a list": lambda secret: repr([secret, {"key": secret}]),
    "json": lambda secret: json.dumps({"key": secret}, default=str),
    "orjson": lambda secret: orjson.dumps({"key": secret}, default=str).decode(),
    "in a value": lambda secret: repr(Connection(base_url=URL, api_key=secret)),
    "asdict": lambda secret: repr(msgspec.structs.asdict(Connection(base_url=URL, api_key=secret))),
    "in an error": lambda secret: str(ValueError(secret)),
}
WRITINGS: dict[str, Callable[[Secret], object]] = {
    "pickle": pickle.dumps,
    "json": json.dumps,
    "orjson": orjson.dumps,
    "JSON of a value": lambda secret: msgspec.json.encode(Connection(base_url=URL, api_key=secret)),
    "pickle of a value": lambda secret: pickle.dumps(Connection(base_url=URL, api_key=secret)),
}


@pytest.mark.parametrize("show", SHOWINGS.values(), ids=SHOWINGS)
def test_a_secret_shows_itself_as_stars(show: Callable[[Secret], str]) -> None:
    shown = show(Secret(KEY))
    assert KEY not in shown
    assert "****" in shown


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
def test_a_secret_cannot_be_written(write: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        write(Secret(KEY))
    assert KEY not in str(caught.value)


def test_a_secret_is_not_among_the_variables_of_a_traceback() -> None:
    def fail(key: Secret) -> None:
        assert key
        raise ValueError

    try:
        fail(Secret(KEY))
    except ValueError as error:
        story = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert "key = ****" in "".join(story.format())
        assert KEY not in "".join(story.format())


def test_a_secret_is_revealed_only_on_demand() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    assert secret == copy.deepcopy(secret) == copy.copy(secret) == Secret(KEY) != Secret("other")
    assert hash(secret) == hash(Secret(KEY))
    assert not any(KEY in repr(getattr(secret, name)) for name in Secret.__slots__)


def test_the_connection_comes_from_the_environment() -> None:
    connection = connected(TALON_ONE_MANAGEMENT_KEY="m4n4g3")
    assert connection == Connection(
        base_url=URL, api_key=Secret(KEY), management_key=Secret("m4n4g3"), insecure=False
    )
    assert connected().management_key is None


@pytest.mark.parametrize("prefix", ["ApiKey-v1 ", "apikey-v1  "])
def test_a_key_copied_with_its_scheme_is_taken_without(prefix: str) -> None:
    assert connected(TALON_ONE_API_KEY=prefix + KEY).api_key == Secret(KEY)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_keys_and_address_can_stand_in_mounted_files(tmp_path: Path, ending: str) -> None:
    texts = {"BASE_URL": URL, "API_KEY": f"ApiKey-v1 {KEY}", "MANAGEMENT_KEY": "m4n4g3"}
    environ = {}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(f"{text}{ending}".encode())
        environ[f"TALON_ONE_{name}_FILE"] = str(tmp_path / name)
    connection = connect(None, insecure=False, environ=environ)
    assert connection == connected(TALON_ONE_MANAGEMENT_KEY="m4n4g3")


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (f"{KEY}\n", "is not a key"),
        (f"{KEY}\nX-Injected: 1", "is not a key"),
        (f"{KEY}\r", "is not a key"),
        (f"{KEY} {KEY}", "is not a key"),
        (f"{KEY}é", "is not a key"),
        (f"{KEY}\0", "is not a key"),
        ("ApiKey-v1 ", "is not a key"),
        (f"ManagementKey-v1 {KEY}", "holds a key for TALON_ONE_MANAGEMENT_KEY"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(key: str, why: str) -> None:
    error = refused(ENVIRON | {"TALON_ONE_API_KEY": key})
    assert why in str(error)
    assert KEY not in told(error)
    assert "export TALON_ONE_API_KEY=" in error.hint


def test_an_api_key_in_the_place_of_a_management_key_is_refused() -> None:
    error = refused(ENVIRON | {"TALON_ONE_MANAGEMENT_KEY": f"ApiKey-v1 {KEY}"})
    assert "TALON_ONE_MANAGEMENT_KEY holds a key for TALON_ONE_API_KEY" in str(error)
    assert KEY not in told(error)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"{KEY}\n{KEY}\n".encode(), "more than one line"),
        (f"{KEY}\n\n".encode(), "more than one line"),
        (b"x" * 5000, "more than one line"),
        (b"\n", "an empty file"),
        (b"\xef\xbb\xbf" + KEY.encode(), "is not a key"),
    ],
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "key").write_bytes(content)
    error = refused({"TALON_ONE_BASE_URL": URL, "TALON_ONE_API_KEY_FILE": str(tmp_path / "key")})
    assert why in str(error)
    assert KEY not in told(error)


def test_a_file_without_an_end_is_not_read_to_it() -> None:
    error = refused({"TALON_ONE_BASE_URL": URL, "TALON_ONE_API_KEY_FILE": "/dev/zero"})
    assert "more than one line" in str(error)


def test_a_key_in_the_place_of_its_file_is_not_shown(tmp_path: Path) -> None:
    error = refused({"TALON_ONE_BASE_URL": URL, "TALON_ONE_API_KEY_FILE": KEY})
    assert "TALON_ONE_API_KEY_FILE names a file that cannot be read: No such file" in str(error)
    assert KEY not in str(error) + error.hint + "".join(error.problems)
    folder = refused({"TALON_ONE_BASE_URL": URL, "TALON_ONE_API_KEY_FILE": str(tmp_path)})
    assert "Is a directory" in str(folder)
    nul = refused({"TALON_ONE_BASE_URL": URL, "TALON_ONE_API_KEY_FILE": "\0"})
    assert "not a file name" in str(nul)


def test_a_value_said_twice_is_refused() -> None:
    error = refused(ENVIRON | {"TALON_ONE_API_KEY_FILE": "key"})
    assert "TALON_ONE_API_KEY and TALON_ONE_API_KEY_FILE are both set" in str(error)


def test_everything_that_is_missing_is_told_at_once_with_what_to_export() -> None:
    for environ in ({}, {"TALON_ONE_API_KEY": "", "TALON_ONE_BASE_URL": ""}):
        error = refused(environ)
        assert error.problems == (
            "TALON_ONE_BASE_URL is not set",
            "TALON_ONE_API_KEY is not set",
        )
        assert "export TALON_ONE_BASE_URL=https://" in error.hint
        assert "export TALON_ONE_API_KEY=" in error.hint
        assert "MANAGEMENT" not in error.hint


@pytest.mark.parametrize(
    ("given_url", "taken"),
    [
        (URL, URL),
        (f"{URL}/", URL),
        ("HTTPS://Demo.Talon.One", "https://demo.talon.one"),
        ("https://demo.talon.one:8443", "https://demo.talon.one:8443"),
        ("https://demo.talon.one:", "https://demo.talon.one"),
        ("https://10.0.0.7", "https://10.0.0.7"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_an_address_is_taken_without_its_slash(given_url: str, taken: str) -> None:
    assert connected(given_url).base_url == taken
    assert connected(TALON_ONE_BASE_URL=given_url).base_url == taken


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("demo.talon.one", "does not start with https://"),
        ("ftp://demo.talon.one", "does not start with https://"),
        ("localhost:8080", "does not start with https://"),
        ("https:demo.talon.one", "has no host"),
        ("https://", "has no host"),
        ("https:///v2", "has no host"),
        ("https://demo..talon.one", "has no host"),
        ("https://-demo.talon.one", "has no host"),
        (f"https://{'a' * 64}.one", "has no host"),
        (f"https://{'a.' * 130}one", "has no host"),
        ("https://256.1.1.1:99999", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://demo.talon.one:0", "has port 0"),
        (f"{URL}/v2", "has a path"),
        (f"{URL}//", "has a path"),
        (f"{URL}?key={KEY}", "has a query or fragment"),
        (f"{URL}?", "has a query or fragment"),
        (f"{URL}#{KEY}", "has a query or fragment"),
        (f"https://user:{KEY}@demo.talon.one", "has a user name or password in it"),
        (f"https://{KEY}@demo.talon.one", "has a user name or password in it"),
        (f"user:{KEY}@demo.talon.one", "does not start with https://"),
        (f"https://demo.talon.one\n{KEY}", "has blanks, line breaks or other than ASCII"),
        (" https://demo.talon.one", "has blanks, line breaks or other than ASCII"),
        ("https://démo.talon.one", "has blanks, line breaks or other than ASCII"),
        ("", "has blanks"),
        ("http://demo.talon.one", "unencrypted"),
        ("http://localhost.talon.one", "unencrypted"),
        ("http://128.0.0.1", "unencrypted"),
        ("http://0.0.0.0:80", "unencrypted"),
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(bad: str, why: str) -> None:
    error = refused({"TALON_ONE_API_KEY": KEY}, bad)
    assert why in str(error)
    assert URL.split(".", 1)[1] in str(error), "an example shows what is expected"
    assert KEY not in told(error)
    if bad:
        assert why in str(refused(ENVIRON | {"TALON_ONE_BASE_URL": bad}))


def test_insecure_allows_an_unencrypted_address() -> None:
    connection = connected("http://demo.talon.one", insecure=True)
    assert (connection.base_url, connection.insecure) == ("http://demo.talon.one", True)


@given(st.text(st.characters(exclude_characters="\0"), min_size=1), st.text(min_size=1))
def test_any_text_is_a_connection_or_a_plain_refusal(url: str, key: str) -> None:
    problems: tuple[str, ...] = ()
    connection = None
    try:
        connection = connect(url, insecure=True, environ={"TALON_ONE_API_KEY": key})
    except JobError as error:
        problems = error.problems
    if connection is None:
        assert problems
    else:
        assert connection.base_url.isascii()
        assert connection.api_key.reveal().isprintable()


def test_nothing_heavy_is_loaded_for_a_connection() -> None:
    probe = (
        "import sys, pipeline.config.secrets, pipeline.config.job, pipeline.config.toml;"
        "print([m for m in ('polars', 'pyarrow', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
