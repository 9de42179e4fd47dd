"""How other commands speak with a stack that runs: one request and one answer, a line of JSON each, over a socket that its user alone can open.

`Stack` asks as kubectl asks a site, so what works with a site through `kubectl.Cluster` works with a stack.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_api import KINDS
from commonweal_api.common import API_VERSION
from commonweal_cli.dev.layout import STATE
from commonweal_cli.dev.objects import Objects
from commonweal_cli.dev.places import Body, Place
from commonweal_cli.exceptions import KubectlConflictError, KubectlError
from commonweal_kube.exceptions import ApiError
from commonweal_local.exceptions import LocalError

SOCKET, SECONDS = "control", 60.0
_LONGEST = 64 << 20
_OURS = {word: kind.plural for kind in KINDS for word in (kind.plural, kind.singular, *kind.short_names)}


def collection(kind: str) -> tuple[str, str]:
    """Return API version and plural of a kind as kubectl's user writes it."""
    name = kind.lower().removesuffix(".commonweal.dev")
    if name in _OURS:
        return API_VERSION, _OURS[name]
    return "v1", name if name.endswith("s") else f"{name}s"


class Answers:
    """What a stack answers. `token` makes an account's token; what is applied through here is nobody's file."""

    def __init__(self, objects: Objects, token: Callable[[str, str], str], told: Callable[[], Mapping[str, Any]]) -> None:
        self._objects, self._token, self._told = objects, token, told

    def get(self, kind: str, name: str, namespace: str | None = None) -> Any:
        found = self._objects.get(self._place(kind, name, namespace))
        if found is None:
            raise ApiError(404, {"reason": "NotFound", "message": f'{kind} "{name}" not found'})
        return found

    def items(self, kind: str, name: str = "") -> Any:
        return [b for b in self._objects.of(*collection(kind)) if name in ("", b["metadata"]["name"])]

    def patch(self, kind: str, name: str, namespace: str, patch: Body) -> None:
        self._objects.patch(self._place(kind, name, namespace), patch)

    def apply_object(self, manifest: Body) -> None:
        meta = manifest["metadata"]
        self._objects.apply_as("control", self._place(manifest["kind"], meta["name"], meta.get("namespace")), manifest)

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        self._objects.delete(self._place(kind, name, namespace))

    def token(self, namespace: str, account: str, audience: str) -> str:
        if account != "default" and self._objects.get(Place("v1", "serviceaccounts", namespace, account)) is None:
            raise ApiError(404, {"reason": "NotFound", "message": f'serviceaccounts "{account}" not found in {namespace}'})
        return self._token(f"{namespace}/{account}", audience)

    def told(self) -> Any:
        return self._told()

    def _place(self, kind: str, name: str, namespace: str | None) -> Place:
        return Place(*collection(kind), namespace or "", name)


async def serve(answers: Answers, path: Path) -> None:
    """Answer until cancelled."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline())
            writer.write(json.dumps(_answered(answers, asked)).encode() + b"\n")
            await writer.drain()
        finally:
            writer.close()

    others = os.umask(0o177)  # whoever may speak here may have any token of the stack
    try:
        server = await asyncio.start_unix_server(one, path, limit=_LONGEST)
    finally:
        os.umask(others)
    async with server:
        await server.serve_forever()


def _answered(answers: Answers, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    if asked["call"].startswith("_"):
        return {"refused": "no such call", "status": 400}
    try:
        return {"answer": getattr(answers, asked["call"])(*asked["with"])}
    except ApiError as error:
        return {"refused": error.message, "status": error.status}


@dataclass(frozen=True)
class Stack:
    """The stack of a folder, as its client sees it."""

    folder: Path
    name: str = "dev"

    @property
    def path(self) -> Path:
        """The socket. Its own path is short; the link in the folder may not be."""
        return (self.folder / STATE / "run").resolve() / SOCKET

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return one object."""
        return dict(self.ask("get", kind, name, namespace))

    def items(self, kind: str, name: str = "") -> list[dict[str, Any]]:
        """Return a kind's objects in all namespaces, or only those of that name."""
        return list(self.ask("items", kind, name))

    def patch(self, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> None:
        """Merge the patch into the object."""
        self.ask("patch", kind, name, namespace, patch)

    def token(self, namespace: str, account: str, audience: str) -> str:
        """Return a token of a ServiceAccount for one audience."""
        return str(self.ask("token", namespace, account, audience))

    def authority(self, namespace: str) -> str:  # noqa: ARG002
        """Return nothing: plain HTTP is spoken."""
        return ""

    def apply_object(self, manifest: dict[str, Any]) -> None:
        """Apply one manifest."""
        self.ask("apply_object", manifest)

    def delete(self, kind: str, name: str, namespace: str) -> None:
        """Delete one object."""
        self.ask("delete", kind, name, namespace)

    def ask(self, call: str, *values: Any) -> Any:
        """Return the stack's answer. KubectlError in its words when it refuses, LocalError when none runs."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(SECONDS)
            try:
                line.connect(str(self.path))
            except OSError:
                raise LocalError(f"No stack runs for {self.folder}", f"Run `commonweal dev {self.folder}` first.") from None
            line.sendall(json.dumps({"call": call, "with": values}).encode() + b"\n")
            with line.makefile("rb") as answer:
                told = json.loads(answer.readline() or b"{}")
        if "refused" in told:
            error = KubectlConflictError if told["status"] == 409 else KubectlError
            raise error(f"{self.name}: {told['refused']}", "Correct it, and repeat the command.")
        return told["answer"]
