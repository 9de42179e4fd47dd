"""The provider resource: its settings, and which change of them means another cluster. Pure but for reading a kubeconfig file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from commonweal_local.pulumi_kubernetes.differ import Mutability
from commonweal_local.pulumi_kubernetes.values import Unknown, plain

IDENTIFIER = "clusterIdentifier"
CLUSTER_KEYS = ("kubeconfig", "context", "cluster")
UNSUPPORTED = ("renderYamlToDirectory",)


class ConfigError(Exception):
    """A provider setting that cannot be used; the text says which and what to do."""


@dataclass(frozen=True)
class Settings:
    """The provider's settings that this plug-in acts on."""

    kubeconfig: Mapping[str, Any] = field(default_factory=dict, repr=False)
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    patch_force: bool = False
    delete_unreachable: bool = False
    mutability: Mutability = field(default_factory=Mutability)


def settings(args: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a provider; its arguments go before the environment. Raises ConfigError."""
    env = os.environ if environment is None else environment
    values = plain(args)
    for key in UNSUPPORTED:
        if values.get(key):
            raise ConfigError(f"{key}: this stand-in does not render to files. Use the vendor's plug-in for it, or leave it out.")

    def truth(key: str, variable: str) -> bool:
        value = values.get(key)
        return str(env.get(variable, "") if value is None else value).lower() == "true"

    if str(values.get("enableServerSideApply", env.get("PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", "true"))).lower() == "false":
        raise ConfigError(
            "enableServerSideApply: this stand-in knows server-side apply only. Leave the setting out, or use the vendor's plug-in."
        )
    return Settings(
        kubeconfig=load_kubeconfig(values.get("kubeconfig") or env.get("KUBECONFIG", ""), env),
        context=values.get("context") or "",
        cluster=values.get("cluster") or "",
        namespace=values.get("namespace") or "",
        patch_force=truth("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
        delete_unreachable=truth("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
        mutability=Mutability(
            config_maps=truth("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
            secrets=truth("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
        ),
    )


def load_kubeconfig(value: Any, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the kubeconfig given as contents or as a path; without either, that of the user's home. Raises ConfigError."""
    if isinstance(value, Mapping):
        return value
    text = str(value or "")
    if "\n" not in text and not text.lstrip().startswith("{"):
        path = Path(text.split(os.pathsep, maxsplit=1)[0] or Path(environment.get("HOME", "~"), ".kube", "config")).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"kubeconfig: cannot read {path}: {error.strerror}. Give the provider a kubeconfig, or set KUBECONFIG."
            ) from error
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"kubeconfig: not YAML ({type(error).__name__}). Give the contents of a kubeconfig file, or its path.") from error
    if not isinstance(parsed, Mapping) or not parsed.get("clusters"):
        raise ConfigError("kubeconfig: it names no cluster. Give the contents of a kubeconfig file, or its path.")
    return parsed


@dataclass(frozen=True)
class ConfigChange:
    """What a change of the provider's settings means: `replaces` non-empty, then every object is made anew elsewhere."""

    changed: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()


def config_change(olds: Mapping[str, Any], news: Mapping[str, Any]) -> ConfigChange:
    """Return what changed between two sets of provider arguments.

    With a `clusterIdentifier` on both sides only its change means another cluster: rotated certificates and moved endpoints do not. Adding
    or removing the identifier replaces nothing by itself. Without one, the active cluster of the kubeconfig stands for the cluster.
    """
    before, after = plain(olds), plain(news)
    changed = tuple(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))
    old, new = before.get(IDENTIFIER), after.get(IDENTIFIER)
    if old and new:
        return ConfigChange(changed, (IDENTIFIER,) if old != new else ())
    touched = tuple(key for key in CLUSTER_KEYS if key in changed)
    if touched and _other_cluster(before, after):
        return ConfigChange(changed, touched)
    return ConfigChange(changed)


def _other_cluster(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    if any(isinstance(after.get(key), Unknown) for key in CLUSTER_KEYS):
        return True
    try:
        old, new = active_cluster(before), active_cluster(after)
    except ConfigError:
        return False
    return bool(old and new and old != new)


def active_cluster(values: Mapping[str, Any]) -> str:
    """Return the cluster entry that the settings point at, in a form that can be compared; empty when there is none."""
    if not values.get("kubeconfig"):
        return ""
    config = load_kubeconfig(values["kubeconfig"], os.environ)
    wanted = values.get("context") or config.get("current-context")
    context: Mapping[str, Any] = next((c.get("context", {}) for c in config.get("contexts") or () if c.get("name") == wanted), {})
    name = values.get("cluster") or context.get("cluster")
    entry = next((c.get("cluster") for c in config.get("clusters") or () if c.get("name") == name), None)
    return json.dumps(entry, sort_keys=True) if entry else ""
