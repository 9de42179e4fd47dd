"""The reader put together: a list of files, and ranges of one. Who may ask is said by a NetworkPolicy; what can be asked for lies on a mounted volume."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any, Literal

from litestar import Litestar, Request, Response, get

from commonweal_runtime import serving
from commonweal_runtime.exceptions import ProblemError, SourceReadError
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.serving import NO_STORE, Application, Failures, Front, json_answer, live
from commonweal_runtime.store.sources.places import mounted
from commonweal_runtime.store.sources.served import BUFFER, state_tag

SEE = "docs/adr/0041-platform-namespace.md"
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")


def create() -> Application:
    """Return the application over what is mounted."""
    serving.start_log()
    return Front(application())


def application() -> Litestar:
    """Return the application."""
    failures = Failures("reader of volumes", SEE, lambda: serving.too_large(0), own={SourceReadError: _unreadable})
    return serving.assemble([live, ready, files, content], failures, largest=0)


@get("/readyz")
async def ready() -> Response[bytes]:
    """Answer that volumes are mounted: without them the pod would not have started."""
    return json_answer({"ready": True})


@get("/files")
async def files(location: str, kind: Literal["parquet", "csv", "excel"] = "parquet") -> Response[bytes]:
    """Return the files of a location that are of a kind."""
    found = await asyncio.to_thread(lambda: mounted(location, kind).files())
    return json_answer({"files": [{"name": f.name, "size": f.size, "changed": f.changed} for f in found]})


@get("/content")
async def content(request: Request[Any, Any, Any], location: str, name: str) -> Response[bytes]:
    """Return a range of one file, at most a MiB; 412 when it is not the file of the entity tag any more."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None:
        raise invalid_request(
            "The header Range is missing or not of one range.", f"Send Range: bytes=<first>-<last>, at most {BUFFER} bytes."
        )
    first, last = int(found[1]), int(found[2])
    tag, data = await asyncio.to_thread(_range, location, name, first, min(last - first + 1, BUFFER))
    if request.headers.get("if-match", tag) != tag:
        raise ProblemError(412, "LoadFailed", "Changed", "The file has changed.", "List the files again.")
    return Response(data, status_code=206, media_type="application/octet-stream", headers={**NO_STORE, "ETag": tag})


def _range(location: str, name: str, first: int, length: int) -> tuple[str, bytes]:
    with mounted(location).stream(name) as stream:
        state = os.fstat(stream.fileno())
        return state_tag(state.st_size, state.st_mtime_ns), os.pread(stream.fileno(), max(0, length), first)


def _unreadable(error: SourceReadError) -> ProblemError:
    return ProblemError(422, error.reason.value, "Unreadable", error.detail, "Correct the location in spec.source, or what lies there.")
