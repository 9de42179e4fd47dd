"""Attacks of 2026-11-29, by an insider who leaves: what somebody of a department sets up so that it still works, or still holds, when the role is gone.

An account that may more is nobody's to borrow, a token ends within a day, and nothing written on an agreement by others keeps it as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from contract.roles.conftest import account, minted, pod, said
from support.control_plane import ControlPlane
from support.kube_api import APPLY, MERGE, KubeApi, Refused
from support.manifests import Body, consent_policy, data_product, department, model_service, put
from support.waiting import wait_for

DAY = 86400
LOCKED = {"containers": [{"name": "c", "image": "app:1"}]}
CARETAKER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "11111111-1111-1111-1111-111111111111"}
HELD: Mapping[str, Body] = {"ownerReferences": {"ownerReferences": [CARETAKER]}, "finalizers": {"finalizers": ["mine.example/hold"]}}
# Two stewards who take a signature back by applying the agreement without it, each with a tool that deletes what it had applied itself.
LAST = "kubectl.kubernetes.io/last-applied-configuration"
NONCE, HASH = "WvKx0F2pzq0nEROPRjmRyA", "sha256:" + "7" * 64
SIGNATURE = {"party": "tax", "hash": HASH, "jws": "e30.e30." + "A" * 86}


def _workloads(**spec: Any) -> dict[str, Body]:
    """Return one of each kind that runs as an account, or as none that it names."""
    body = {"metadata": {"labels": {"app": "a"}}, "spec": {**LOCKED, **spec}}
    once = {**body, "spec": {**body["spec"], "restartPolicy": "Never"}}
    chosen = {"selector": {"matchLabels": {"app": "a"}}, "template": body}
    kinds = {
        "Pod": ("v1", body["spec"]),
        "Deployment": ("apps/v1", chosen),
        "StatefulSet": ("apps/v1", {**chosen, "serviceName": "s"}),
        "Job": ("batch/v1", {"template": once}),
        "CronJob": ("batch/v1", {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": once}}}),
    }
    meta = {"name": "mine", "namespace": "dept-tax"}
    return {kind: {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec_} for kind, (api, spec_) in kinds.items()}


def _token(api: KubeApi, name: str, seconds: int) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
    try:
        api.request("POST", f"/api/v1/namespaces/dept-tax/serviceaccounts/{name}/token", body)
    except Refused as refused:
        return refused.message
    return ""


@pytest.mark.parametrize(("name", "verb"), [("steward", "consent"), ("registrar", "register"), ("court-team", "register")])
def test_an_editor_has_no_token_of_an_account_that_may_more(name: str, verb: str, people: Mapping[str, KubeApi]) -> None:
    with pytest.raises(Refused) as refused:
        minted(people["editor"], name)
    assert f"serviceaccounts/token: {name} holds the verb {verb}" in refused.value.message
    assert "ServiceAccount of its own for another application" in refused.value.message


def test_who_holds_one_verb_has_no_token_of_who_holds_the_other(people: Mapping[str, KubeApi]) -> None:
    assert minted(people["court-team"], "registrar"), "it may register itself"
    with pytest.raises(Refused, match="steward holds the verb consent"):
        minted(people["court-team"], "steward")


@pytest.mark.parametrize("name", ["app", "viewer", "editor", "nobody"])
def test_an_editor_has_tokens_of_who_may_no_more(name: str, people: Mapping[str, KubeApi]) -> None:
    assert minted(people["editor"], name)


@pytest.mark.parametrize(("name", "verb"), [("steward", "consent"), ("registrar", "register")])
@pytest.mark.parametrize("kind", _workloads())
def test_nothing_of_an_editors_runs_as_an_account_that_may_more(kind: str, name: str, verb: str, people: Mapping[str, KubeApi]) -> None:
    message = said(people["editor"], _workloads(serviceAccountName=name)[kind])
    assert f"spec.serviceAccountName: {name} holds the verb {verb}" in message
    assert said(people["editor"], _workloads(serviceAccountName="app")[kind]) == ""


def test_the_old_spelling_of_the_account_is_no_way_around(people: Mapping[str, KubeApi]) -> None:
    assert "steward holds the verb consent" in said(people["editor"], _workloads(serviceAccount="steward")["Pod"])


def test_what_names_no_account_runs_as_that_of_the_namespace(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """The cluster's controllers fill it in, and they are not asked."""
    plane.apply(account("default"))
    plane.apply(department(put("spec.registrars", ["court", "default"])))
    try:
        for body in _workloads().values():
            wait_for("the policy to know", lambda body=body: "default is a registrar of tax" in said(people["editor"], body) or None)  # type: ignore[misc]
    finally:
        plane.apply(department(put("spec.registrars", ["court"])))
    wait_for("the policy to know again", lambda: said(people["editor"], _workloads()["Deployment"]) == "" or None)


def test_a_token_is_made_for_a_day_at_most(people: Mapping[str, KubeApi]) -> None:
    assert "spec.expirationSeconds: a token is made for a day at most" in _token(people["editor"], "app", DAY + 1)
    assert "spec.expirationSeconds" in _token(people["registrar"], "court", 10 * 365 * DAY)
    assert _token(people["editor"], "app", DAY) == ""


@pytest.mark.parametrize("kind", _workloads())
def test_a_mounted_token_is_good_for_a_day_at_most(kind: str, people: Mapping[str, KubeApi]) -> None:
    def mounting(seconds: int) -> Body:
        sources = [{"serviceAccountToken": {"path": "t", "expirationSeconds": seconds}}]
        return _workloads(serviceAccountName="app", volumes=[{"name": "t", "projected": {"sources": sources}}])[kind]

    assert "serviceAccountToken.expirationSeconds" in said(people["editor"], mounting(DAY + 1))
    assert said(people["editor"], mounting(DAY)) == ""


@pytest.mark.parametrize(
    "how", [{"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"}, {"orphanDependents": "true"}], ids=str
)
def test_a_secret_is_not_shown_to_who_takes_it_away(how: Mapping[str, str], plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """What is not deleted at once is answered with all that it holds, also when nothing is deleted at all."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "dept-tax"}, "stringData": {"password": "p"}}
    plane.apply(secret)
    editor = people["editor"]
    with pytest.raises(Refused) as refused:
        editor.request("DELETE", editor.path_of(secret), dryRun="All", **how)
    assert "propagationPolicy: a Secret that is deleted so is shown" in refused.value.message
    assert "data" not in editor.request("DELETE", editor.path_of(secret), propagationPolicy="Background")


def _signed(*, signed: bool = True) -> Body:
    changes = (put("spec.nonce", NONCE), put("spec.signatures", [SIGNATURE])) if signed else ()
    return consent_policy(*changes, name="signed")


def _apply(api: KubeApi, body: Body, manager: str) -> None:
    api.request("PATCH", api.path_of(body), body, content_type=APPLY, fieldManager=manager, force="true")


def _signatures(api: KubeApi) -> list[Any]:
    return list(api.get(_signed())["spec"].get("signatures", []))


def test_a_signature_that_is_taken_back_is_kept_by_nobody_who_applies_it_as_well(
    plane: ControlPlane, people: Mapping[str, KubeApi]
) -> None:
    """Server-side apply leaves what another manager applies too: with the very same words, so that nothing of the spec changed."""
    editor, steward = people["editor"], people["steward"]
    _apply(steward, _signed(), "gitops")
    with pytest.raises(Refused) as refused:
        _apply(editor, _signed(), "mine")
    assert "may not grant access to the DataProduct" in refused.value.message
    _apply(steward, _signed(signed=False), "gitops")
    assert _signatures(steward) == []
    plane.api().delete(_signed())


def test_nor_by_who_writes_what_was_applied_last(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """Client-side apply takes out what stands in that annotation, and nothing else."""
    plane.apply(_signed())
    last = {"metadata": {"annotations": {LAST: json.dumps(_signed(signed=False))}}}
    editor = people["editor"]
    with pytest.raises(Refused, match="may not grant access to the DataProduct"):
        editor.request("PATCH", editor.path_of(_signed()), last, content_type=MERGE, dryRun="All")
    people["steward"].request("PATCH", editor.path_of(_signed()), last, content_type=MERGE, dryRun="All")
    plane.api().delete(_signed())


@pytest.mark.parametrize("what", HELD)
def test_an_editor_neither_holds_an_agreement_nor_has_it_go_with_something(
    what: str, plane: ControlPlane, people: Mapping[str, KubeApi]
) -> None:
    plane.apply(_signed())
    editor = people["editor"]
    with pytest.raises(Refused, match="may not grant access to the DataProduct"):
        editor.request("PATCH", editor.path_of(_signed()), {"metadata": HELD[what]}, content_type=MERGE, dryRun="All")
    editor.delete(_signed())  # which closes, and is done at once


@pytest.mark.parametrize("what", HELD)
@pytest.mark.parametrize("make", [data_product, model_service], ids=["product", "model"])
def test_nor_what_leaves(what: str, make: Any, plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    body = make(name="outlasting") if make is data_product else make(name="outlasting", department="tax")
    plane.apply(body)
    editor, steward, change = people["editor"], people["steward"], {"metadata": HELD[what]}
    with pytest.raises(Refused) as refused:
        editor.request("PATCH", editor.path_of(body), change, content_type=MERGE, dryRun="All")
    assert f"metadata.{what}: what leaves through outlasting follows from this" in refused.value.message
    steward.request("PATCH", editor.path_of(body), change, content_type=MERGE)
    empty = {"metadata": {what: None}}
    editor.request("PATCH", editor.path_of(body), empty, content_type=MERGE)  # which lets go
    plane.api().delete(body)


@pytest.mark.parametrize("what", HELD)
def test_nor_a_draft_that_somebody_will_agree_on(what: str, people: Mapping[str, KubeApi]) -> None:
    draft = data_product(name="draft")
    message = said(people["editor"], {**draft, "metadata": {**draft["metadata"], **HELD[what]}})
    assert f"metadata.{what}" in message
    assert said(people["editor"], draft) == ""


def test_the_cluster_lets_go_of_an_agreement(plane: ControlPlane) -> None:
    """The garbage collector takes owners out that are gone, and knows no verb `consent`."""
    plane.apply(_signed())
    collector = plane.api("replicas")
    collector.request("PATCH", collector.path_of(_signed()), {"metadata": {"ownerReferences": []}}, content_type=MERGE, dryRun="All")
    plane.api().delete(_signed())


def test_a_pod_of_the_steward_is_the_stewards_who_also_runs_pods(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """The steward alone runs nothing; who holds both roles runs a pod as an account that holds both."""
    plane.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "steward-also-edits", "namespace": "dept-tax"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "commonweal-department-editor"},
            "subjects": [{"kind": "ServiceAccount", "name": "steward", "namespace": "dept-tax"}],
        }
    )
    both = people["steward"]
    try:
        wait_for("the role to be known", lambda: _runs(both))
        assert minted(both, "steward")
    finally:
        plane.api().delete(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "steward-also-edits", "namespace": "dept-tax"},
            }
        )


def _runs(api: KubeApi) -> bool | None:
    try:
        return said(api, pod("steward")) == "" or None
    except Refused:
        return None
