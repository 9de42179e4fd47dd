"""Readiness: whether a live object is ready, and if not, what it waits for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_local.pulumi_kubernetes.objects import annotation, group, is_true


@dataclass(frozen=True)
class Verdict:
    """`ready`, or what is waited for. `failed`: waiting longer will not help."""

    ready: bool
    message: str = ""
    failed: bool = False


READY = Verdict(ready=True)


def waiting(message: str) -> Verdict:
    return Verdict(ready=False, message=message)


def condition(obj: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """Return the object's condition of that type, or an empty mapping."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == type_), {})


def _seen(obj: Mapping[str, Any]) -> bool:
    observed = (obj.get("status") or {}).get("observedGeneration")
    generation = (obj.get("metadata") or {}).get("generation")
    return bool(observed is not None and generation is not None and observed >= generation)


def deployment(obj: Mapping[str, Any]) -> Verdict:
    """Ready when the newest template runs in all replicas and the old ones are gone; failed when its own deadline has passed."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    wanted = spec.get("replicas", 1)
    if not _seen(obj):
        return waiting("waiting for the deployment controller to see the object")
    progressing = condition(obj, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Verdict(ready=False, message=progressing.get("message", "progress deadline exceeded"), failed=True)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or available < wanted or status.get("replicas", 0) > updated:
        return waiting(f"{available} of {wanted} replicas available, {updated} up to date")
    return READY


def stateful_set(obj: Mapping[str, Any]) -> Verdict:
    """Ready when all replicas run the newest revision; with another update strategy than rolling, when all are ready."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    wanted = spec.get("replicas", 1)
    if not _seen(obj):
        return waiting("waiting for the stateful set controller to see the object")
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    if ready < wanted or (rolling and status.get("currentRevision") != status.get("updateRevision")):
        return waiting(f"{ready} of {wanted} replicas ready, {updated} up to date")
    return READY


def daemon_set(obj: Mapping[str, Any]) -> Verdict:
    """Ready when every node that should run the newest pod does."""
    status = obj.get("status") or {}
    if not _seen(obj):
        return waiting("waiting for the daemon set controller to see the object")
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    return READY if updated >= wanted and available >= wanted else waiting(f"{available} of {wanted} nodes ready, {updated} up to date")


def job(obj: Mapping[str, Any]) -> Verdict:
    """Ready when complete; failed when it has failed."""
    failed = condition(obj, "Failed")
    if failed.get("status") == "True":
        return Verdict(ready=False, message=f"the job failed: {failed.get('message', failed.get('reason', ''))}", failed=True)
    return READY if condition(obj, "Complete").get("status") == "True" else waiting("waiting for the job to complete")


def pod(obj: Mapping[str, Any]) -> Verdict:
    """Ready when it says so, or when it has ended well."""
    if (obj.get("status") or {}).get("phase") == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return READY
    return waiting("waiting for the pod to be ready")


def service(obj: Mapping[str, Any]) -> Verdict:
    """Ready at once, but for a load balancer: when it has an address."""
    balancer = (obj.get("spec") or {}).get("type") == "LoadBalancer"
    addressed = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    return waiting("waiting for a load balancer address") if balancer and not addressed else READY


def definition(obj: Mapping[str, Any]) -> Verdict:
    """A CustomResourceDefinition is ready when established; failed when its names are taken."""
    names = condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        return Verdict(ready=False, message=f"its names were not accepted: {names.get('message', '')}", failed=True)
    return READY if condition(obj, "Established").get("status") == "True" else waiting("waiting for the kind to be served")


def namespace(obj: Mapping[str, Any]) -> Verdict:
    phase = (obj.get("status") or {}).get("phase", "Active")
    return READY if phase == "Active" else waiting(f"the namespace is {phase}")


def volume(obj: Mapping[str, Any]) -> Verdict:
    return READY if (obj.get("status") or {}).get("phase") in {"Available", "Bound"} else waiting("waiting for the volume to be available")


JUDGES: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Verdict]] = {
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("batch", "Job"): job,
    ("", "Pod"): pod,
    ("", "Service"): service,
    ("", "Namespace"): namespace,
    ("", "PersistentVolume"): volume,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
}


class WaitForError(ValueError):
    """A `pulumi.com/waitFor` annotation that cannot be read."""


def judge_of(inputs: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Verdict] | None:
    """Return how to judge this object, or None when nothing is waited for. `skipAwait` wins. Raises WaitForError."""
    if is_true(inputs, "skipAwait"):
        return None
    text = annotation(inputs, "waitFor")
    if text:
        return wait_for(text)
    return JUDGES.get((group(inputs.get("apiVersion", "")), inputs.get("kind", "")))


def wait_for(text: str) -> Callable[[Mapping[str, Any]], Verdict]:
    """Return the judge of a `pulumi.com/waitFor` annotation: one expression, or a JSON list of them, all of which must hold."""
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else [text]
    except ValueError as error:
        raise WaitForError(f"pulumi.com/waitFor: {text!r} is not a JSON list: {error}") from error
    judges = [_expression(item) for item in listed]

    def all_hold(obj: Mapping[str, Any]) -> Verdict:
        return next((verdict for verdict in (judge(obj) for judge in judges) if not verdict.ready), READY)

    return all_hold


_CONDITION = re.compile(r"condition=(?P<type>[A-Za-z0-9./-]+)(=(?P<status>\w+))?$")
_JSONPATH = re.compile(r"jsonpath=(?:\{(?P<braced>[^}]*)\}|(?P<bare>[^=\[{]+))(?:=(?P<value>.*))?$")


def _expression(text: str) -> Callable[[Mapping[str, Any]], Verdict]:
    if match := _CONDITION.match(text):
        type_, status = match["type"], match["status"] or "True"
        wanted, named = status.lower(), type_ if status.lower() == "true" else f"{type_}={status}"

        def by_condition(obj: Mapping[str, Any]) -> Verdict:
            found = condition(obj, type_)
            if found and _stale(obj, found):
                return waiting(f"waiting for condition {type_} of the newest generation")
            if str(found.get("status", "")).lower() == wanted:
                return READY
            detail = " ".join(": ".join(part for part in (found.get("reason", ""), found.get("message", "")) if part).split())
            return waiting(f"waiting for condition {named}" + (f" ({detail})" if detail else ""))

        return by_condition
    if match := _JSONPATH.match(text):
        steps, value = _steps(match["braced"] or match["bare"]), match["value"]

        def by_path(obj: Mapping[str, Any]) -> Verdict:
            found = [_text(item) for item in _select(obj, steps)]
            held = bool(found) if value is None else value in found
            return READY if held else waiting(f"waiting for {text}, now {', '.join(found) or 'absent'}")

        return by_path
    raise WaitForError(f"pulumi.com/waitFor: {text!r} is neither condition=TYPE[=STATUS] nor jsonpath={{.a.b}}[=VALUE].")


def _stale(obj: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a condition speaks of an older generation: as it says itself, else as the whole status says; one that says nothing is believed."""
    seen = found.get("observedGeneration", (obj.get("status") or {}).get("observedGeneration"))
    generation = (obj.get("metadata") or {}).get("generation")
    return seen is not None and generation is not None and int(seen) < int(generation)


_STEP = re.compile(r"""\.(?P<key>[A-Za-z0-9_-]+)|\[(?P<index>\d+)\]|\[\?\(@\.(?P<field>\w+)\s*==\s*["'](?P<equals>[^"']*)["']\)\]""")


def _steps(path: str) -> list[re.Match[str]]:
    steps, at = [], 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise WaitForError(
                f'pulumi.com/waitFor: cannot read {path[at:]!r} of the path {path!r}; use .field, [0] or [?(@.type=="Ready")].'
            )
        steps.append(match)
        at = match.end()
    return steps


def _select(obj: Any, steps: Sequence[re.Match[str]]) -> list[Any]:
    found = [obj]
    for step in steps:
        if step["key"]:
            found = [item[step["key"]] for item in found if isinstance(item, Mapping) and step["key"] in item]
        elif step["index"]:
            found = [item[int(step["index"])] for item in found if isinstance(item, list) and len(item) > int(step["index"])]
        else:
            members = [member for item in found if isinstance(item, list) for member in item if isinstance(member, Mapping)]
            found = [member for member in members if _text(member.get(step["field"])) == step["equals"]]
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
