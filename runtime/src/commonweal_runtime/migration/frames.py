"""Frames between the two ends of a move: a header in JSON and a compressed body. Whoever passes them on need not understand them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

from commonweal_runtime.exceptions import BrokenStreamError

MOST_HEADER, MOST_BODY = 64 * 2**20, 8 * 2**20
_LENGTHS = struct.Struct(">II")


class Frame(NamedTuple):
    """`head` always has `kind`; `packed` is the body as it travels."""

    head: dict[str, Any]
    packed: bytes = b""

    @property
    def kind(self) -> str:
        """What the frame is."""
        return str(self.head["kind"])

    def body(self) -> bytes:
        """Return the body as it was before it was compressed."""
        return zlib.decompress(self.packed, bufsize=2**20) if self.packed else b""


def frame(kind: str, body: bytes = b"", **head: Any) -> Frame:
    """Return a frame; level 1, for links are faster than better compression."""
    return Frame({"kind": kind, **head}, zlib.compress(body, 1) if body else b"")


def write(stream: IO[bytes], one: Frame) -> int:
    """Write a frame and return its length in bytes."""
    head = json.dumps(one.head, separators=(",", ":")).encode()
    stream.write(_LENGTHS.pack(len(head), len(one.packed)))
    stream.write(head)
    stream.write(one.packed)
    return _LENGTHS.size + len(head) + len(one.packed)


def read(stream: IO[bytes]) -> Frame | None:
    """Return the next frame, or None at the end of the stream. Raises BrokenStreamError."""
    lengths = stream.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise BrokenStreamError("the stream ended inside a frame")
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length > MOST_HEADER or body_length > MOST_BODY:
        raise BrokenStreamError("the stream is not one of frames")
    head, body = _exactly(stream, head_length), _exactly(stream, body_length)
    try:
        found: Mapping[str, Any] = json.loads(head)
    except ValueError as error:
        raise BrokenStreamError("the stream is not one of frames") from error
    return Frame(dict(found), body)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length) if length else b""
    if len(content) < length:
        raise BrokenStreamError("the stream ended inside a frame")
    return content
