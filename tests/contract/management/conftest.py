"""The embedded management cluster as a person starts it: real processes, and the real `pulumi up` of stacks/management."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commonweal_cli.management.stack import apply
from commonweal_cli.site.stack import Outcome
from commonweal_local import management, sites
from commonweal_local.management import host
from commonweal_local.management.layout import Plane
from commonweal_local.progress import Silent
from support.kube_api import KubeApi


class Client(KubeApi):
    """The management cluster's API server, for whom this certificate names."""

    def __init__(self, plane: Plane, who: str) -> None:
        super().__init__(plane.server, "", plane.pki / "ca.crt")
        self._tls.load_cert_chain(plane.pki / f"{who}.crt", plane.pki / f"{who}.key")

    def may(self, verb: str, resource: str, group: str = "", namespace: str = "") -> bool:
        """Whether the API server lets this user do it."""
        asked = {"verb": verb, "group": group, "resource": resource, **({"namespace": namespace} if namespace else {})}
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"resourceAttributes": asked}}
        answer = self.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(answer["status"]["allowed"])


@dataclass
class Home:
    """A home of its own with a management cluster in it."""

    path: Path
    first: Outcome
    said: Sequence[str]

    @property
    def plane(self) -> Plane:
        found = host.found(self.path)
        assert found
        return found

    def client(self, who: str = "admin") -> Client:
        return Client(self.plane, who)

    def pids(self) -> dict[str, Any]:
        """The pid of the first process and of each program."""
        from commonweal_local.sites.state import recorded

        parts = recorded(self.plane)["components"]
        return {"first": host.first_process(self.plane), **{name: part["pid"] for name, part in parts.items()}}


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The management cluster with its stack; afterwards nothing of it runs, nor of a site that it started."""
    path = tmp_path_factory.mktemp("management")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMMONWEAL_HOME", str(path))
        try:
            management.up(Silent())
            said: list[str] = []
            yield Home(path, apply(said.append), said)
        finally:
            left = [*management.down(), *sites.down()]
        assert left == []
