"""A cluster that somebody else made: nothing is made, and all that is asked of it is a kubeconfig."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml

from commonweal_stacks.blueprint import Blueprint
from commonweal_stacks.clusters.contract import Declaration
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.site import SITE_KEY, SiteConfig, stack_file

DECLARATION = Declaration(
    kind="adopted",
    summary="any cluster that you have an administrator's kubeconfig for",
    evidence="given",
    checked="the platform layer is put on such clusters in the test runs; of the blueprint only that layer holds there",
    needs=(),
)


# What a kubeconfig may name a file for, by where it stands; beside it the key under which the contents may stand themselves.
_FILES = {
    "clusters": {"certificate-authority": "certificate-authority-data"},
    "users": {"client-certificate": "client-certificate-data", "client-key": "client-key-data", "tokenFile": "token"},
}


def embedded(kubeconfig: str, directory: Path) -> str:
    """Return the kubeconfig with the contents of the files that it names, so that it can be used elsewhere; unchanged when it names none.

    A relative path starts at `directory`, as with kubectl. Raises OSError, or yaml.YAMLError.
    """
    found = yaml.safe_load(kubeconfig)
    changed = False
    for part, keys in _FILES.items():
        for entry in (found.get(part) if isinstance(found, dict) else None) or ():
            body = entry.get(part[:-1]) or {}
            for key in keys.keys() & body.keys():
                contents = (directory / body.pop(key)).expanduser().read_bytes()
                body.setdefault(keys[key], contents.decode().strip() if key == "tokenFile" else b64encode(contents).decode())
                changed = True
    return yaml.safe_dump(found, sort_keys=False) if changed else kubeconfig


def credentials_program(kubeconfig: str) -> str:
    """Return the program that the kubeconfig has asked for credentials, empty when it needs none."""
    users = (yaml.safe_load(kubeconfig) or {}).get("users") or ()
    return next((str(command) for entry in users if (command := ((entry.get("user") or {}).get("exec") or {}).get("command"))), "")


class AdoptedAdapter:
    """Renders no cluster; the site's kubeconfig Secret is `kubeconfig_secret` of `commonweal_stacks.clusters`."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def class_objects(self, blueprint: Blueprint) -> list[Manifest]:  # noqa: ARG002 - none, whatever the blueprint
        return []

    def site_objects(self, site: SiteConfig, blueprint: Blueprint) -> list[Manifest]:  # noqa: ARG002 - as above
        return []

    def secret_objects(self, site: SiteConfig, blueprint: Blueprint, text: Any) -> list[Manifest]:  # noqa: ARG002 - as above
        return []


class AdoptedCluster:
    """The cluster behind `commonweal:site.kubeconfig`."""

    def __init__(self, site: SiteConfig) -> None:
        self._site = site

    @property
    def name(self) -> str:
        return self._site.name

    def kubeconfig(self) -> str:
        """Return the file's contents, those of the files that it names in it; a relative path starts at the directory `pulumi` runs in."""
        path = self._site.kubeconfig
        where = f"{SITE_KEY}.kubeconfig in {stack_file(self.name)}"
        if path is None:
            raise SiteConfigError(f"{where}: is not set. Give the path of the cluster's kubeconfig file.")
        try:
            file = path.expanduser()
            return embedded(file.read_text(encoding="utf-8"), file.parent)
        except yaml.YAMLError as error:
            raise SiteConfigError(f"{where}: {path} is no YAML. Give the path of the cluster's kubeconfig file.") from error
        except OSError as error:
            raise SiteConfigError(
                f"{where}: cannot read {error.filename or path}: {error.strerror}. Give the path of the cluster's kubeconfig file."
            ) from error
