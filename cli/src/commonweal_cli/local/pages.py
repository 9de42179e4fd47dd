"""`commonweal local open portal`: a browser that reaches the pages of a local site, and believes that site's own authority and no other for it.

A site's pages and its issuer are known by names of the cluster, which no name service outside answers for. The browser gets these names' addresses and the
keys of the two certificates on its command line, after the certificates were checked here; nothing of this machine's settings is changed.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import shutil
import socket
import ssl
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import click
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from commonweal_cli.conventions import DONE
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.where import SITE
from commonweal_local import paths, sites, toolchain
from commonweal_local.exceptions import LocalError
from commonweal_stacks.manifests import NAMESPACE

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "brave-browser")
INSIDE = ".svc.cluster.local"
SECONDS = 10.0


class Door(NamedTuple):
    """One address of a site: the URL by which people know it, and `place`, host and port where it answers from this machine."""

    url: str
    place: str

    @property
    def host(self) -> str:
        """The name in the URL."""
        return urlsplit(self.url).hostname or ""


@click.command("open")
@click.argument("what", type=click.Choice(["portal"]))
@click.argument("site", required=False, metavar="[SITE]", type=SITE)
def open_pages(what: str, site: str | None) -> int:
    """Print where a site's pages for people are, and open them in a browser where there is one."""
    del what  # the one thing that can be opened
    cluster = _cluster(site)
    portal, issuer = doors(cluster)
    authority = cluster.authority(NAMESPACE)
    print(f"The portal of site {cluster.name}: {portal.url}, which answers at {portal.place}")
    ca = paths.write(paths.home() / f"ca-{cluster.name}.crt", authority)
    named = [door for door in (portal, issuer) if door.host.endswith(INSIDE)]
    pins = [pin(door, authority) for door in named]
    profile = Path(tempfile.gettempdir()) / f"commonweal-browser-{cluster.name}-{os.environ.get('SUDO_UID', os.getuid())}"
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    command = [browser or BROWSERS[0], *arguments(portal.url, named, pins, profile)]
    if browser and start(command, os.environ):
        print(f"Opened in {browser}.")
    else:
        print("No browser could be started from here. On this machine's desktop, as yourself:\n  " + shlex.join(command))
    if named:
        lines = "\n".join(f"  {door.place.rpartition(':')[0]} {door.host}" for door in named)
        print(f"For another browser: add to /etc/hosts\n{lines}\nand have the browser trust {ca}.")
    return DONE


def _cluster(site: str | None) -> Kubectl:
    found = sites.find(site) if site else next((each for each in sites.status() if each.running), None)
    if found is None:
        raise LocalError("No site runs", "`make demo` brings two up, with people who can sign in.")
    return Kubectl(toolchain.path_of("kubectl"), found.kubeconfig, found.name)


def doors(cluster: Kubectl) -> tuple[Door, Door]:
    """Return the portal of a site and its issuer. Raises LocalError where the site runs no portal, or it has no address yet."""
    said = json.loads(cluster.run("get", "configmap", "commonweal-operator", "-n", NAMESPACE, "-o", "json"))["data"]["config.yaml"]
    config = yaml.safe_load(said)
    if not config.get("portal"):
        raise LocalError(
            f"Site {cluster.name} runs no portal",
            f"Set identity.enabled and portal.enabled to true in stacks/site/Pulumi.{cluster.name}.yaml, then bring the site up again.",
        )
    return Door(config["portal"], f"{_address(cluster, 'portal')}:443"), Door(
        config["personIssuer"], f"{_address(cluster, 'identity')}:443"
    )


def _address(cluster: Kubectl, service: str) -> str:
    found = json.loads(cluster.run("get", "services", service, "-n", NAMESPACE, "-o", "json"))
    given = (found.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}])[0]
    address = given.get("ip") or given.get("hostname") or ""
    if not address:
        raise LocalError(
            f"Service {service} of site {cluster.name} has no address outside the cluster",
            "Set expose: LoadBalancer in the site's stack file, or wait until the load balancer has given one.",
        )
    return str(address)


def pin(door: Door, authority: str) -> str:
    """Return the digest of the key that a door's certificate is for, once the certificate is proven by the authority. Raises LocalError."""
    context = ssl.create_default_context(cadata=authority)
    host, _, port = door.place.rpartition(":")
    try:
        with (
            socket.create_connection((host, int(port)), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=door.host) as secured,
        ):
            shown = secured.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise LocalError(
            f"{door.url} does not answer at {door.place} as this site's own ({error})",
            "Look with `kubectl get pods -n commonweal-system` whether its pods are ready, then repeat the command.",
        ) from error
    key = x509.load_der_x509_certificate(shown).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(sha256(key).digest()).decode()


def arguments(url: str, named: Sequence[Door], pins: Sequence[str], profile: Path) -> list[str]:
    """Return the words by which a browser of Chromium's family opens a site's pages in a profile of their own. Pure."""
    rules = ",".join(f"MAP {door.host} {door.place}" for door in named)
    own = [f"--host-resolver-rules={rules}", f"--ignore-certificate-errors-spki-list={','.join(pins)}"] if named else []
    return [f"--user-data-dir={profile}", "--no-first-run", "--no-default-browser-check", *own, url]


def start(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Start a browser on this machine's desktop, as whoever sits there; return False where there is no desktop, or only root."""
    if not environment.get("DISPLAY") and not environment.get("WAYLAND_DISPLAY"):
        return False
    if os.geteuid() != 0:
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        return True
    if not environment.get("SUDO_UID"):
        return False  # a browser that runs as root has no sandbox
    user = pwd.getpwuid(int(environment["SUDO_UID"]))
    their_own = {**environment, "HOME": user.pw_dir, "USER": user.pw_name, "XDG_RUNTIME_DIR": f"/run/user/{user.pw_uid}"}
    subprocess.Popen(
        command,
        env=their_own,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return True
