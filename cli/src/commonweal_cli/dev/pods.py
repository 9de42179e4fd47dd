"""From the pods that the operator asks for to processes on loopback and the files that they find mounted. Pure.

What differs from a pod is said here alone: where a server listens, where it finds the store and the keys of tokens, and that plans come through a directory.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from commonweal_api.closings import CLOSINGS_KEY, STORE_CLOSINGS
from commonweal_api.common import department_at, namespace_of
from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT, PLAN_KEY, STORE_PLAN, STORE_REPORT
from commonweal_cli.dev.layout import Layout, Ports
from commonweal_cli.dev.processes import Program

Body = Mapping[str, Any]
Find = Callable[[str, str, str], Body | None]  # plural, namespace, name
SOCKETS = "/run/postgresql"
# What a server behind TLS and a balancer has besides; here there is neither.
_IN_FRONT = ("COMMONWEAL_TLS_DIR", "COMMONWEAL_LEAVING_SECONDS")
# The account is for the API server, which is not there; certificates are for what is reached from elsewhere.
_ELSEWHERE = ("account", "tls")
_STORE, _KEEPER = "postgres", "keeper"
# Where a model's plan finds a department's data API on a site; nothing that comes back depends on it.
_INSIDE = re.compile(r"https://([a-z-]+)\.dept-([a-z0-9-]+)-platform\.svc\.cluster\.local")
EXCHANGES = {_KEEPER: (STORE_PLAN, STORE_REPORT), "models": (MODEL_PLAN, MODEL_REPORT)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A program, the files that it is to find, and the tokens, by file: account and audience."""

    program: Program
    files: Mapping[Path, bytes]
    tokens: Mapping[Path, tuple[str, str]]
    directories: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all pods of one stack. `server_user` is whom root becomes for PostgreSQL, which refuses root; `address` gives a department's service by its name."""

    layout: Layout
    jwks: str
    inherited: Mapping[str, str]
    server_user: int | None
    address: Callable[[str, str], str]


def programs(workload: Body, ports: Ports, terms: Terms, find: Find) -> Iterator[Wanted]:
    """Yield what runs for a StatefulSet or Deployment; nothing when it asks for no replica."""
    if not workload["spec"].get("replicas", 1):
        return
    pod, meta = workload["spec"]["template"]["spec"], workload["metadata"]
    for container in pod["containers"]:
        yield _program(container, pod, meta["namespace"], ports, terms, find)


def _program(container: Body, pod: Body, namespace: str, ports: Ports, terms: Terms, find: Find) -> Wanted:
    name, layout = container["name"], terms.layout
    mounted, files, tokens = dict[str, Path](), dict[Path, bytes](), dict[Path, tuple[str, str]]()
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        if mount["name"] in _ELSEWHERE:
            continue
        place = layout.mount(namespace, pod["serviceAccountName"], name, mount["name"])
        mounted[mount["mountPath"]] = place
        for source in _sources(volumes.get(mount["name"], {})):
            files |= {place / key: value for key, value in _contents(source, namespace, find)}
            if "serviceAccountToken" in source:
                asked = source["serviceAccountToken"]
                tokens[place / asked["path"]] = f"{namespace}/{pod['serviceAccountName']}", asked["audience"]
    exchange = layout.exchange(namespace, name)
    if name in EXCHANGES:
        files |= _exchanged(exchange, namespace, EXCHANGES[name][0], terms, find)
    given = {key: value for key, value in _environment(container, mounted).items() if key not in _IN_FRONT}
    env = {**terms.inherited, **given, **_here(name, container, mounted, ports, terms, exchange)}
    user = terms.server_user if name == _STORE else None
    program = Program(
        f"{department_at(namespace)}-{name}", container["command"][-1], env, str(layout.log(department_at(namespace), name)), user
    )
    return Wanted(program, files, tokens, tuple(mounted.values()))


def _environment(container: Body, mounted: Mapping[str, Path]) -> dict[str, str]:
    """Return the container's variables; a path below a mount becomes the path of what stands for it."""
    found = {}
    for variable in container["env"]:
        value = variable.get("value")
        if value is None:
            continue
        for inside, place in mounted.items():
            if value == inside or value.startswith(f"{inside}/"):
                value = str(place) + value[len(inside) :]
        found[variable["name"]] = value
    return found


def _here(name: str, container: Body, mounted: Mapping[str, Path], ports: Ports, terms: Terms, exchange: Path) -> dict[str, str]:
    sockets = mounted.get(SOCKETS)
    return {
        "COMMONWEAL_LISTEN": "127.0.0.1",
        "COMMONWEAL_STORE": f"127.0.0.1:{ports.store}",
        "COMMONWEAL_CLIENT_JWKS": terms.jwks,
        "TMPDIR": str(mounted["/tmp"]),
        **({"COMMONWEAL_SOCKET_DIR": str(sockets), "PGPORT": str(ports.store)} if sockets else {}),
        **({"COMMONWEAL_PLAN_EXCHANGE": str(exchange)} if name in EXCHANGES else {}),
        **({"COMMONWEAL_PORT": str(ports.of(name))} if container.get("ports") and name != _STORE else {}),
    }


def _sources(volume: Body) -> list[Body]:
    projected: list[Body] = volume.get("projected", {}).get("sources", [])
    if "secret" in volume:
        return [{"secret": {"name": volume["secret"]["secretName"], "items": volume["secret"].get("items")}}]
    return projected


def _contents(source: Body, namespace: str, find: Find) -> Iterator[tuple[str, bytes]]:
    for kind, plural in (("secret", "secrets"), ("configMap", "configmaps")):
        if kind not in source:
            continue
        found = find(plural, namespace, source[kind]["name"])
        data = (found or {}).get("data") or {}
        paths = {item["key"]: item["path"] for item in source[kind].get("items") or ()} or {key: key for key in data}
        for key, path in paths.items():
            if key in data:
                yield path, b64decode(data[key]) if kind == "secret" else data[key].encode()


def _exchanged(exchange: Path, namespace: str, plan: str, terms: Terms, find: Find) -> dict[Path, bytes]:
    """Return the plan, the closings and the Secrets of the department's own namespace, as files of an exchange by directory."""
    files = {}
    for name, key in ((plan, PLAN_KEY), (STORE_CLOSINGS, CLOSINGS_KEY)):
        text = ((find("configmaps", namespace, name) or {}).get("data") or {}).get(key)
        if text is not None:
            files[exchange / key] = (
                _INSIDE.sub(lambda found: terms.address(found[1], found[2]), text).encode() if plan == MODEL_PLAN else text.encode()
            )
    own = namespace_of(department_at(namespace))
    for name in _credentials(files.get(exchange / PLAN_KEY, b"")):
        for key, value in ((find("secrets", own, name) or {}).get("data") or {}).items():
            files[exchange / "secrets" / name / key] = b64decode(value)
    return files


def _credentials(plan: bytes) -> Iterator[str]:
    """Yield the names of the Secrets that a store's plan names: no other is handed over."""
    for product in orjson.loads(plan or b"{}").get("products", ()):
        for source in product["spec"]["source"].values():
            if source and source.get("credentials"):
                yield source["credentials"]["name"]
