"""Keeps processes as the operator's workloads ask for them, and tells the operator how far they have come: what kubelet and controllers do on a site."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from commonweal_api.common import department_at
from commonweal_api.plan import REPORT_KEY
from commonweal_cli.dev.layout import Numbering
from commonweal_cli.dev.objects import Objects
from commonweal_cli.dev.places import Place
from commonweal_cli.dev.pods import EXCHANGES, Terms, Wanted, programs
from commonweal_cli.dev.processes import Nursery, Program
from commonweal_local import paths

LOOK_SECONDS, AGAIN_SECONDS, TOKEN_SECONDS = 0.1, 1.0, 12 * 3600.0
KINDS = ("statefulsets", "deployments")
APPS, CORE = "apps/v1", "v1"
VOLUMES = "volumes"  # sources on volumes are made up here, so nobody reads any
STILL_SECONDS = 2.0
_READY = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ENDED = 3  # starts after which a process that ends is said to
Say = Callable[[str], None]


class Workloads:
    """One stack's processes. `token` makes an account's token for an audience; `say` tells the person of what ends by itself."""

    def __init__(
        self, objects: Objects, nursery: Nursery, numbers: Numbering, terms: Terms, token: Callable[[str, str], str], say: Say
    ) -> None:
        self._objects, self._nursery, self._numbers, self._terms, self._token, self._say = objects, nursery, numbers, terms, token, say
        self._running: dict[str, Program] = {}
        self._extra: dict[str, Program] = {}
        self._not_before: dict[str, float] = {}
        self._ends: dict[str, int] = {}
        self._written: dict[Path, str] = {}
        self._seen: dict[Place, tuple[bool, float]] = {}

    def also(self, program: Program) -> None:
        """Keep a process that no workload asks for."""
        self._extra[program.name] = program

    @staticmethod
    def make_directories(directories: Iterable[Path], user: int | None) -> None:
        """Have directories be there, and belong to the user if one is named."""
        for directory in directories:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if user is not None and directory.stat().st_uid != user:
                shutil.chown(directory, user, user)

    async def keep(self) -> None:
        """Keep everything as it is to be, until cancelled."""
        seen = -1
        while True:
            self._collect()
            if seen != self._objects.version:
                seen = self._objects.version
                self._count_quotas()
            wanted = self._wanted()
            await self._start(wanted)
            await self._tell()
            self._reports()
            await asyncio.sleep(LOOK_SECONDS)

    # ----------------------------------------------------------------------------------------------------------------

    def _find(self, plural: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        return self._objects.get(Place(CORE, plural, namespace, name))

    def _workloads(self) -> list[tuple[Place, Mapping[str, Any]]]:
        found = [(kind, body) for kind in KINDS for body in self._objects.of(APPS, kind)]
        return [
            (Place(APPS, kind, b["metadata"]["namespace"], b["metadata"]["name"]), b)
            for kind, b in found
            if b["metadata"]["name"] != VOLUMES
        ]

    def _wanted(self) -> dict[str, Program]:
        result = dict(self._extra)
        for place, workload in self._workloads():
            for one in programs(workload, self._numbers.ports(department_at(place.namespace)), self._terms, self._find):
                self._furnish(one)
                result[one.program.name] = one.program
        return result

    def _furnish(self, one: Wanted) -> None:
        self.make_directories(one.directories, one.program.user)
        for file, content in one.files.items():
            self._write(file, content)
        for file, (account, audience) in one.tokens.items():
            if not file.exists() or time.time() - file.stat().st_mtime > TOKEN_SECONDS:
                self._write(file, self._token(account, audience).encode())

    def _write(self, file: Path, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        if self._written.get(file) == digest:
            return
        paths.write(file, content.decode(), mode=0o600)
        self._written[file] = digest

    async def _start(self, wanted: Mapping[str, Program]) -> None:
        for name, program in list(self._running.items()):
            if wanted.get(name) != program:
                self._nursery.stop(name)
        for name, program in wanted.items():
            if name not in self._running and time.monotonic() >= self._not_before.get(name, 0.0):
                self._running[name] = program
                self._nursery.run(program)

    def _collect(self) -> None:
        while (ended := self._nursery.heard()) is not None:
            name, status = ended
            program = self._running.pop(name, None)
            self._not_before[name] = time.monotonic() + AGAIN_SECONDS
            self._ends[name] = self._ends.get(name, 0) + 1
            if program is not None and status and self._ends[name] % ENDED == 0:
                self._say(f"{name} ended with {status} for the {self._ends[name]}th time and is started again; {program.log} says why")

    # What the operator is told --------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        for place, workload in self._workloads():
            wanted = workload["spec"].get("replicas", 1)
            ready = wanted if wanted and await self._ready(place) else 0
            generation = workload["metadata"]["generation"]
            counts = {"replicas": wanted, "readyReplicas": ready, "updatedReplicas": ready, "observedGeneration": generation}
            self._objects.set_status(place, counts)

    async def _ready(self, place: Place) -> bool:
        """Return whether a component answers; one that did is asked again now and then only."""
        had, at = self._seen.get(place, (False, 0.0))
        if had and time.monotonic() - at < STILL_SECONDS:
            return True
        ports = self._numbers.ports(department_at(place.namespace))
        ready = await _answers(ports.store, b"") if place.name == "store" else await _answers(ports.of(place.name), _READY)
        self._seen[place] = ready, time.monotonic()
        return ready

    def _reports(self) -> None:
        for place, workload in self._workloads():
            for container in workload["spec"]["template"]["spec"]["containers"]:
                if container["name"] in EXCHANGES:
                    self._report(place.namespace, container["name"])

    def _report(self, namespace: str, container: str) -> None:
        place = Place(CORE, "configmaps", namespace, EXCHANGES[container][1])
        file = self._terms.layout.exchange(namespace, container) / REPORT_KEY
        had = self._objects.get(place)
        if had is None or not file.exists():
            return
        text = file.read_text(encoding="utf-8")
        if (had.get("data") or {}).get(REPORT_KEY) != text:
            self._objects.apply_as("dev", place, {"metadata": {"name": place.name}, "data": {REPORT_KEY: text}})

    def _count_quotas(self) -> None:
        for quota in self._objects.of(CORE, "resourcequotas"):
            meta = quota["metadata"]
            self._objects.set_status(Place(CORE, "resourcequotas", meta["namespace"], meta["name"]), {"hard": quota["spec"].get("hard")})


def server_user() -> int | None:
    """Return whom root becomes for PostgreSQL; None for anybody else."""
    return 65534 if os.geteuid() == 0 else None


async def _answers(port: int, request: bytes) -> bool:
    """Return whether somebody listens there, and says yes to a request if there is one."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                return not request or b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
