"""A real control plane on loopback for contract tests: etcd, kube-apiserver and, if wanted, kube-controller-manager.

    with ControlPlane(home, controllers=("namespace-controller",)) as plane:
        plane.install_crds()
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dept-tax"}})
        subprocess.run([..., "--kubeconfig", plane.kubeconfig("operator")])

No kubelet and no scheduler: pods stay Pending. Objects, validation, admission, access rules, watches and (when asked for) controllers are real.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support.kube_api import KubeApi, Manifest, Refused
from support.waiting import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
OPERATOR = "system:serviceaccount:commonweal-system:commonweal-operator"
AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:apiserver"]}
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
"""


class ToolsMissing(Exception):  # noqa: N818 - it says what is missing
    """A program that the test needs is nowhere to be found."""


def find_tools(*names: str) -> dict[str, Path]:
    """Return each program's path: from PATH, else KUBEBUILDER_ASSETS, else the cache that `make tools` fills.

    Raises ToolsMissing, naming all that are missing and the remedy.
    """
    cache = Path(os.environ.get("COMMONWEAL_CACHE") or Path.home() / ".cache" / "commonweal")
    places = os.pathsep.join([os.environ.get("PATH", ""), os.environ.get("KUBEBUILDER_ASSETS", ""), str(cache / "bin")])
    found = {name: shutil.which(name, path=places) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise ToolsMissing(f"not found: {', '.join(missing)}. Run `make tools` (looked in PATH, KUBEBUILDER_ASSETS and {cache / 'bin'}).")
    return {name: Path(path) for name, path in found.items() if path}


@dataclass(frozen=True, slots=True)
class User:
    """Who a token stands for. Only system:masters may do anything without a binding; see `ControlPlane.allow`."""

    name: str
    groups: tuple[str, ...] = ()


USERS: dict[str, User] = {
    "admin": User("admin", ("system:masters",)),
    "operator": User(OPERATOR, ("system:serviceaccounts", "system:serviceaccounts:commonweal-system")),
    "tenant": User("tenant", ("departments",)),
    "controllers": User("system:kube-controller-manager"),
}


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, from below the range out of which the kernel takes client ports."""
    ports: list[int] = []
    for port in random.sample(range(20000, 32000), 500):
        with socket.socket() as probe:
            if len(ports) < count and probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.append(port)
    return ports


class ControlPlane:
    """Starts in `home`, which is emptied first, and stops every process on exit. RBAC is on; audit logs every write.

    `controllers` are names for kube-controller-manager's --controllers; none means that it is not started. `fsync` is off unless a
    benchmark asks for it. `users` adds token users to admin (system:masters), operator (the operator's ServiceAccount) and tenant.
    """

    def __init__(
        self, home: Path, controllers: tuple[str, ...] = (), *, users: Mapping[str, User] | None = None, fsync: bool = False
    ) -> None:
        names = ("etcd", "kube-apiserver", *(("kube-controller-manager",) if controllers else ()))
        self.home, self._controllers, self._fsync, self._tools = home, controllers, fsync, find_tools(*names)
        self._users = USERS | dict(users or {})
        self._port, self._client, self._peer = _free_ports(3)
        self.url = f"https://127.0.0.1:{self._port}"
        self.audit_log = home / "audit.log"
        self.authority = home / "certs" / "apiserver.crt"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: dict[str, KubeApi] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        (self.home / "audit-policy.yaml").write_text(AUDIT_POLICY)
        (self.home / "tokens.csv").write_text(
            "".join(f'{self.token(key)},"{u.name}","{u.name}","{",".join(u.groups)}"\n' for key, u in self._users.items())
        )
        _write_key(self.home / "service-account.key")
        try:
            self._start("etcd", *self._etcd_flags())
            self._start("kube-apiserver", *self._apiserver_flags())
            wait_for("the API server to be ready", self._ready)
            if self._controllers:
                self._start("kube-controller-manager", *self._controller_flags())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def token(self, user: str) -> str:
        """Return the bearer token of a user."""
        return f"{user}-token" if user in self._users else _no_such_user(user, self._users)

    def kubeconfig(self, user: str = "admin") -> Path:
        """Return a kubeconfig file of that user."""
        path = self.home / f"{user}.kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "site",
            "clusters": [{"name": "site", "cluster": {"server": self.url, "certificate-authority": str(self.authority)}}],
            "users": [{"name": user, "user": {"token": self.token(user)}}],
            "contexts": [{"name": "site", "context": {"cluster": "site", "user": user}}],
        }
        path.write_text(json.dumps(content))
        return path

    def api(self, user: str = "admin") -> KubeApi:
        """Return the client that speaks as that user."""
        if user not in self._clients:
            self._clients[user] = KubeApi(self.url, self.token(user), self.authority)
        return self._clients[user]

    def apply(self, manifest: Manifest | str | Path, *, user: str = "admin") -> list[dict[str, Any]]:
        """Apply a manifest (mapping, YAML text, file or directory) server-side; `Refused` when the server says no."""
        return self.api(user).apply(manifest)

    def install_crds(self) -> None:
        """Install the definitions in `crds/` and wait until all are served."""
        definitions = self.apply(REPOSITORY / "crds")
        for name in (d["metadata"]["name"] for d in definitions):
            plural, _, group = name.partition(".")
            wait_for(f"{name} to be served", partial(self._served, f"/apis/{group}/v1alpha1", plural))

    def allow(self, user: str, cluster_role: str, namespace: str | None = None) -> None:
        """Bind a cluster role to a user, in one namespace or (None) everywhere."""
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": self._users[user].name}
        kind, where = ("RoleBinding", {"namespace": namespace}) if namespace else ("ClusterRoleBinding", {})
        metadata = {"name": f"test-{user}-{cluster_role}", **where}
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}
        self.apply({**binding, "roleRef": reference, "subjects": [subject]})

    def _served(self, path: str, plural: str) -> bool | None:
        try:
            return any(r["name"] == plural for r in self.api().request("GET", path)["resources"]) or None
        except Refused:
            return None

    def _ready(self) -> bool | None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{(self.home / f'{name}.log').read_text()[-2000:]}")
        try:
            return bool(self.api().request("GET", "/readyz"))
        except (OSError, Refused):
            return None

    def _start(self, name: str, *flags: str) -> None:
        # A test run that is killed must leave nothing behind: the kernel then ends its children.
        guard = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
        with (self.home / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen([*guard, self._tools[name], *flags], stdout=log, stderr=log, cwd=self.home)

    def _etcd_flags(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._client}", f"http://127.0.0.1:{self._peer}"
        flags = [f"--data-dir={self.home / 'etcd'}", f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        flags += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"]
        return [*flags, f"--quota-backend-bytes={4 << 30}", f"--unsafe-no-fsync={str(not self._fsync).lower()}"]

    def _apiserver_flags(self) -> list[str]:
        key = self.home / "service-account.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._client}",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self.home / 'certs'}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.home / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--audit-policy-file={self.home / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit_log}",
        ]

    def _controller_flags(self) -> list[str]:
        flags = [
            f"--kubeconfig={self.kubeconfig('controllers')}",
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials",
        ]
        return [*flags, f"--controllers={','.join(self._controllers)}", "--kube-api-qps=200", "--kube-api-burst=400"]


def _write_key(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*form))


def _no_such_user(user: str, users: Mapping[str, User]) -> str:
    raise KeyError(f"no user {user!r}; there are {', '.join(users)}; give more as users=")
