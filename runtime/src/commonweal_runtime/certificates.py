"""TLS of this process: the certificate that it presents, and which authority it trusts. Both lie in the directory COMMONWEAL_TLS_DIR and are read again when they change.

`tls.crt` and `tls.key` are the server's own pair, `ca.crt` the site's authority. Kubernetes puts all files of a new version in place at once, so a pair is read from one version.
What cannot be read leaves what was there before in force: no connection and no handshake is refused because of a change.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from commonweal_runtime.exceptions import CertificateMissingError

VARIABLE = "COMMONWEAL_TLS_DIR"
LOOK_SECONDS = 1.0
CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
_VERSION = "..data"  # the link that the kubelet swaps

_State = tuple[tuple[int, int, int], ...]

log = logging.getLogger(__name__)


class Presented:
    """The certificate that a server presents, as it lies in a directory. Raises CertificateMissingError when there is none that can be used at first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            self._state = _state(directory, CERTIFICATE, KEY)
            self.context = _server_context(directory)
        except (OSError, ssl.SSLError) as error:
            raise CertificateMissingError(
                f"{directory}: no certificate that can be presented ({error}). Mount the Secret of this workload there, with {CERTIFICATE} and {KEY}: the operator makes it,"
                " or cert-manager where certificates.issuerRef is set (kubectl get secrets,certificates)."
            ) from None

    def refresh(self) -> None:
        """Take what lies there now, for handshakes from now on. A pair that is broken or half-written is left, and the one before presented."""
        try:
            state = _state(self._directory, CERTIFICATE, KEY)
            if state == self._state:
                return
            self.context = _server_context(self._directory)
        except (OSError, ssl.SSLError) as error:
            if self._state:
                log.warning("%s: the new certificate cannot be used (%s); the one before is presented on", self._directory, error)
            self._state = ()
            return
        self._state = state
        log.info("%s: another certificate is presented from now on", self._directory)


class Trust:
    """Which authorities a client trusts: the site's, and with `system` those of this machine as well. Without a directory there is no site's authority."""

    def __init__(self, directory: Path | None, *, system: bool) -> None:
        self._file, self._system = directory / AUTHORITY if directory else None, system
        self._seen: _State | None = None
        self._context = client_context(system=system)

    @property
    def context(self) -> ssl.SSLContext:
        """What to check a server's certificate and name by, as the authority's certificate is now."""
        if self._file is None:
            return self._context
        try:
            seen = _state(self._file.parent, AUTHORITY)
            if seen != self._seen:
                found = client_context(system=self._system)
                found.load_verify_locations(cafile=self._file)
                self._context, self._seen = found, seen
        except (OSError, ssl.SSLError) as error:
            log.warning("%s: cannot be read (%s); the authority from before stays trusted, and without one no server is", self._file, error)
        return self._context


def presented(listen: str, environment: Mapping[str, str] = os.environ) -> Presented | None:
    """Return what a server that listens at `listen` presents; None where nobody but this machine can connect and no directory is named."""
    directory = environment.get(VARIABLE, "")
    if directory:
        return Presented(Path(directory))
    if _is_loopback(listen):
        return None
    raise CertificateMissingError(
        f"{VARIABLE} is not set, and without a certificate nothing is served beyond this machine. Set it to a directory with {CERTIFICATE} and {KEY}, or COMMONWEAL_LISTEN to 127.0.0.1."
    )


@cache
def inside() -> Trust:
    """Return which authority to trust of the site's own workloads: nobody but its authority."""
    return Trust(_directory(), system=False)


@cache
def outside() -> Trust:
    """Return which authority to trust of others, such as another site or an issuer: the site's, and those of this machine."""
    return Trust(_directory(), system=True)


def is_secured(url: str) -> bool:
    """Whether what is sent to an address is encrypted, or never leaves this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))


def _directory() -> Path | None:
    named = os.environ.get(VARIABLE, "")
    return Path(named) if named else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _state(directory: Path, *names: str) -> _State:
    return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in ((directory / name).stat() for name in names))


def _server_context(directory: Path) -> ssl.SSLContext:
    version = directory / _VERSION
    place = version.resolve(strict=True) if version.exists() else directory
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(place / CERTIFICATE, place / KEY)
    return context


def client_context(*, system: bool) -> ssl.SSLContext:
    """Return what a client checks certificates by that trusts nobody yet, or with `system` the authorities of this machine. Of our own servers it takes TLS 1.3 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if system:
        context.load_default_certs()
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
