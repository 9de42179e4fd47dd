"""What the blueprint says, as the programs of a site take it: the same flags and files as on any cloud.

`commonweal_stacks.clusters.local_programs` lists what a site of this machine has for itself; nothing else may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from commonweal_local.paths import write
from commonweal_local.sites import encryption
from commonweal_local.sites.site import Site
from commonweal_stacks.blueprint import files, standard

Flags = Mapping[str, str]


def places(site: Site) -> files.Places:
    """Where the site's API server finds its files; its audit log lies where its programs write what they say."""
    return files.Places(
        audit=str(site.etc / "audit.yaml"),
        admission=str(site.etc / "admission.yaml"),
        encryption=str(site.pki / encryption.FILE),
        log=str(site.logs / "audit.log"),
    )


def flags(site: Site) -> Mapping[str, Flags]:
    """Program -> the flags that it has on every site of the revision."""
    settings, network = site.settings, site.network
    return {
        "kube-apiserver": {**standard.api_server_flags(network), **files.api_server_flags(settings, places(site))},
        "kube-controller-manager": {**standard.controller_flags(network), **files.controller_flags(settings)},
        "kube-scheduler": {**standard.scheduler_flags(), **files.scheduler_flags(settings)},
        "kubelet": files.kubelet_flags(settings),
    }


def write_files(site: Site) -> None:
    """Write the files that these flags name; called before each start and change, so that what a revision says takes effect.

    The key of encryption is made with the certificates; here its file is brought to the resources that the revision seals.
    """
    for path, text in files.texts(site.settings, places(site)).items():
        write(Path(path), text, mode=0o600)
    encryption.cover(site.pki, site.settings)
