"""The connection: where the API is and the keys to it, from the environment and nowhere else.

A key is wrapped into a `Secret` as soon as it is read, and no message shows one, nor a file name
or an address that could be one typed into the wrong place.  Nothing heavy is imported here.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from pipeline.errors import JobError

BASE_URL = "TALON_ONE_BASE_URL"
API_KEY = "TALON_ONE_API_KEY"
MANAGEMENT_KEY = "TALON_ONE_MANAGEMENT_KEY"
SCHEMES = {API_KEY: "ApiKey-v1", MANAGEMENT_KEY: "ManagementKey-v1"}
"""What stands before a key in the Authorization header (API.md §2.1); people copy it along."""

KEY_FILE_BYTES_MAX = 4096
"""A key has some dozens of characters; a bigger file is another file."""
URL_EXAMPLE = "https://mycompany.europe-west1.talon.one"
HOST_LENGTH_MAX = 253
MASK = "****"

_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?", re.IGNORECASE)


class Secret:
    """A text that cannot be printed by accident: only `reveal()` gives it away.

    It shows itself as `****` wherever something is shown (repr, str, format, a value around
    it, a traceback with its variables), cannot be pickled, and is no value that JSON knows.
    """

    __slots__ = ("_reveal",)

    def __init__(self, text: str) -> None:
        self._reveal: Callable[[], str] = lambda: text  # no attribute that a dumper could walk to

    def reveal(self) -> str:
        """Return the text itself; the place that calls this is the place to look at."""
        return self._reveal()

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: it would be readable in what comes out")


class Connection(Struct, frozen=True, kw_only=True):
    """Where requests go, and with which keys; `base_url` has no path and no slash at its end."""

    base_url: str
    api_key: Secret
    management_key: Secret | None = None
    insecure: bool = False


def connect(base_url: str | None, *, insecure: bool, environ: Mapping[str, str]) -> Connection:
    """Return the connection that *base_url* (else the environment) and the environment describe.

    Each of TALON_ONE_BASE_URL, TALON_ONE_API_KEY and TALON_ONE_MANAGEMENT_KEY may instead be
    given as NAME_FILE, the name of a file that holds it. The management key is optional.
    *insecure* allows http:// to other machines than this one. Raises JobError with everything
    that is wrong or missing, all at once.
    """
    problems: list[str] = []
    if base_url is None:
        where, given = BASE_URL, _read(BASE_URL, environ, problems)
    else:
        where, given = "base URL", Secret(base_url)  # userinfo may be in it: not to be shown either
    url = _url(where, given, problems, insecure=insecure)
    api_key = _key(API_KEY, environ, problems)
    management_key = _key(MANAGEMENT_KEY, environ, problems)
    missing = [name for name, got in ((BASE_URL, given), (API_KEY, api_key)) if got is None]
    problems += [f"{name} is not set" for name in missing if not _named(name, problems)]
    if problems or api_key is None:
        raise JobError(
            "no connection to the API: " + "; ".join(problems),
            hint=_hint(problems),
            problems=tuple(problems),
        )
    return Connection(
        base_url=url, api_key=api_key, management_key=management_key, insecure=insecure
    )


def _named(name: str, problems: list[str]) -> bool:
    return any(problem.startswith(name) for problem in problems)


def _hint(problems: list[str]) -> str:
    """Say what to export: every variable that a problem names, with what it should look like."""
    examples = {
        BASE_URL: URL_EXAMPLE,
        API_KEY: "...  # the Application's key for the Integration API",
        MANAGEMENT_KEY: "...  # a Management API key, or unset it",
    }
    lines = [f"export {name}={text}" for name, text in examples.items() if _named(name, problems)]
    return "\n".join(lines) or f"write it like {URL_EXAMPLE}"


def _read(name: str, environ: Mapping[str, str], problems: list[str]) -> Secret | None:
    """Return what *name* or the file that NAME_FILE names says; empty is the same as not set."""
    text, file = environ.get(name), environ.get(f"{name}_FILE")
    if text and file:
        problems.append(f"{name} and {name}_FILE are both set: unset one of them")
    elif file:
        return _read_file(name, file, problems)
    return Secret(text) if text else None


def _read_file(name: str, file: str, problems: list[str]) -> Secret | None:
    """Return the one line of *file*. The path is not shown: it may be a key in the wrong place."""
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(KEY_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a file name"
        problems.append(f"{name}_FILE names a file that cannot be read: {why}")
        return None
    text = content.decode("latin-1").removesuffix("\n").removesuffix("\r")
    if len(content) > KEY_FILE_BYTES_MAX or "\n" in text or "\r" in text:
        problems.append(f"{name}_FILE names a file of more than one line: expected the value alone")
        return None
    if not text:
        problems.append(f"{name}_FILE names an empty file")
        return None
    return Secret(text)


def _key(name: str, environ: Mapping[str, str], problems: list[str]) -> Secret | None:
    """Return the key *name* without the scheme that some copy along; a bad one is not shown."""
    given = _read(name, environ, problems)
    if given is None:
        return None
    for owner, scheme in SCHEMES.items():
        bare = _without_scheme(given, scheme)
        if bare != given and owner != name:
            problems.append(f"{name} holds a key for {owner} (it starts with {scheme})")
            return None
        given = bare
    if not re.fullmatch(r"[!-~]+", given.reveal()):
        problems.append(
            f"{name} is not a key: it has blanks, line breaks or other than ASCII in it"
        )
        return None
    return given


def _without_scheme(key: Secret, scheme: str) -> Secret:
    return Secret(re.sub(rf"^{scheme} +", "", key.reveal(), flags=re.IGNORECASE))


def _url(where: str, given: Secret | None, problems: list[str], *, insecure: bool) -> str:
    """Return the origin that *given* names, or ""; what is wrong is said, not what stood there."""
    if given is None:
        return ""
    fault = _url_fault(given.reveal(), insecure=insecure)
    if fault:
        problems.append(f"{where} {fault}; expected an address such as {URL_EXAMPLE}")
        return ""
    parts = urlsplit(given.reveal())
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(':')}"


def _url_fault(url: str, *, insecure: bool) -> str:
    """Say what keeps *url* from being the address of the API, or ""."""
    if not re.fullmatch(r"[!-~]+", url):  # urlsplit would drop line breaks silently
        return "has blanks, line breaks or other than ASCII in it"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address: its host or port cannot be read"
    faults = {
        "does not start with https://": parts.scheme not in {"http", "https"},
        "has a user name or password in it: keys come from the environment": "@" in parts.netloc,
        "has no host that a name or an IP address could be": not _is_host(parts.hostname or ""),
        "has port 0": port == 0,
        "has a path: leave it out, the operations have theirs": parts.path not in {"", "/"},
        "has a query or fragment": "?" in url or "#" in url,
        "would send the key unencrypted to another machine (http://): use https:// or --insecure": (
            parts.scheme == "http" and not insecure and not _is_loopback(parts)
        ),
    }
    return next((fault for fault, true in faults.items() if true), "")


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return len(host) <= HOST_LENGTH_MAX and bool(_HOST.fullmatch(host))
    return True


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
