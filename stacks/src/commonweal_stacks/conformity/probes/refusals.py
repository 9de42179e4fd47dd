"""Probes of what must be refused, as each of those who would ask for it. All by dry run; the bindings that they need go with the scratch departments."""

from __future__ import annotations

from collections.abc import Mapping

from commonweal_kube.blocking import DRY, Answer
from commonweal_stacks.api import Api
from commonweal_stacks.conformity.probes.attempts import (
    EDITOR,
    NAMES,
    OWN,
    OWNER,
    PLATFORM,
    STORE,
    WRONGLY,
    Attempt,
    Request,
    made,
    of_an_editor,
    of_one_wrongly_bound,
    of_the_operator,
    of_who_writes_departments,
)
from commonweal_stacks.conformity.probes.scratch import meta
from commonweal_stacks.conformity.probes.verdicts import Verdict, broken, told_apart
from commonweal_stacks.waiting import within

SETTLES_SECONDS = 60.0  # for all together: what a server may take to know of new bindings; only what is really broken takes all of it
BOUND = (
    (OWN, EDITOR, "commonweal-department-editor"),
    (OWN, WRONGLY, "edit"),
    (PLATFORM, WRONGLY, "edit"),
    (OWN, OWNER, "cluster-admin"),
    (PLATFORM, STORE, "edit"),
)


def prepared(api: Api) -> str:
    """Bind the accounts in the scratch department's namespaces and make what they shall try to change; return why not, or nothing.

    In the platform's namespace only system:masters may bind anybody, so the administrator poses as one of them.
    """
    bindings = [_binding(*one) for one in BOUND]
    for request in (*bindings, *made()):
        answer = api.ask(request.method, request.path, request.body, user="commonweal-probe", group="system:masters")
        if not answer.ok and answer.status != 409:
            return f"{request.method} {request.path}: {answer.status}: {answer.message[:300]}"
    return ""


def _binding(namespace: str, user: str, role: str) -> Request:
    space, _, name = user.removeprefix("system:serviceaccount:").partition(":")
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": meta(f"commonweal-probe-{name}"),
        "roleRef": reference,
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": space}],
    }
    return Request("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", body)


def attempts() -> dict[str, Attempt]:
    """Return all that is tried in the first scratch department."""
    return of_an_editor() | of_one_wrongly_bound() | of_who_writes_departments() | of_the_operator()


def verdicts(api: Api) -> dict[str, Verdict]:
    """Return whether each attempt is refused for its reason, once all are, or as it is in time."""
    if why := prepared(api):
        return dict.fromkeys(NAMES, broken("no account to try it as", why))
    tried = attempts()
    found: dict[str, Verdict] = {}

    def all_hold() -> bool:
        found.update(judged(api, {name: one for name, one in tried.items() if name not in found or found[name].broken}))
        return not any(verdict.broken for verdict in found.values())

    within(SETTLES_SECONDS, all_hold, every=0.5)
    return found


def judged(api: Api, tried: Mapping[str, Attempt]) -> dict[str, Verdict]:
    """Return how each attempt is answered now."""
    return {
        name: told_apart(_asked(api, one.user, one.allowed), _asked(api, one.user, one.denied), one.words) for name, one in tried.items()
    }


def _asked(api: Api, user: str, request: Request) -> Answer:
    query = DRY if request.writes else {}
    return api.ask(request.method, request.path, request.body, query=query, user=user, content=request.content)
