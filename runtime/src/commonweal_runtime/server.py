"""How every web application is started: one worker of Granian over HTTP/1.1, as the pod is what is multiplied.

The deadlines and limits that hold before an application sees a request stand here, for all applications alike.
"""

from __future__ import annotations

import os

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

HEADERS_SECONDS = 10
LONGEST_HEAD = 64 * 1024


def serve(factory: str, port: int) -> None:
    """Serve the application that `factory` ("module:function") makes, until SIGTERM. COMMONWEAL_LISTEN and COMMONWEAL_PORT replace all addresses and `port`."""
    Granian(
        factory,
        factory=True,
        address=os.environ.get("COMMONWEAL_LISTEN", "0.0.0.0"),  # noqa: S104 - the pod's own address; a NetworkPolicy says who reaches it
        port=int(os.environ.get("COMMONWEAL_PORT", port)),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_SECONDS * 1000, max_buffer_size=LONGEST_HEAD),
        log_access=False,
        log_level=LogLevels.warning,
    ).serve()
