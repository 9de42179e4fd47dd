"""How every HTTP part is served: one worker of Granian, as the pod is what is multiplied."""

from __future__ import annotations

import os
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops


def serve(factory: str, port: int, **more: Any) -> None:
    """Serve the application that `factory` ("module:function") makes, until SIGTERM.

    COMMONWEAL_LISTEN and COMMONWEAL_PORT go before all addresses and `port`; `more` goes to Granian as it is.
    """
    Granian(
        factory,
        factory=True,
        address=os.environ.get("COMMONWEAL_LISTEN", "0.0.0.0"),  # noqa: S104 - the pod's own address; a NetworkPolicy says who reaches it
        port=int(os.environ.get("COMMONWEAL_PORT", port)),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        log_access=False,
        **more,
    ).serve()
