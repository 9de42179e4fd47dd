"""Notices of the kernel (inotify) that a file was put into a directory: who waits for a site's next state need not look again and again."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

MOVED_TO = 0x80  # our files are written beside their place and moved there, whole
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Notices:
    """Calls `heard(name)` for each file that is moved into a directory that is watched. `descriptor` is readable when `take` has something to do."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self.descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def watch(self, directory: Path) -> bool:
        """Watch a directory, which need not be new to us; False when it cannot be watched, for it is not there or the kernel has no more watches."""
        return bool(_libc.inotify_add_watch(self.descriptor, os.fsencode(directory), MOVED_TO) >= 0)

    def take(self) -> None:
        """Tell of what has come."""
        try:
            found = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return
        for name in names_in(found):
            self._heard(name)

    def close(self) -> None:
        os.close(self.descriptor)


def names_in(events: bytes) -> Iterator[str]:
    """Yield the file names in what the kernel wrote; an event about the directory itself has none."""
    at = 0
    while at < len(events):
        _, _, _, length = _HEAD.unpack_from(events, at)
        at += _HEAD.size
        name = events[at : at + length].rstrip(b"\0")
        at += length
        if name:
            yield os.fsdecode(name)
