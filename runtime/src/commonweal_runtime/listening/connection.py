"""One connection: uvicorn's protocol over HTTP/1.1, with a deadline for whatever it waits for and a bound on its head."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from commonweal_runtime.exceptions import HeadTooLongError
from commonweal_runtime.listening.limits import Limits
from commonweal_runtime.listening.shares import Phase

MOST_UNSENT = 64 * 1024
PER_HEADER = 32  # what a header costs beside its bytes, as HTTP/2 counts them
PER_PIPELINED = 4096  # what a request costs that waits for the answer to the one before
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
)


class Connection(HttpToolsProtocol):
    """A connection of one holder. Whoever keeps it waiting past its deadline is cut off by `overdue` and `cut`, which the listener asks and calls."""

    def __init__(self, limits: Limits, lost: Callable[[Connection], None], **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._limits, self._lost = limits, lost
        self._is_received, self._is_too_long, self._is_cut = True, False, False
        self._write_until: float | None = None
        self._head = self._size = 0
        self.opening: asyncio.Task[None] | None = None
        self._wait(Phase.HEAD, limits.handshake_seconds + limits.head_seconds)

    def overdue(self, now: float) -> bool:
        """Whether the client has let a deadline pass. While something is to be sent, only the one for sending counts."""
        if self._write_until is not None:
            return now > self._write_until
        return self._until is not None and now > self._until

    @property
    def unsent(self) -> int:
        """How many bytes wait to be sent."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def cut(self) -> None:
        """Close the connection at once, with what is still unsent."""
        self._is_cut = True
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._is_cut:  # while it was being opened; whether it is told of its end as well is the loop's secret
            self.connections.discard(self)
            transport.abort()
            return
        transport.set_write_buffer_limits(high=MOST_UNSENT)
        self._wait(Phase.HEAD, self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        """Take what came. A head counts from its first byte, so that one byte now and then does not keep it open."""
        if self.phase is Phase.IDLE:
            self._wait(Phase.HEAD, self._limits.head_seconds)
        was_head = self.phase is Phase.HEAD
        super().data_received(data)
        if was_head and self.phase is Phase.HEAD and not self.transport.is_closing():
            self._head += len(data)
            if self._head > self._limits.longest_head:
                self._refuse()

    def on_message_begin(self) -> None:
        """Begin a head. Those that come before the answer is out wait in memory, so all of them together have the bound of one."""
        super().on_message_begin()
        self._is_received = False
        if self._is_answering():
            self._grow(PER_PIPELINED)
        else:
            self._size = 0

    def on_url(self, url: bytes) -> None:
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow(len(name) + len(value) + PER_HEADER)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head = 0
        self._wait(Phase.BODY, self._limits.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_received = True
        if self.cycle.response_complete:
            self._wait(Phase.IDLE, self._limits.idle_seconds)
        else:
            self._wait(Phase.ANSWER, None)

    def on_response_complete(self) -> None:
        """Wait for the next request; or for the rest of this one, within the deadline that its body has."""
        if self._is_received and not self.pipeline:
            self._wait(Phase.IDLE, self._limits.idle_seconds)
        super().on_response_complete()

    def pause_writing(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        self._write_until = self.loop.time() + self._limits.write_seconds + unsent / self._limits.slowest_rate
        super().pause_writing()

    def resume_writing(self) -> None:
        self._write_until = None
        if self.phase is Phase.IDLE:
            self._wait(Phase.IDLE, self._limits.idle_seconds)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or one whose head is too long; hang up where that would look like an answer that is still due."""
        if self._is_too_long and self._is_answering():
            self.cut()
        elif self._is_too_long:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.longest_head:
            self._is_too_long = True
            raise HeadTooLongError

    def _refuse(self) -> None:
        text = f"The head of the request is too large. Send at most {self._limits.longest_head} bytes.".encode()
        self.transport.write(_TOO_LONG % (len(text), text))
        self.transport.close()

    def _wait(self, phase: Phase, seconds: float | None) -> None:
        self.phase, self.since = phase, self.loop.time()
        self._until = None if seconds is None else self.since + seconds
