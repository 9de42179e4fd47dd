"""Probes in two scratch departments: what one may not do to the other, nor anybody to what the platform made. Needs the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from commonweal_kube.blocking import DRY, Answer
from commonweal_stacks.api import Api
from commonweal_stacks.conformity.probes import refusals
from commonweal_stacks.conformity.probes.attempts import EDITOR, OWN, PLATFORM
from commonweal_stacks.conformity.probes.attempts import NAMES as REFUSED
from commonweal_stacks.conformity.probes.scratch import CLAIM, DEPARTMENTS, LABEL, READY_SECONDS, A, B, meta, platform_space, space
from commonweal_stacks.conformity.probes.server import agreement, privileged
from commonweal_stacks.conformity.probes.settings import addressed
from commonweal_stacks.conformity.probes.verdicts import Verdict, broken, counted, kept_apart, not_probed, refused
from commonweal_stacks.manifests import STORAGE_CLASS
from commonweal_stacks.waiting import within

NAMES: Final = (
    "access.cross-department",
    "admission.addresses",
    "admission.borrowed-identity",
    "admission.confirm-deletion",
    "admission.owned-objects",
    "admission.owner-grants",
    "admission.priority",
    "pod-security.department",
    "quota.memory",
    "quota.storage",
    *REFUSED,
)
SETTLES_SECONDS: Final = 60.0  # what a server may take to know of a new binding; only what is really broken takes all of it
THEIRS: Final = {"labelSelector": f"!{LABEL}"}  # what is there and no probe made
COUNTED: Final = ("limits.memory", "requests.cpu", "requests.storage")


def none(why: str) -> dict[str, Verdict]:
    """Return the leaves of a site on which there is no operator to furnish a department."""
    return dict.fromkeys(NAMES, not_probed(why))


def failed(why: str) -> dict[str, Verdict]:
    """Return the leaves of a site whose operator did not furnish a department."""
    return dict.fromkeys(NAMES, broken("no department", why))


def pod(name: str, **changes: Any) -> dict[str, Any]:
    """Return a pod of the strictest standard; `changes` go over its spec."""
    locked = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "probe", "image": "localhost/none", "securityContext": locked, "resources": {"limits": {"memory": "96Mi"}}}
    spec = {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{**container, **changes.pop("container", {})}],
        **changes,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta(name), "spec": spec}


def claim(name: str) -> dict[str, Any]:
    """Return a claim of the class that every site promises."""
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": STORAGE_CLASS, "resources": {"requests": {"storage": CLAIM}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta(name), "spec": spec}


def emptied(api: Api) -> str:
    """Take away what came to life in the departments before their quota held, and wait until it counts nothing; return why not, or nothing."""
    for name in (A, B):
        left: list[str] = []

        def empty(name: str = name, left: list[str] = left) -> bool:
            left[:] = _left_in(api, name)
            return not left

        if not within(READY_SECONDS, empty, every=0.2):
            return f"department {name} is not empty after {READY_SECONDS:.0f} s: {', '.join(left)}; see `kubectl describe quota -n dept-{name}`"
    return ""


def _left_in(api: Api, name: str) -> list[str]:
    """Return what keeps a department from being empty for good: a server that does not hold to the quota yet, then what it let in, then its count."""
    if refused(api.ask("POST", f"{space(name)}/pods", _hungry(), query=DRY), "exceeded quota").broken:
        return ["a quota that does not hold yet"]
    left = []
    for kind in ("pods", "persistentvolumeclaims"):
        found = api.ask("GET", f"{space(name)}/{kind}", query=THEIRS).body.get("items") or ()
        left += [f"{kind} {item['metadata']['name']}" for item in found]
        if found:
            api.ask("DELETE", f"{space(name)}/{kind}", {"gracePeriodSeconds": 0}, query=THEIRS)
    return left or _counted(api.ask("GET", f"{space(name)}/resourcequotas").body.get("items") or ())


def _counted(quotas: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what quotas still count of pods and volumes; how many objects there are plays no part."""
    used = [
        (what, (quota.get("status") or {}).get("used", {}).get(what))
        for quota in quotas
        for what in COUNTED
        if what in quota["spec"]["hard"]
    ]
    return [f"{what} {now or 'not counted'}" for what, now in used if now != "0"]


def _hungry() -> dict[str, Any]:
    """Return a pod that asks for more than a scratch department may have."""
    return pod("commonweal-probe-hungry", container={"resources": {"limits": {"memory": "256Mi"}}})


def verdicts(api: Api) -> dict[str, Verdict]:
    """Return what the two departments, once furnished, show. The claim `probe` in the first one stays, for a pod to use."""
    refusing = refusals.verdicts(api)  # binds EDITOR, too
    posing = pod("commonweal-probe-posing", serviceAccountName="volumes")
    eager = pod("commonweal-probe-eager", priorityClassName="system-node-critical")
    taking = {"apiVersion": "v1", "kind": "Service", "metadata": meta("commonweal-probe"), "spec": addressed()}
    claims = f"{space(A)}/persistentvolumeclaims"
    ours = f"/apis/apps/v1/namespaces/dept-{A}/deployments/volumes"
    policies = f"/apis/commonweal.dev/v1alpha1/namespaces/dept-{A}/consentpolicies"
    return refusing | {
        "access.cross-department": _apart(api),
        "admission.addresses": _settled(lambda: _addressed(api.ask("POST", f"{space(A)}/services", taking, query=DRY, user=EDITOR))),
        "admission.borrowed-identity": _settled(
            lambda: refused(api.ask("POST", f"{space(A)}/pods", posing, query=DRY, user=EDITOR), "are the platform's own")
        ),
        "admission.confirm-deletion": refused(
            api.ask("DELETE", f"{DEPARTMENTS}/{A}", query=DRY), "deleting this Department deletes its data"
        ),
        "admission.owned-objects": _settled(lambda: refused(api.ask("DELETE", ours, query=DRY, user=EDITOR), "belongs to Commonweal")),
        "admission.owner-grants": _settled(
            lambda: refused(api.ask("POST", policies, agreement(), query=DRY, user=EDITOR), "may not grant access")
        ),
        "admission.priority": _settled(
            lambda: refused(api.ask("POST", f"{space(A)}/pods", eager, query=DRY, user=EDITOR), "spec.priorityClassName")
        ),
        "pod-security.department": privileged(api, f"{space(A)}/pods"),
        "quota.memory": _settled(lambda: refused(api.ask("POST", f"{space(A)}/pods", _hungry(), query=DRY), "exceeded quota")),
        "quota.storage": counted(api.ask("POST", claims, claim("probe")), api.ask("POST", claims, claim("probe-more"))),
    }


def _addressed(answer: Answer) -> Verdict:
    """Holds when the Service was refused for its addresses: by the server's own plug-in, where the site has it, or else by our policy."""
    policy = refused(answer, "spec.externalIPs")
    return refused(answer, "Use of external IPs") if policy.broken else policy


def _apart(api: Api) -> Verdict:
    """The accounts of one department read nothing of the other: no secret, no setting, no product, no agreement; and nothing of what the platform runs for it."""
    ours = f"/apis/commonweal.dev/v1alpha1/namespaces/dept-{B}"
    paths = {
        "secrets": f"{space(B)}/secrets",
        "settings": f"{space(B)}/configmaps",
        "keys": f"{platform_space(B)}/secrets",
        "plans": f"{platform_space(B)}/configmaps",
        "products": f"{ours}/dataproducts",
        "agreements": f"{ours}/consentpolicies",
    }
    accounts = (f"{OWN}:default", f"{OWN}:volumes", *(f"{PLATFORM}:{name}" for name in ("store", "data-api", "models")))
    answers = {
        f"{what} as {account}": api.ask("GET", path, user=f"system:serviceaccount:{account}")
        for what, path in paths.items()
        for account in accounts
    }
    # Whoever edits a department has no role where the platform runs its store.
    keys = {f"own {name}": f"{platform_space(A)}/secrets/{name}" for name in ("commonweal-keys", "commonweal-models", "commonweal-signing")}
    for what, path in (*keys.items(), ("own keys", f"{platform_space(A)}/secrets"), ("own plans", f"{platform_space(A)}/configmaps")):
        answers[f"{what} as {OWN}:default"] = api.ask("GET", path, user=EDITOR)
    return kept_apart(answers, api.ask("GET", paths["secrets"]))


def _settled(ask: Callable[[], Verdict]) -> Verdict:
    """Return the verdict once it holds, or the last one in time: a server knows of what was just made after a moment only."""
    found: list[Verdict] = []

    def holds() -> bool:
        found.append(ask())
        return not found[-1].broken

    within(SETTLES_SECONDS, holds, every=0.2)
    return found[-1]
