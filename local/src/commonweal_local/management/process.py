"""The first process of the embedded management cluster: `python -m commonweal_local.management.process DIRECTORY`.

It starts the API server, then each controller once its kinds are served and it is allowed to read them: Cluster API's core ends when a
kind is missing, and a controller that is refused waits ever longer before it looks again.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_local.management import layout as planes
from commonweal_local.management.layout import Plane
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.rolling_update import await_recognition
from commonweal_local.sites.supervisor import Supervisor
from commonweal_local.waiting import until
from commonweal_stacks.management.upstream import fetched
from commonweal_stacks.manifests import documents

API_SECONDS = 120
LOOK_AGAIN_SECONDS = 0.5
PROVIDER_GROUP = "local.commonweal.dev"
PROVIDER_KINDS = ("localclusters", "localcontrolplanes")


@dataclass(frozen=True)
class Kind:
    """One served kind, by its plural."""

    group: str
    version: str
    plural: str


@dataclass(frozen=True)
class Controller:
    """A program that starts once all of these kinds are served and its user may list them."""

    name: str
    argv: list[str]
    kinds: tuple[Kind, ...]


def main(directory: Path) -> None:
    """Run the management cluster until SIGTERM or SIGINT. Sites that its provider started are left running."""
    one = Plane.load(directory.parent, directory.name)
    supervisor = Supervisor(one.directory, one.logs)
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_set_up, args=(one, supervisor), daemon=True).start()
    supervisor.loop()


def controllers_of(one: Plane) -> list[Controller]:
    """Cluster API's core and our provider of local sites, each with what it waits for."""
    definitions = [one for file in sorted((fetched(planes.CORE) / "crds").glob("*.yaml")) for one in documents(file.read_text())]
    core = tuple(kind for definition in definitions for kind in _kinds(definition))
    ours = tuple(Kind(PROVIDER_GROUP, "v1alpha1", plural) for plural in PROVIDER_KINDS)
    return [
        Controller(planes.CORE, planes.core_line(one), core),
        Controller(planes.PROVIDER, planes.provider_line(one), (*ours, *(kind for kind in core if kind.plural == "clusters"))),
    ]


def may_start(api: Api, controller: Controller) -> bool:
    """Whether everything is served that the controller reads, and it is allowed to."""
    return _all_served(api, controller.kinds) and all(_may_list(api, controller.name, kind) for kind in controller.kinds)


def _set_up(one: Plane, supervisor: Supervisor) -> None:
    """Bring it up in order; a failure is recorded for `up` and `status` to show, and the supervisor goes on."""
    try:
        lines = planes.server_lines(one)
        for name in ("etcd", "kube-apiserver"):
            supervisor.start(name, lines[name])
        api = Api(one)
        until("the API server", API_SECONDS, api.ready, every=0.2, meanwhile=Unreachable)
        await_recognition(one)
        supervisor.start("kube-controller-manager", lines["kube-controller-manager"])
        supervisor.mark("ready")
        waiting = controllers_of(one)
    except (*Unreachable, TimeoutError, KeyError) as error:
        supervisor.fail(str(error))
        print(f"set-up: {error}", flush=True)
        return
    _start_as_they_can(api, waiting, supervisor)


def _start_as_they_can(api: Api, waiting: list[Controller], supervisor: Supervisor) -> None:
    """Start each controller when it can work. The definitions come with `pulumi up`, at any time; this thread ends with the process."""
    never = threading.Event()
    while waiting:
        for controller in list(waiting):
            try:
                startable = may_start(api, controller)
            except Unreachable:
                continue
            if startable:
                supervisor.start(controller.name, controller.argv)
                supervisor.mark(controller.name)
                waiting.remove(controller)
        never.wait(LOOK_AGAIN_SECONDS)


def _kinds(definition: Mapping[str, Any]) -> Iterable[Kind]:
    spec = definition["spec"]
    return (Kind(spec["group"], version["name"], spec["names"]["plural"]) for version in spec["versions"] if version["storage"])


def _all_served(api: Api, kinds: Iterable[Kind]) -> bool:
    wanted: dict[str, set[str]] = {}
    for kind in kinds:
        wanted.setdefault(f"{kind.group}/{kind.version}", set()).add(kind.plural)
    try:
        return all(
            plurals <= {found["name"] for found in api.call("GET", f"/apis/{path}")["resources"]} for path, plurals in wanted.items()
        )
    except Unreachable:
        return False  # the group is not known yet


def _may_list(api: Api, user: str, kind: Kind) -> bool:
    asked = {
        "user": user,
        "groups": ["system:authenticated"],
        "resourceAttributes": {"verb": "list", "group": kind.group, "resource": kind.plural},
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    return bool(api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
