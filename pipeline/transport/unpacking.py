"""A packed body → the body; pure. Never more of it than is allowed, whatever it unpacks to."""

import zlib
from typing import Final

GZIP: Final = b"\x1f\x8b"
WINDOWS: Final = {
    b"gzip": zlib.MAX_WBITS | 16,
    b"x-gzip": zlib.MAX_WBITS | 16,
    b"deflate": zlib.MAX_WBITS,
}
"""Of the codings that we can unpack; we ask for the first and the last."""


class CannotUnpack(Exception):
    """A body is not packed as its headers say, or not whole."""


class UnpackedTooLarge(Exception):
    """A body unpacks to more than is allowed."""


def unpacked(body: bytes, codings: bytes, bytes_max: int) -> bytes:
    """Return *body* without its *codings*, the value of Content-Encoding: the last is outermost.

    A coding that we do not know, and have not asked for, leaves the body as it is. Raises
    CannotUnpack and UnpackedTooLarge.
    """
    for coding in reversed(codings.split(b",")):
        window = WINDOWS.get(coding.strip().lower())
        if window is not None and body:
            body = _inflated(body, window, bytes_max)
    return body


def _inflated(packed: bytes, window: int, bytes_max: int) -> bytes:
    if window == zlib.MAX_WBITS and not _is_zlib(packed):
        window = -zlib.MAX_WBITS  # "deflate" without its two bytes of head, as some servers do
    pieces, room = [], bytes_max
    while True:
        inflater = zlib.decompressobj(window)
        try:
            piece = inflater.decompress(packed, room + 1)
        except zlib.error as error:
            raise CannotUnpack from error
        room -= len(piece)
        if room < 0:
            raise UnpackedTooLarge
        if not inflater.eof:
            raise CannotUnpack
        pieces.append(piece)
        packed = inflater.unused_data
        if not packed.startswith(GZIP):  # a gzip may have several parts
            return b"".join(pieces)


def _is_zlib(packed: bytes) -> bool:
    """RFC 1950: the method in the low half of the first byte, and a checksum of the two."""
    return packed[0] & 0x0F == zlib.DEFLATED and int.from_bytes(packed[:2]) % 31 == 0
