"""Agreements on a real API server: offered, signed with the command line, in force; and what is signed or read stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_api.plan import StorePlan
from commonweal_cli.agreements import sign_all
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.main import main as commonweal
from contract.operator.stage import agreed
from support.control_plane import REPOSITORY, ControlPlane, find_tools
from support.kube_api import MERGE, Refused
from support.waiting import wait_for

EXAMPLE = REPOSITORY / "examples" / "start-a-business"
REGISTRY, TAX = "dept-companies-registry", "dept-tax-authority"
API = "/apis/commonweal.dev/v1alpha1"
Condition = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("business")


@pytest.fixture(autouse=True)
def kubectl(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubectl that the command line takes."""
    path = find_tools("kubectl")["kubectl"]
    monkeypatch.setattr("commonweal_local.toolchain.path_of", lambda _: path)
    return path


def planned(plane: ControlPlane) -> StorePlan:
    text = plane.api().request("GET", f"/api/v1/namespaces/{REGISTRY}-platform/configmaps/commonweal-store-plan")["data"]["plan.json"]
    return StorePlan.model_validate_json(text)


def offered(name: str, **changes: Any) -> dict[str, Any]:
    """Return an agreement that nobody has signed."""
    documents = yaml.safe_load_all((EXAMPLE / "40-agreements.yaml").read_text())
    found = next(d for d in documents if d["metadata"]["name"] == "tax-registers-business")
    return found | {"metadata": {"name": name, "namespace": REGISTRY}, "spec": found["spec"] | changes}


def status(plane: ControlPlane, name: str) -> dict[str, Any]:
    found: dict[str, Any] = plane.api().request("GET", f"{API}/namespaces/{REGISTRY}/consentpolicies/{name}").get("status") or {}
    return found


def reaches(plane: ControlPlane, name: str, state: str) -> None:
    wait_for(f"{name} to be {state}", lambda: status(plane, name).get("negotiation") == state or None)


def run(plane: ControlPlane, *words: str) -> int:
    return commonweal(["agreement", *words, "--kubeconfig", str(plane.kubeconfig())])


def test_from_an_offer_to_data_by_two_signatures_on_the_command_line(
    plane: ControlPlane, operator: Any, pods: Any, condition: Condition, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    manifest = offered("two-signatures")
    plane.apply(manifest)
    reaches(plane, "two-signatures", "Offered")
    assert "two-signatures" not in {a.name for a in planned(plane).agreements}
    assert run(plane, "sign", "two-signatures", "-n", REGISTRY, "--as", "tax-authority") == 0
    said = capsys.readouterr().out
    reaches(plane, "two-signatures", "Accepted")
    for words in (
        "sector: String from column sic_sector",
        "tax-authority, as tax-app",
        "companyName, incorporatedYear",
        "PublicTask",
        "until:",
        status(plane, "two-signatures")["hash"],
        "may object",
    ):
        assert words in said
    assert run(plane, "verify", "two-signatures", "-n", REGISTRY) == 1
    assert "companies-registry: has not signed" in capsys.readouterr().out
    assert "two-signatures" not in {a.name for a in planned(plane).agreements}
    assert run(plane, "sign", "two-signatures", "-n", REGISTRY, "--as", "companies-registry") == 0
    reaches(plane, "two-signatures", "Finalized")
    wait_for("the plan", lambda: "two-signatures" in {a.name for a in planned(plane).agreements} or None)
    pods.work("companies-registry")
    condition("consentpolicies", "two-signatures", "AllReady", namespace=REGISTRY)
    assert run(plane, "verify", "two-signatures", "-n", REGISTRY) == 0
    assert run(plane, "show", "two-signatures", "-n", REGISTRY) == 0
    assert "Finalized" in capsys.readouterr().out
    before = operator.settled()
    assert run(plane, "sign", "two-signatures", "-n", REGISTRY, "--as", "companies-registry") == 0
    assert "has signed this already" in capsys.readouterr().out
    assert operator.settled() == before
    _verified_offline(plane, tmp_path)
    plane.api().delete(manifest)


def _verified_offline(plane: ControlPlane, folder: Path) -> None:
    """The file and both key sets are enough; and a changed word is found."""
    held = plane.api().request("GET", f"{API}/namespaces/{REGISTRY}/consentpolicies/two-signatures")
    file, sets = folder / "agreement.yaml", []
    for name in ("companies-registry", "tax-authority"):
        keys = plane.api().request("GET", f"{API}/departments/{name}")["status"]["keys"]
        (folder / f"{name}.json").write_text(json.dumps({"keys": keys}))
        sets += ["--jwks", f"{name}={folder / name}.json"]
    file.write_text(yaml.safe_dump(held))
    assert commonweal(["agreement", "verify", str(file), *sets]) == 0
    held["spec"]["limits"]["maxRows"] = 1000
    file.write_text(yaml.safe_dump(held))
    assert commonweal(["agreement", "verify", str(file), *sets]) == 1


def test_who_is_no_party_does_not_sign(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(plane, "sign", "tax-registers-business", "-n", REGISTRY, "--as", "benefits-department") == 1
    assert "benefits-department is no party of this agreement" in capsys.readouterr().err


def test_who_may_not_change_the_agreement_gets_what_the_provider_must_apply(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    """The consumer's steward reads the offer and has its own key; the provider's steward puts the signature in."""
    manifest = offered("handed-over")
    plane.apply(manifest)
    own_key = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["commonweal-signing"], "verbs": ["get"]}]
    plane.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "own-key"}, "rules": own_key})
    for role, namespace in (("commonweal-department-viewer", REGISTRY), ("own-key", f"{TAX}-platform")):
        plane.allow("tenant", role, namespace)
    words = ("sign", "handed-over", "-n", REGISTRY, "--as", "tax-authority", "--kubeconfig", str(plane.kubeconfig("tenant")))
    may = f"{API}/namespaces/{REGISTRY}/consentpolicies/handed-over"
    wait_for("the roles to be known", lambda: _reads(plane, may))
    assert commonweal(["agreement", *words]) == 0
    said = capsys.readouterr().out
    assert "You may not change it yourself" in said
    patch = yaml.safe_load(said.partition("<<'END'")[2].rpartition("END")[0])
    plane.api().request("PATCH", plane.api().path_of(manifest), patch, content_type=MERGE)
    reaches(plane, "handed-over", "Accepted")
    plane.api().delete(manifest)


def _reads(plane: ControlPlane, path: str) -> bool | None:
    try:
        return bool(plane.api("tenant").request("GET", path))
    except Refused:
        return None


def test_everything_unsigned_is_signed_at_once_and_what_holds_is_left_alone(plane: ControlPlane, kubectl: Path) -> None:
    manifest = offered("in-bulk")
    plane.apply(manifest)
    assert sign_all(Kubectl(kubectl, plane.kubeconfig()), [REGISTRY]) == [f"{REGISTRY}/in-bulk"]
    assert sign_all(Kubectl(kubectl, plane.kubeconfig()), [REGISTRY, TAX]) == []
    reaches(plane, "in-bulk", "Finalized")
    plane.api().delete(manifest)


def test_what_is_signed_cannot_be_changed(plane: ControlPlane) -> None:
    manifest = agreed(plane, offered("held"))
    plane.apply(manifest)
    # Signed as it is, it is open for a moment; a pass that began then must not write its plan after what follows.
    wait_for("the plan with it", lambda: "held" in {a.name for a in planned(plane).agreements} or None)
    path = plane.api().path_of(manifest)
    with pytest.raises(Refused, match=r"spec.limits: is signed and cannot be changed; take out spec.signatures"):
        plane.api().request("PATCH", path, {"spec": {"limits": {"maxRows": 1000}}}, content_type=MERGE)
    plane.api().request("PATCH", path, {"spec": {"signatures": None, "limits": {"maxRows": 1000}}}, content_type=MERGE)
    reaches(plane, "held", "Offered")
    wait_for("the plan without it", lambda: "held" not in {a.name for a in planned(plane).agreements} or None)
    plane.api().request("PATCH", path, {"spec": {"signatures": manifest["spec"]["signatures"]}}, content_type=MERGE)
    reaches(plane, "held", "Terminated")
    assert "held" not in {a.name for a in planned(plane).agreements}
    plane.api().delete(manifest)


def test_what_a_party_revokes_on_the_command_line_nobody_takes_out_and_both_can_agree_again(
    plane: ControlPlane, kubectl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = offered("taken-back")
    plane.apply(manifest)
    site = Kubectl(kubectl, plane.kubeconfig())
    assert sign_all(site, [REGISTRY]) == [f"{REGISTRY}/taken-back"]
    reaches(plane, "taken-back", "Finalized")
    path = plane.api().path_of(manifest)
    signed = plane.api().request("GET", path)["spec"]
    assert run(plane, "revoke", "taken-back", "-n", REGISTRY, "--as", "tax-authority") == 0
    assert "its nonce never opens again" in capsys.readouterr().out
    reaches(plane, "taken-back", "Terminated")
    wait_for("the plan to say so", lambda: signed["nonce"] in (planned(plane).revoked or ()) or None)
    assert "taken-back" not in {a.name for a in planned(plane).agreements}
    with pytest.raises(Refused, match=r"spec\.revocations: what is revoked stays revoked"):
        plane.api().request("PATCH", path, {"spec": {"revocations": None}}, content_type=MERGE)
    for party in ("tax-authority", "companies-registry"):
        again = () if party == "companies-registry" else ("--renew",)
        assert run(plane, "sign", "taken-back", "-n", REGISTRY, "--as", party, *again) == 0
    reaches(plane, "taken-back", "Finalized")
    found = plane.api().request("GET", path)["spec"]
    assert (found["nonce"] != signed["nonce"], len(found["revocations"])) == (True, 1)
    plane.api().delete(manifest)


def test_a_product_changed_under_an_agreement_closes_it_and_says_what_changed(plane: ControlPlane, condition: Condition) -> None:
    """Attack c, on a real API server: the plan that carries the new meaning carries no agreement that was signed over the old one."""
    name, path = "tax-registers-business", f"{API}/namespaces/{REGISTRY}/dataproducts/companies"
    reaches(plane, name, "Finalized")
    before = plane.api().request("GET", path)["spec"]["fields"]
    other = [f | ({"column": "director_ref"} if f["name"] == "postcode" else {}) for f in before]
    plane.api().request("PATCH", path, {"spec": {"fields": other}}, content_type=MERGE)
    found = condition("consentpolicies", name, "MeaningChanged", namespace=REGISTRY, type_="CounterSigned")
    assert "postcode meant «String from column registered_postcode» and means «String from column director_ref»." in found["message"]

    def carried() -> StorePlan | None:
        plan = planned(plane)
        return plan if next(p for p in plan.products if p.name == "companies").spec.wire()["fields"] != before else None

    assert name not in {a.name for a in wait_for("the plan with the new meaning", carried).agreements}
    plane.api().request("PATCH", path, {"spec": {"fields": before}}, content_type=MERGE)
    reaches(plane, name, "Finalized")


def test_a_dry_run_says_what_it_would_change_and_opens_nothing(plane: ControlPlane, pods: Any, operator: Any) -> None:
    manifest = offered("what-if", mode="DryRun")
    plane.apply(manifest)
    wait_for("the plan", lambda: {a.name: a.dry_run for a in planned(plane).agreements}.get("what-if"))
    pods.work("companies-registry")
    wait_for("what it would change", lambda: status(plane, "what-if").get("whatIf"))
    assert status(plane, "what-if")["whatIf"]["subjectsGained"] == 7
    before = operator.settled()
    pods.work("companies-registry")
    assert operator.settled() == before, "counted again with the same result, nothing is written"
    plane.api().delete(manifest)


def test_a_breaking_change_is_refused_and_stays_refused_after_a_restart(plane: ControlPlane, operator: Any, condition: Condition) -> None:
    path = f"{API}/namespaces/{REGISTRY}/dataproducts/companies"
    before = plane.api().request("GET", path)
    fewer = [f for f in before["spec"]["fields"] if f["name"] != "sector"]
    kept = next(p for p in planned(plane).products if p.name == "companies")
    plane.api().request("PATCH", path, {"spec": {"fields": fewer}}, content_type=MERGE)
    found = condition("dataproducts", "companies", "BreakingChange", namespace=REGISTRY, type_="Compatible")
    assert "sector is no longer offered" in found["message"]
    assert "tax-authority/tax-registers-business" in found["message"]
    operator.settled()
    for end in (operator.stop, operator.kill):
        writes = len(operator.writes())
        end()
        operator.start()
        operator.settled()
        assert operator.writes()[writes:] == []
        assert next(p for p in planned(plane).products if p.name == "companies") == kept
    assert {"tax-registers-business", "guidance-knows-company"} <= {a.name for a in planned(plane).agreements}
    plane.api().request("PATCH", path, {"spec": {"fields": before["spec"]["fields"]}}, content_type=MERGE)
    condition("dataproducts", "companies", "Compatible", namespace=REGISTRY, type_="Compatible")


def test_documents_stand_beside_their_objects_and_go_with_them(plane: ControlPlane) -> None:
    manifest = agreed(plane, offered("documented"))
    plane.apply(manifest)
    path = f"/api/v1/namespaces/{REGISTRY}/configmaps/agreement-documented"

    def there() -> dict[str, Any] | None:
        try:
            return plane.api().request("GET", path)
        except Refused:
            return None

    wait_for("the documents to say that it opens", lambda: ((d := there()) and "permit (" in d["data"]["policy.cedar"]) or None)
    assert "odcs" in str(plane.api().request("GET", f"/api/v1/namespaces/{REGISTRY}/configmaps/contract-companies")["data"].keys())
    plane.api().delete(manifest)
    wait_for("the documents to be gone", lambda: there() is None or None)


def test_keys_are_published_and_the_private_half_is_read_by_no_watch(plane: ControlPlane) -> None:
    keys = plane.api().request("GET", f"{API}/departments/companies-registry")["status"]["keys"]
    assert [k["purpose"] for k in keys] == ["Agreement", "Seal"]
    secret = plane.api().request("GET", f"/api/v1/namespaces/{REGISTRY}-platform/secrets/commonweal-signing")
    assert secret["metadata"]["annotations"]["commonweal.dev/public-key"] == keys[0]["x"]
    assert planned(plane).signing is not None
