"""The bytes of a text file as valid UTF-8: decompressed, decoded, without a byte order mark.

What cannot be decoded becomes MARK, so that whoever cuts the text into rows can name the row and
the column; a NUL becomes NUL until it was cut.  Knows bytes and lines; never rows.
"""

import codecs
import io
import itertools
import re
import struct
from types import TracebackType
from typing import Self

import pyarrow as pa

from pipeline.config.csv import CsvOptions
from pipeline.errors import InputError
from pipeline.octets import octets
from pipeline.stages.source.stored import Stored, reading

MARK = "\U0010ffff"
"""Stands where a byte could not be decoded. A noncharacter, "never to be interchanged" (Unicode
23.7): a file that really has it is treated as if those four bytes were damaged."""
NUL = "\U0010fffe"
"""Stands where a NUL was; another noncharacter."""
LINE_END = re.compile(rb"\r\n|\r|\n")
READ_BYTES = 1 << 20

_MARK_BYTES = MARK.encode()
_NOT_CONTROL, _DELETE = (ord("\t"), ord("\n"), ord("\r")), 127
_CHARACTER_BYTES_MAX, _LEAD_BYTE_MIN = 4, 0xC0
_DAMAGED = "pipeline.damaged"
_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"))


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
        raise error
    return MARK, error.end


codecs.register_error(_DAMAGED, _mark)


def decompressed(stored: Stored, compression: str) -> tuple[pa.NativeFile, pa.NativeFile]:
    """Return the file's own stream and the stream of its content (the same if not compressed).

    compression: `infer` looks at the first bytes, not at the name. Raises InputError.
    """
    file = stored.open()
    with reading(stored.name):
        if compression == "infer":
            start = file.read(4)
            file.seek(0)
            compression = next((name for magic, name in _MAGIC if start.startswith(magic)), "none")
        if compression == "none":
            return file, file
        try:
            return file, pa.CompressedInputStream(file, compression)
        except ValueError as error:
            raise InputError(
                f"{compression!r} is not a compression that can be read",
                hint="use infer, none, gzip, zstd or bz2",
            ) from error


def count_lines(text: bytes) -> int:
    r"""Count the line ends (\n, \r\n or \r) in *text*."""
    found = text.count(b"\n")
    if b"\r" in text:  # a byte is found much sooner than counted
        found += text.count(b"\r") - text.count(b"\r\n")
    return found


class Text(io.RawIOBase):
    r"""A stream of valid UTF-8 that holds no NUL and never ends a `read` between \r and \n.

    pyarrow 26 drops the \n of a quoted \r\n that a block boundary cuts in two; and it overlooks a
    quote or a delimiter that follows a NUL, once in a while (test_csv_properties has found both).
    """

    def __init__(self, stored: Stored, options: CsvOptions, *, end: bytes = b"") -> None:
        """Open *stored*; *end* is read after its last line, as a line of its own."""
        super().__init__()
        try:
            decoder = codecs.getincrementaldecoder(options.encoding)(_DAMAGED)
        except LookupError as error:
            raise InputError(
                f"{options.encoding!r} is not an encoding",
                hint="use a name that Python knows: utf-8, latin-1, cp1252, utf-16 …",
            ) from error
        self.damaged = False
        """Whether MARK was read."""
        self.has_nul = False
        """Whether NUL was read."""
        self.has_control = False
        """Whether a control character was read, other than tab and line ends."""
        self.has_quote = False
        """Whether a quote was read: without one, no cell holds a line end."""
        self.ended = False
        """Whether everything was read, but for what `read` still holds."""
        self._file, self._content = decompressed(stored, options.compression)
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=False)
        self._is_utf8 = codecs.lookup(options.encoding).name == "utf-8"
        self._quote = options.quote.encode()
        self._size = stored.size
        self._end = end
        self._held = b""
        self._ready = b""
        self._last = b""
        self._started = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        super().__exit__(kind, error, trace)

    def __enter__(self) -> Self:
        return self

    def readable(self) -> bool:
        """Return True: it is there to be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return *size* bytes or an eighth less; nothing only at the end.

        What a file gives at once is passed on as it is: put together it would be copied.
        """
        while not self.ended and len(self._ready) < size - size // 8:
            self._ready += self._decoded(self._content.read(size - len(self._ready)))
        text = self._ready[:size]
        if text.endswith(b"\r") and 1 < len(text) < len(self._ready):
            text = text[:-1]
        self._ready = self._ready[len(text) :]
        return text

    def skip_lines(self, count: int) -> None:
        """Leave the next *count* lines unread, or all that there are."""
        if self._is_utf8 and not self._started and not self._ready:
            count = self._skip_undecoded(count)
        while count and (text := self.read(READ_BYTES)):
            found = count_lines(text)
            if found >= count:
                self.put_back(_behind_lines(text, count))
                return
            count -= found

    def _skip_undecoded(self, count: int) -> int:
        """Leave the first *count* lines of UTF-8 unread; return how many were missing.

        Whatever is damaged, line ends are the same bytes: five times as quick as decoding them.
        """
        while count and (content := self._content.read(READ_BYTES)):
            while content.endswith(b"\r") and (more := self._content.read(1)):
                content += more
            self._started = True
            found = count_lines(content)
            if found >= count:
                self._held = _behind_lines(content, count)
                return 0
            count -= found
        return count

    def put_back(self, text: bytes) -> None:
        """Let *text* be read next."""
        self._ready = text + self._ready

    def share(self) -> float:
        """Say how much of the file was read, from 0 to 1."""
        return 1.0 if self.ended else float(self._file.tell()) / max(self._size, 1)

    def _decoded(self, content: bytes) -> bytes:
        is_last = not content
        content, self._held = self._held + content, b""
        encoded = b"" if is_last else self._as_it_is(content)
        if not encoded:
            encoded = self._decoder.decode(content, final=is_last).encode(errors=_DAMAGED)
        if not self._started and encoded:
            self._started = True
            encoded = encoded.removeprefix(codecs.BOM_UTF8)
        self.damaged = self.damaged or _holds_mark(encoded)
        self.has_control = self.has_control or _holds_control(encoded)
        self.has_quote = self.has_quote or self._quote in encoded
        if b"\0" in encoded:
            self.has_nul = True
            encoded = encoded.replace(b"\0", NUL.encode())
        self._last = encoded[-1:] or self._last
        if not is_last:
            return encoded
        self.ended = True
        line_is_open = self._end and self._last not in {b"", b"\r", b"\n"}
        return encoded + (b"\n" if line_is_open else b"") + self._end

    def _as_it_is(self, content: bytes) -> bytes:
        r"""Return *content* where the decoder would give it back unchanged; else nothing.

        A part of a character at its end, and a last \r, are held back for the next one.
        """
        if not self._is_utf8 or self._decoder.getstate() != (b"", 0):
            return b""
        whole = content[: len(content) - _begun(content)].removesuffix(b"\r")
        if not whole or not _is_utf8(whole):
            return b""
        self._held = content[len(whole) :]
        return whole


def _behind_lines(text: bytes, count: int) -> bytes:
    """Return *text* without its first *count* lines; it has so many."""
    line_end = next(itertools.islice(LINE_END.finditer(text), count - 1, None))
    return text[line_end.end() :]


def _is_utf8(content: bytes) -> bool:
    """Whether *content* is valid UTF-8; ten times as quick as decoding it."""
    ends = struct.pack("=ii", 0, len(content))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(content)]
    try:
        pa.Array.from_buffers(pa.string(), 1, buffers).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _begun(content: bytes) -> int:
    """Count the bytes of a character of UTF-8 that only begins at the end of *content*."""
    for count in range(1, min(_CHARACTER_BYTES_MAX, len(content) + 1)):
        byte = content[-count]
        if byte >= _LEAD_BYTE_MIN:
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)  # noqa: PLR2004 - as UTF-8 has it
            return count if length > count else 0
        if byte < 0x80:  # noqa: PLR2004 - ASCII
            return 0
    return 0


def _holds_control(content: bytes) -> bool:
    code = octets(content)
    allowed = sum((code == character).sum() for character in _NOT_CONTROL)
    return (code < ord(" ")).sum() > allowed or (code == _DELETE).any()


def _holds_mark(content: bytes) -> bool:
    return _MARK_BYTES[:1] in content and _MARK_BYTES in content  # one byte is found sooner
