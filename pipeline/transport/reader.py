"""Bytes → one whole answer; pure. httptools parses: nothing here reads HTTP by hand.

Whole is an answer by its length, by its last piece, or by the end of the bytes. It is as strict as
the parser is: two lengths, both framings, bare line feeds, folded headers are not HTTP. Never
here: a socket, a time-out, what an answer means.
"""

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one answer, unpacked. A thousand sessions' effects are a few MiB."""
HEAD_BYTES_MAX: Final = 32 * 1024
"""Of an answer's headers, with those of any 1xx before it: what nginx takes of a request's."""
INTERIM: Final = range(100, 200)
SWITCHED: Final = 101
"""The one 1xx after which nothing else comes."""
SUCCESS: Final = range(200, 300)


class NotHttp(Exception):
    """What came back is not an answer of HTTP/1, or its head is endless."""


class NoAnswer(Exception):
    """The connection was closed before an answer had begun."""


class BrokeOff(Exception):
    """The connection was closed before the answer was whole."""


class AnswerTooLarge(Exception):
    """The answer is longer than ANSWER_BYTES_MAX."""


class _Refused(Exception):
    """Stops the parser in a callback; it never leaves this file."""


class Received(Struct, frozen=True):
    """A whole answer as it came: the names of its headers in lower case, its body still packed."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Reader:
    """Reads the answers of one connection, one after the other.

    `status` is there once the headers are. `is_whole` says that the answer is; `is_clean` then,
    that it was to the letter, nothing came behind it, and the connection may go on.
    """

    status: int | None
    is_whole: bool
    _headers: dict[bytes, bytes]
    _pieces: list[bytes]
    _head_bytes: int
    _body_bytes: int
    _fed_bytes: int
    """Fed before the headers were there."""
    _is_first: bool
    _is_framed: bool
    _is_kept: bool
    _is_surplus: bool
    _is_tunnel: bool
    _is_bodiless: bool

    def __init__(self) -> None:
        self.begin(b"")
        self.renew()

    def begin(self, head: bytes) -> None:
        """Expect the answer to the request that *head* begins."""
        self.status = None
        self.is_whole = False
        self._headers = {}
        self._pieces = []
        self._head_bytes = self._body_bytes = self._fed_bytes = 0
        self._is_first = True
        self._is_framed = self._is_kept = self._is_surplus = False
        self._is_tunnel = head.startswith(b"CONNECT ")
        self._is_bodiless = self._is_tunnel or head.startswith(b"HEAD ")

    def renew(self) -> None:
        """Forget all bytes so far: those to come are a new connection's, through a tunnel."""
        self._parser = HttpResponseParser(self)

    @property
    def is_clean(self) -> bool:
        """Whether the next answer may follow on this connection."""
        return self.is_whole and self._is_kept and not self._is_surplus

    def feed(self, data: bytes) -> None:
        """Read on. Raises NotHttp and AnswerTooLarge."""
        if self._is_first and data[:1] != b"H":  # the parser takes RTSP and empty lines as well
            raise NotHttp
        self._is_first = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.is_whole:
                raise NotHttp from error
            self._is_surplus = True
        if self.status is None:
            self._fed_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX or self._fed_bytes > 2 * HEAD_BYTES_MAX:
            raise NotHttp
        if self._body_bytes > ANSWER_BYTES_MAX:
            raise AnswerTooLarge

    def end(self) -> None:
        """Take the end of the bytes: an answer without a length is whole. Raises as `broken`."""
        if self.status is None or self._is_framed:
            raise self.broken()
        self.is_whole = True

    def broken(self) -> NoAnswer | BrokeOff:
        """Return what it is called when nothing more comes."""
        return NoAnswer() if self.status is None else BrokeOff()

    def received(self) -> Received:
        """Return the answer, which is whole; once."""
        pieces, self._pieces = self._pieces, []
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return Received(self.status or 0, self._headers, body)

    # ── what the parser tells ─────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """Refuse an answer behind the answer."""
        if self.is_whole:
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; twice the same makes a list; those behind a body do not count."""
        self._head_bytes += len(name) + len(value) + len(b": \r\n")
        if self.status is None:
            name = name.lower()
            kept = self._headers.get(name)
            self._headers[name] = value if kept is None else b"%b, %b" % (kept, value)

    def on_headers_complete(self) -> None:
        """Know the status, and how the body will end."""
        status = self._parser.get_status_code()
        if status in INTERIM and status != SWITCHED:
            self._headers.clear()
            return
        coding = self._headers.get(b"transfer-encoding", b"chunked")
        if status < INTERIM.start or coding.lower() != b"chunked":
            raise _Refused  # a coding that nobody has asked for: the parser would leave it packed
        self.status = status
        self._is_framed = not self._headers.keys().isdisjoint(
            (b"transfer-encoding", b"content-length")
        )
        if self._is_bodiless:
            self.is_whole = True
            self._is_kept = self._is_tunnel and status in SUCCESS

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        if self.is_whole:
            self._is_surplus = True
        else:
            self._body_bytes += len(piece)
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Know that the answer is whole; a 1xx is none."""
        if self.status is not None and not self.is_whole:
            self.is_whole = True
            self._is_kept = self.status != SWITCHED and self._parser.should_keep_alive()
