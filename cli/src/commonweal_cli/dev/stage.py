"""A stack from its beginning to its end: objects, the operator over them, processes under it, and the folder that it all follows."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commonweal_api import KINDS
from commonweal_api.common import API_VERSION
from commonweal_api.directory import Listed
from commonweal_cli.agreements import sign_all
from commonweal_cli.demo.person import PEOPLE
from commonweal_cli.dev import control, people, printed, workloads
from commonweal_cli.dev.admission import admit
from commonweal_cli.dev.for_people import ForPeople
from commonweal_cli.dev.layout import MEMORY, Layout, Numbering
from commonweal_cli.dev.manifests import Manifests, read
from commonweal_cli.dev.objects import Objects
from commonweal_cli.dev.operating import Addresses, engine_over, follow
from commonweal_cli.dev.places import Body, Place
from commonweal_cli.dev.pods import Terms
from commonweal_cli.dev.processes import Nursery, Program
from commonweal_cli.dev.sources import Sources
from commonweal_cli.kubectl import lacking, summed_up
from commonweal_kube.exceptions import ApiError
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_operator.desired.platform import SYSTEM_NAMESPACE
from commonweal_operator.kinds.reading import listed
from commonweal_operator.kinds.reading import read as read_object

LOOK_SECONDS, SETTLE_SECONDS = 0.3, 0.2
FILES = "files"  # the field manager of what the folder says
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the person asked for."""

    folder: Path
    port: int
    sample: bool
    synthetic: bool
    sign: bool
    keep: bool


class Stage:
    """One stack. `inherited` is the environment that its processes begin with."""

    def __init__(self, options: Options, layout: Layout, nursery: Nursery, inherited: Mapping[str, str], say: Say) -> None:
        self.options, self.layout, self._say = options, layout, say
        self.numbers = Numbering(options.port, layout.numbers)
        self.signing = people.signing_key(layout.root / "keys" / "issuer.pem")
        self.objects = Objects(admit)
        user = workloads.server_user()
        self.for_people = ForPeople(layout, self.numbers, inherited, user, say)
        self.issuer = self.for_people.issuer
        self.sources = Sources(
            layout.run / "sources",
            self.numbers.sources,
            options.folder,
            options.sample,
            options.synthetic,
            layout.root / "keys" / "sources",
        )
        terms = Terms(layout, f"{self.issuer}/jwks", inherited, user, self._address)
        self.workloads = workloads.Workloads(self.objects, nursery, self.numbers, terms, self.token, say)
        self._inherited, self._user = inherited, user
        self._ready = asyncio.Event()
        self._named: list[Listed] | None = None

    def token(self, account: str, audience: str) -> str:
        """Return an account's token for an audience."""
        return people.account_token(self.signing, account, audience)

    async def run(self, first: Manifests, ready: Callable[[], None]) -> None:
        """Run until cancelled; `ready` is called once, when everything that the folder asks for says Ready, or a minute has gone."""
        self._own_processes(first.departments)
        addresses = Addresses(self.issuer, self.signing.jwks(), people.SITE_ISSUER, self._address)
        engine = engine_over(self.objects, addresses, self.sources.synthetic)
        if self.options.keep:
            self._restore()
        self._master()
        answers = control.Answers(self.objects, self.token, self.told)
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run(), name="operator")
            group.create_task(follow(engine, self.objects), name="follow")
            group.create_task(self.workloads.keep(), name="workloads")
            group.create_task(self._keep_named(), name="names")
            group.create_task(control.serve(answers, self.layout.run / control.SOCKET), name="control")
            await self._take(first)
            for task in (self._sign(), self._follow_folder(), self._tell_changes(), *([self._remember()] if self.options.keep else [])):
                group.create_task(task)
            await self._until_ready()
            self._ready.set()
            ready()

    def told(self) -> Mapping[str, Any]:
        """Return what other commands print of the stack."""
        return {"issuer": self.issuer, "portal": self.for_people.portal, "password": people.PASSWORD, "sources": self.numbers.sources}

    def usage(self) -> list[str]:
        """Return what the person is told once the stack is ready."""
        departments, agreements = (self.objects.of(API_VERSION, plural) for plural in ("departments", "consentpolicies"))
        signing_in = printed.SigningIn(self.issuer, self.for_people.portal, PEOPLE, people.PASSWORD)
        return list(printed.usage(self.options.folder, signing_in, departments, agreements))

    def _address(self, service: str, department: str) -> str:
        return f"http://127.0.0.1:{self.numbers.ports(department).of(service)}"

    def _own_processes(self, departments: Sequence[str]) -> None:
        """Have the people's issuer with its store, the portal and the made-up sources run."""
        root, logs = self.layout.root, self.layout.root / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        people.enrol(root / "people" / "people.json", departments, sample=self.options.sample)
        if not self._master_file.exists():
            paths.write(self._master_file, secrets.token_hex(32), mode=0o600)
        self._name_people()
        self.workloads.make_directories(self.for_people.of_the_store, self._user)
        for program in self.for_people.programs(bytes.fromhex(self._master_file.read_text(encoding="utf-8"))):
            self.workloads.also(program)
        self.workloads.make_directories([self.sources.sockets, root / "stores" / "sources"], self._user)
        env = {
            **self._inherited,
            "PGDATA": str(root / "stores" / "sources" / "pgdata"),
            "PGPORT": str(self.sources.port),
            "COMMONWEAL_SOCKET_DIR": str(self.sources.sockets),
        }
        self.workloads.also(Program("sources", "commonweal_cli.dev.source_server", env, str(logs / "sources.log"), self._user))

    @property
    def _master_file(self) -> Path:
        return self.layout.root / "keys" / "master"

    def _name_people(self) -> None:
        """Have the issuer know the people's ids at the departments that there are, and what it says of these."""
        departments = [listed(read_object(body, None)) for body in self.objects.of(API_VERSION, "departments")]
        if departments == self._named:
            return
        master = bytes.fromhex(self._master_file.read_text(encoding="utf-8"))
        people.name_to(departments, self.layout.root / "people" / "people.json", master, self.layout.root / "identity")
        self._named = departments

    async def _keep_named(self) -> None:
        seen = -1
        while True:
            seen = await self.objects.changed(seen)
            self._name_people()

    def _master(self) -> None:
        place = Place("v1", "secrets", SYSTEM_NAMESPACE, "commonweal-sectors")
        text = self._master_file.read_text(encoding="utf-8")
        metadata = {"name": place.name, "namespace": place.namespace}
        self.objects.apply_as("stage", place, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"master": text}})

    # From one run to the next ---------------------------------------------------------------------------------------

    @property
    def _memory(self) -> Path:
        return self.layout.root / MEMORY

    def _restore(self) -> None:
        if self._memory.exists():
            self.objects.load(json.loads(self._memory.read_text(encoding="utf-8")))

    async def _remember(self) -> None:
        """Keep the objects on disk as they are: the stores are worth nothing without their keys, which are among them."""
        seen = -1
        while True:
            seen = await self.objects.changed(seen)
            paths.write(self._memory, json.dumps(self.objects.dump()), mode=0o600)
            await asyncio.sleep(SETTLE_SECONDS)

    # The folder -----------------------------------------------------------------------------------------------------

    async def _take(self, found: Manifests) -> None:
        """Apply what is new in the folder, delete what is gone; say what is refused."""
        departments = {place: body for place, body in found.objects.items() if place.plural == "departments"}
        self._apply(departments)
        placed = await self.sources.placed(found.objects)
        self._apply(placed)
        for place in self.objects.applied_by(FILES).keys() - placed.keys():
            with suppress(ApiError):
                self.objects.delete(place)
            self._say(f"{place.plural} {place.name}: deleted")

    def _apply(self, objects: Mapping[Place, Body]) -> None:
        said = self.objects.applied_by(FILES)
        for place, body in objects.items():
            if said.get(place) == body:
                continue
            try:
                self._unsigned(place, body)
                self.objects.apply_as(FILES, place, body)
            except ApiError as error:
                self._say(f"refused: {error.message}")

    def _unsigned(self, place: Place, body: Body) -> None:
        """Take out what was signed here of an agreement that its file now says otherwise: terms that are signed cannot be changed, and a nonce stands for one set of them."""
        had = self.objects.get(place)
        if not self.options.sign or had is None or place.plural != "consentpolicies" or "signatures" in body["spec"]:
            return
        if had["spec"].get("signatures"):
            self.objects.patch(place, {"spec": {"signatures": None, "nonce": None}})

    async def _follow_folder(self) -> None:
        seen = self._state_of_folder()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._state_of_folder()
            if now == seen:
                continue
            seen = now
            try:
                await self._take(read(self.options.folder))
            except LocalError as error:
                self._say(f"not taken: {error}")

    def _state_of_folder(self) -> list[tuple[str, int, int]]:
        files = [p for p in sorted(self.options.folder.iterdir()) if p.suffix in (".yaml", ".yml", ".json")]
        found = [(p.name, p.stat()) for p in files if p.exists()]
        return [(name, stat.st_mtime_ns, stat.st_size) for name, stat in found]

    # Both parties ---------------------------------------------------------------------------------------------------

    async def _sign(self) -> None:
        """Sign what the folder's agreements lack, for every party."""
        if not self.options.sign:
            return
        stack, tried, seen = control.Stack(self.options.folder), set[tuple[str, str, str]](), -1
        while True:
            seen = await self.objects.changed(seen)
            lacking_ = self._unsigned_agreements()
            if not lacking_ or lacking_ <= tried:
                continue
            try:
                await asyncio.to_thread(sign_all, stack, sorted({namespace for namespace, _, _ in lacking_}))
            except LocalError as error:
                self._say(f"not signed: {error}")
            tried |= lacking_
            await asyncio.sleep(SETTLE_SECONDS)

    def _unsigned_agreements(self) -> set[tuple[str, str, str]]:
        found, said = set(), self.objects.applied_by(FILES)
        for body in self.objects.of(API_VERSION, "consentpolicies"):
            meta, status = body["metadata"], body.get("status") or {}
            mine = Place(API_VERSION, "consentpolicies", meta["namespace"], meta["name"]) in said
            current = status.get("observedGeneration") == meta["generation"]
            if mine and current and status.get("meaning") and status.get("negotiation") not in ("Finalized", "Terminated"):
                found.add((meta["namespace"], meta["name"], f"{status.get('hash')}{meta['generation']}"))
        return found

    # What the person is told ----------------------------------------------------------------------------------------

    def _objects_of_ours(self) -> list[Body]:
        return [body for kind in KINDS for body in self.objects.of(API_VERSION, kind.plural)]

    async def _until_ready(self, seconds: float = 60.0) -> None:
        deadline, said, seen = time.monotonic() + seconds, "", -1
        while time.monotonic() < deadline:
            waiting = [text for text in (lacking(body) for body in self._objects_of_ours()) if text]
            if not waiting:
                return
            if (text := f"waits for {summed_up(waiting)}") != said:
                self._say(text)
                said = text
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    seen = await self.objects.changed(seen)

    async def _tell_changes(self) -> None:
        told: dict[str, tuple[str, str]] = {}
        seen = -1
        while True:
            seen = await self.objects.changed(seen)
            for body in self._objects_of_ours():
                meta = body["metadata"]
                ready = next((c for c in (body.get("status") or {}).get("conditions", ()) if c["type"] == "Ready"), None)
                name = f"{body['kind']} {meta.get('namespace', '')}/{meta['name']}".replace(" /", " ")
                now = (ready["status"], ready["reason"]) if ready else ("Unknown", "")
                if self._ready.is_set() and told.get(name, now) != now:
                    self._say(f"{datetime.now(UTC):%H:%M:%S} {name}: Ready {now[0]}, {now[1]}: {ready.get('message', '') if ready else ''}")
                told[name] = now
