"""The text of a CSV file, piece by piece: each ends where a line ends, and is decoded without guessing."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from commonweal_api.data_files import Encoding, LineEnd
from commonweal_runtime.exceptions import LineTooLongError

BLOCK = 1 << 20
LONGEST_LINE = 8 << 20  # bytes
BAD = "\udcff"  # stands for bytes that the encoding does not have; no text that was decoded strictly holds it
LINE_ENDS = {LineEnd.ANY: "\n", LineEnd.LF: "\n", LineEnd.CRLF: "\r\n", LineEnd.CR: "\r"}
_BYTE_ORDER = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CODECS = {Encoding.UTF_16: "utf-16-le", Encoding.UTF_16LE: "utf-16-le", Encoding.UTF_16BE: "utf-16-be", Encoding.MACINTOSH: "mac-roman"}
_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}


def _marked(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return BAD, error.end


codecs.register_error("commonweal.marked", _marked)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, and at how many bytes of the file, unpacked, they begin."""

    offset: int
    text: str


def compression_of(name: str) -> str | None:
    """Return how a file is packed, by the end of its name; None where it is not."""
    return next((how for suffix, how in _COMPRESSED.items() if name.endswith(suffix)), None)


def unpacked(stream: pa.NativeFile, name: str) -> pa.NativeFile:
    """Return the bytes of a file that its name says is packed."""
    how = compression_of(name)
    return stream if how is None else pa.CompressedInputStream(stream, how)


def blocks(stream: pa.NativeFile, encoding: Encoding, line_end: LineEnd, offset: int = 0) -> Iterator[Block]:
    """Read on from a place where a line begins. Bytes that are none of the encoding are `BAD`, one for each that cannot be read."""
    codec, begun = _CODECS.get(encoding, encoding.value), stream.read(4)
    mark = next((m for m, c in _BYTE_ORDER if begun.startswith(m) and (c == codec or (encoding is Encoding.UTF_16 and c != "utf-8"))), b"")
    codec = next((c for m, c in _BYTE_ORDER if m == mark), codec)
    read, held = len(mark), begun[len(mark) :]
    read, held = _moved(stream, read, held, offset)
    end = LINE_ENDS[line_end].encode(codec)
    while data := stream.read(BLOCK):
        held += data
        cut = _last(held, end)
        if not cut and len(held) > LONGEST_LINE:
            raise LineTooLongError
        if cut:
            yield Block(read, held[:cut].decode(codec, "commonweal.marked"))
            read, held = read + cut, held[cut:]
    if held:
        yield Block(read, held.decode(codec, "commonweal.marked"))


def _moved(stream: pa.NativeFile, read: int, held: bytes, offset: int) -> tuple[int, bytes]:
    """Return the place, and what is read beyond it, once the stream has been moved to an offset."""
    if offset <= read:
        return read, held
    if stream.seekable():
        stream.seek(offset)
        return offset, b""
    while held and read + len(held) < offset:
        read, held = read + len(held), stream.read(BLOCK)
    return offset, held[offset - read :]


def _last(held: bytes, end: bytes) -> int:
    """Return where the last line of these bytes ends; 0 where none does. A character of two bytes begins at an even place."""
    width = 2 if b"\0" in end else 1
    found = held.rfind(end)
    while found > 0 and found % width:
        found = held.rfind(end, 0, found + len(end) - 1)
    return found + len(end) if found >= 0 and found % width == 0 else 0
