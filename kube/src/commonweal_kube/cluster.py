"""Where the API server is and how to log in: from inside a pod, or from a kubeconfig file."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commonweal_kube.exceptions import ClusterLoginError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REREAD_SECONDS = 60.0


class Token:
    """A bearer token. One that lies in a file is read again each minute, and at once after a refusal: Kubernetes replaces it hourly."""

    def __init__(self, text: str = "", path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._text, self._path, self._clock, self._read = text, path, clock, float("-inf")

    def header(self) -> str | None:
        """Return the Authorization header's value, or None when the login is by client certificate."""
        if self._path is not None and self._clock() - self._read >= REREAD_SECONDS:
            self._text, self._read = self._path.read_text().strip(), self._clock()
        return f"Bearer {self._text}" if self._text else None

    def expire(self) -> None:
        """Have the file read again at the next use."""
        self._read = float("-inf")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One API server and one login."""

    url: str
    tls: ssl.SSLContext
    token: Token

    @classmethod
    def find(cls, kubeconfig: Path | None = None) -> Cluster:
        """Return the login of the file given, of KUBECONFIG, of the pod, or of ~/.kube/config; the first that exists. Raises ClusterLoginError."""
        named = kubeconfig or (Path(os.environ["KUBECONFIG"]) if os.environ.get("KUBECONFIG") else None)
        if named is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return cls.in_pod()
        path = named or Path.home() / ".kube" / "config"
        if not path.exists():
            raise ClusterLoginError(f"{path}: no such file. Run in a pod, set KUBECONFIG, or give --kubeconfig.")
        return cls.from_kubeconfig(path)

    @classmethod
    def in_pod(cls) -> Cluster:
        """Return the login of the pod's ServiceAccount."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        host = f"[{host}]" if ":" in host else host
        return cls(f"https://{host}:{port}", ssl.create_default_context(cafile=ACCOUNT / "ca.crt"), Token(path=ACCOUNT / "token"))

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Cluster:
        """Return the login of the file's current context: token, token file or client certificate. Raises ClusterLoginError."""
        config = yaml.safe_load(path.read_text())
        context = _named(config, "contexts", config.get("current-context"), path)["context"]
        cluster = _named(config, "clusters", context["cluster"], path)["cluster"]
        user = _named(config, "users", context["user"], path)["user"]
        if "exec" in user or "auth-provider" in user:
            raise ClusterLoginError(
                f"{path}: the user logs in through a plug-in, which the operator does not run. Give it a token or a client certificate."
            )
        tls = _trust(cluster, path.parent)
        _certificate(tls, user, path.parent)
        file = user.get("tokenFile")
        return cls(cluster["server"], tls, Token(user.get("token", ""), path.parent / file if file else None))


def _named(config: dict[str, Any], section: str, name: str | None, path: Path) -> dict[str, Any]:
    for entry in config.get(section) or ():
        if entry["name"] == name:
            return dict(entry)
    raise ClusterLoginError(
        f"{path}: {section} has no entry {name!r}. Set current-context to a context whose cluster and user are in the file."
    )


def _trust(cluster: dict[str, Any], base: Path) -> ssl.SSLContext:
    data, file = cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
    tls = ssl.create_default_context(
        cafile=base / file if file and not data else None, cadata=base64.b64decode(data).decode() if data else None
    )
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


def _certificate(tls: ssl.SSLContext, user: dict[str, Any], base: Path) -> None:
    if "client-certificate" in user:
        tls.load_cert_chain(base / user["client-certificate"], base / user["client-key"])
    elif "client-certificate-data" in user:
        # The ssl module reads certificates from files only; both are gone before the context is used.
        with tempfile.NamedTemporaryFile() as certificate, tempfile.NamedTemporaryFile() as key:
            for file, name in ((certificate, "client-certificate-data"), (key, "client-key-data")):
                file.write(base64.b64decode(user[name]))
                file.flush()
            tls.load_cert_chain(certificate.name, key.name)
