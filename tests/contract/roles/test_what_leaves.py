"""What decides what leaves needs `consent`: an editor changes neither a product's substance nor a model's callers, and does not name a registrar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from contract.roles.conftest import said
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi, Refused
from support.manifests import Body, Change, consent_policy, data_product_in_full, department, drop, model_service, put
from support.waiting import wait_for

MANY = (
    put("spec.subject", {"column": "person_ref", "records": "Many", "recordKey": "record_no"}),
    put("spec.serve.auditDurability", "Durable"),
)
GUARDED: Mapping[str, Change] = {
    "spec.version": put("spec.version", "2.1.1"),
    "spec.class": put("spec.class", "Business"),
    "spec.source": put("spec.source.postgres.credentials.name", "another-login"),
    "spec.subject": put("spec.subject.recordKey", "person_ref"),
    "spec.fields": put("spec.fields.0.column", "postcode"),
    "spec.answers": drop("spec.answers"),
    "spec.serve": put("spec.serve.auditDurability", "Deferred"),
    "spec.quality": put("spec.quality.0.onFail", "Warn"),
    "spec.rights": put("spec.rights.erasure", "AtSource"),
    "spec.earlier": put("spec.earlier.0.until", "2027-06-02T00:00:00Z"),
}
FREE: Mapping[str, Change] = {
    "spec.title": put("spec.title", "Everybody"),
    "spec.description": put("spec.description", "Who lives here."),
    "spec.owner": drop("spec.owner"),
    "spec.sla": put("spec.sla.freshnessSeconds", 60),
    "metadata": put("metadata.annotations", {"note": "read"}),
}
AGREED = "guarded"
PRODUCT, MODEL = data_product_in_full(*MANY, name=AGREED), model_service(name=AGREED, department="tax")


@pytest.fixture(scope="module", autouse=True)
def published(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """A product under an agreement, and a model, as the steward made them."""
    for manifest in (PRODUCT, MODEL, consent_policy(put("spec.product.name", AGREED), name=AGREED)):
        plane.apply(manifest)


def _changed(*changes: Change) -> Body:
    return data_product_in_full(*MANY, *changes, name=AGREED)


def _applied(api: KubeApi, manifest: Body) -> str:
    """Return what a replacement of the whole object is refused with; taking a field out is a change as well."""
    path = api.path_of(manifest)
    version = api.get(manifest)["metadata"]["resourceVersion"]
    try:
        api.request("PUT", path, manifest | {"metadata": manifest["metadata"] | {"resourceVersion": version}}, dryRun="All")
    except Refused as refused:
        return refused.message
    return ""


@pytest.mark.parametrize("field", GUARDED)
def test_c_what_a_product_gives_is_the_stewards_to_change(field: str, people: Mapping[str, KubeApi]) -> None:
    message = _applied(people["editor"], _changed(GUARDED[field]))
    assert f"{field}: what leaves through {AGREED} follows from this" in message
    assert "system:serviceaccount:dept-tax:editor does not hold the verb consent" in message
    assert "commonweal-department-steward in dept-tax" in message
    assert _applied(people["steward"], _changed(GUARDED[field])) == ""


@pytest.mark.parametrize("change", [put("spec.serve.acceptLoss", "0123456789abcdef"), put("spec.serve.maxLossPercent", 100)])
def test_c_what_a_load_may_take_away_is_the_stewards_to_say(change: Change, people: Mapping[str, KubeApi]) -> None:
    message = _applied(people["editor"], _changed(change))
    assert "spec.serve: what leaves through" in message
    assert "does not hold the verb consent" in message
    assert _applied(people["steward"], _changed(change)) == ""


def test_c_a_masked_field_is_not_led_to_another_column(people: Mapping[str, KubeApi]) -> None:
    """As it was done: the field under the mask gets another origin, and the signatures stay what they are."""
    fields = [{**field, "column": "person_ref"} if field["name"] == "birthDate" else field for field in PRODUCT["spec"]["fields"]]
    editor = people["editor"]
    with pytest.raises(Refused) as refused:
        editor.request("PATCH", editor.path_of(PRODUCT), {"spec": {"fields": fields}}, content_type=MERGE)
    assert "spec.fields: what leaves" in refused.value.message


@pytest.mark.parametrize("field", FREE)
def test_what_only_says_something_an_editor_changes(field: str, people: Mapping[str, KubeApi]) -> None:
    assert _applied(people["editor"], _changed(FREE[field])) == ""


def test_each_changed_field_is_named(people: Mapping[str, KubeApi]) -> None:
    message = _applied(people["editor"], _changed(GUARDED["spec.source"], GUARDED["spec.version"], FREE["spec.title"]))
    assert "spec.source" in message.partition(": what leaves")[0]
    assert "spec.version" in message.partition(": what leaves")[0]
    assert "spec.title" not in message


def test_c_a_product_is_not_changed_by_making_it_again(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """Deleting closes and is allowed; what an agreement names is then not made again by an editor."""
    editor = people["editor"]
    plane.apply(consent_policy(put("spec.product.name", "vanished"), name="outlives-it"))
    again = data_product_in_full(*MANY, name="vanished")
    message = wait_for("the agreement to be known", lambda: said(editor, again))
    assert "metadata.name: the ConsentPolicy outlives-it names the DataProduct vanished" in message
    assert "choose another name, or ask a steward" in message
    assert said(people["steward"], again) == ""
    assert said(editor, data_product_in_full(name="a-draft")) == "", "what no agreement names reaches nobody"
    editor.delete(PRODUCT, dry_run=True)
    editor.delete(MODEL, dry_run=True)


def test_an_agreement_of_another_department_guards_no_product_here(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    plane.apply(consent_policy(put("spec.product.name", "elsewhere-too"), name="elsewhere-too", department="benefits"))
    wait_for("that agreement to be known", lambda: said(people["steward"], consent_policy()) == "" or None)
    assert said(people["editor"], data_product_in_full(name="elsewhere-too")) == ""


def test_a_model_has_callers_from_the_start(people: Mapping[str, KubeApi]) -> None:
    another = model_service(name="another", department="tax")
    message = said(people["editor"], another)
    for field in ("spec.callers", "spec.features", "spec.purpose"):
        assert field in message.partition(": what leaves through another")[0]
    assert said(people["steward"], another) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("callers", [*MODEL["spec"]["callers"], {"department": "tax", "client": "app"}]),
        ("features", MODEL["spec"]["features"][:1]),
    ],
)
def test_b_who_asks_a_model_and_what_it_knows_is_the_stewards(field: str, value: Any, people: Mapping[str, KubeApi]) -> None:
    changed = model_service(put(f"spec.{field}", value), name=AGREED, department="tax")
    assert f"spec.{field}: what leaves through {AGREED}" in said(people["editor"], changed)
    assert said(people["steward"], changed) == ""


def test_how_a_model_learns_an_editor_changes(people: Mapping[str, KubeApi]) -> None:
    changed = model_service(put("spec.learning.gamma", 50), put("spec.title", "Another"), name=AGREED, department="tax")
    assert said(people["editor"], changed) == ""


def test_i_a_registrar_is_named_with_the_departments_consent(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """Somebody who writes Departments, and only those, adds no registrar; who also has the steward's role does. Taking one away closes."""
    rule = {"apiGroups": ["commonweal.dev"], "resources": ["departments"], "verbs": ["get", "create", "update", "patch"]}
    plane.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "clerk"}, "rules": [rule]})
    plane.allow("clerk", "clerk")
    clerk, more = plane.api("clerk"), department(put("spec.registrars", ["court", "app"]))
    wait_for("the role to be known", lambda: _reads(clerk))
    assert _applied(clerk, department(drop("spec.contact"), put("spec.contact", "mailto:new@tax.example"))) == "", "court is taken away"
    message = _applied(clerk, more)
    assert (
        "spec.registrars: app would decide who may act for which person, and clerk does not hold the verb consent on the Department tax"
        in message
    )
    assert "commonweal-department-steward in dept-tax" in message
    plane.allow("clerk", "commonweal-department-steward", "dept-tax")
    wait_for("the steward's role to be known", lambda: not _applied(clerk, more) or None)


def _reads(api: KubeApi) -> bool | None:
    try:
        return bool(api.get(department()))
    except Refused:
        return None
