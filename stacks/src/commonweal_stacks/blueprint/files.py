"""What the blueprint's settings look like to the programs of Kubernetes: flags, and the files that flags name. Pure.

Every kind of site whose machines are ours to set up takes them from here, so that they cannot differ.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_stacks.blueprint.model import Blueprint

DIRECTORY = "/etc/commonweal"
"""Where the files lie on a machine; nothing of Kubernetes writes there."""

LOGS = "/var/log/commonweal"
AUDIT, ADMISSION, ENCRYPTION = f"{DIRECTORY}/audit.yaml", f"{DIRECTORY}/admission.yaml", f"{DIRECTORY}/encryption.yaml"
AUDIT_MIB, AUDIT_FILES = 100, 10
ENCRYPTION_KEY = "encryption.yaml"
"""The key under which a site's Secret holds the file of `encryption`."""

_KEY = re.compile(r"[0-9a-f]{64}")

_Flags = dict[str, str]
IDENTITY: Mapping[str, Any] = {"identity": {}}
"""What the API server reads, or with which it writes, in clear text."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where an API server finds its files, and where it writes its audit log."""

    audit: str
    admission: str
    encryption: str
    log: str


MACHINE = Places(AUDIT, ADMISSION, ENCRYPTION, f"{LOGS}/audit.log")
"""Where they are on a machine of a site's own."""


def api_server_flags(blueprint: Blueprint, places: Places = MACHINE) -> _Flags:
    """Return the flags of the API server that go beyond what sets a cluster up."""
    return {
        "admission-control-config-file": places.admission,
        "audit-log-maxage": str(blueprint.audit_days),
        "audit-log-maxbackup": str(AUDIT_FILES),
        "audit-log-maxsize": str(AUDIT_MIB),
        "audit-log-path": places.log,
        "audit-policy-file": places.audit,
        "enable-admission-plugins": ",".join(blueprint.admission),
        "encryption-provider-config": places.encryption,
        "profiling": "false",
        # By default a server that is to end waits a minute for watches, and answers nobody meanwhile.
        "shutdown-watch-termination-grace-period": "2s",
    }


def controller_flags(blueprint: Blueprint) -> _Flags:  # noqa: ARG001 - the same in all revisions so far
    """Return the flags of the controller manager.

    A quota that counts a kind younger than half a minute stays uncounted until the next round, by default five minutes later, and nothing of
    that kind is admitted meanwhile.
    """
    return {"profiling": "false", "resource-quota-sync-period": "10s"}


def scheduler_flags(blueprint: Blueprint) -> _Flags:  # noqa: ARG001 - as above
    """Return the flags of the scheduler."""
    return {"profiling": "false"}


def kubelet_flags(blueprint: Blueprint) -> _Flags:
    """Return the flags of every node's kubelet."""
    kubelet = blueprint.kubelet
    return {
        "container-log-max-files": str(kubelet.log_files),
        "container-log-max-size": f"{kubelet.log_mib}Mi",
        "max-pods": str(kubelet.max_pods),
        "pod-max-pids": str(kubelet.pod_pids),
    }


def audit_policy() -> dict[str, Any]:
    """Return who did what to which object, and never what was in it: a body may hold what a person entrusted to a department."""
    writes = ["create", "update", "patch", "delete", "deletecollection"]
    secret = {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "serviceaccounts/token"]}]}
    rules = [{"level": "None", "users": ["system:apiserver"]}, secret, {"level": "Metadata", "verbs": writes}, {"level": "None"}]
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}


def admission(blueprint: Blueprint) -> dict[str, Any]:
    """Return what is held against pods in a namespace whose labels say nothing of it."""
    pod_security = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": blueprint.pod_security, "enforce-version": "latest", "warn": "restricted", "warn-version": "latest"},
        "exemptions": {"namespaces": ["kube-system"]},
    }
    plugins = [{"name": "PodSecurity", "configuration": pod_security}]
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": plugins}


def encryption(blueprint: Blueprint, key: str) -> str:
    """Return the text of the file that holds the key with which the API server encrypts what lies in etcd.

    `key` is 64 hexadecimal characters. Raises ValueError for another. What was written before there was a key stays readable.
    """
    if not _KEY.fullmatch(key):
        raise ValueError("the key of encryption must be 64 hexadecimal characters in lower case")
    providers = [sealed(blueprint.encryption, {"key1": bytes.fromhex(key)}), IDENTITY]
    return text(encryption_of([(blueprint.encrypted, providers)]))


def sealed(how: str, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the provider of encryption of that kind that reads with these keys, by name, and writes with the first."""
    return {how: {"keys": [{"name": name, "secret": base64.b64encode(key).decode()} for name, key in keys.items()]}}


def encryption_of(rules: Sequence[tuple[Sequence[str], Sequence[Mapping[str, Any]]]]) -> dict[str, Any]:
    """Return a configuration of encryption: each rule names resources, and their providers, the one that writes first."""
    resources = [{"resources": list(names), "providers": list(providers)} for names, providers in rules]
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": resources}


def texts(blueprint: Blueprint, places: Places = MACHINE) -> dict[str, str]:
    """Return the files that the API server's flags name and that are no secret, by their path."""
    return {places.audit: text(audit_policy()), places.admission: text(admission(blueprint))}


def text(value: Mapping[str, Any]) -> str:
    """Return a file's text: JSON, which every reader of YAML takes, in a fixed order of keys."""
    return json.dumps(value, sort_keys=True, indent=1) + "\n"


def machine_files(blueprint: Blueprint, encryption_secret: str) -> list[dict[str, Any]]:
    """Return the files of a control plane's machine, as every bootstrap provider of Cluster API takes them."""
    owned = {"owner": "root:root", "permissions": "0600"}
    secret = {"secret": {"name": encryption_secret, "key": ENCRYPTION_KEY}}
    plain = [{"path": path, **owned, "content": content} for path, content in texts(blueprint).items()]
    return [*plain, {"path": ENCRYPTION, **owned, "contentFrom": secret}]
