"""What a management cluster gets, and what its configuration may say."""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from commonweal_local import paths
from commonweal_stacks import blueprint
from commonweal_stacks import fleet_names as names
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management import controllers, deployments
from commonweal_stacks.management.certificates import Pair, issue
from commonweal_stacks.management.config import ManagementConfig, parse_management, parse_seed
from commonweal_stacks.management.plan import Plan, Processes, for_deployments, for_processes
from commonweal_stacks.management.program import processes_beside
from commonweal_stacks.management_access import VARIABLE, management_kubeconfig
from support import upstream

SEED = bytes(range(32))
RUN = Processes("https://127.0.0.1:24044", "PEM", "http://127.0.0.1:24045/readyz", {"cluster-api": "core", "local": "ours"})
PROVIDERS = paths.source() / "stacks" / "management" / "providers"
HIDDEN = {"hidden": True}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))
    upstream.write(tmp_path)
    return tmp_path


def processes() -> Plan:
    return for_processes(ManagementConfig(controllers="Processes", kinds=("local", "adopted")), RUN, PROVIDERS)


def workloads(*kinds: Any) -> Plan:
    config = ManagementConfig(controllers="Deployments", kinds=kinds or ("aws",))
    return for_deployments(
        config, lambda one: issue(SEED, one.prefix, deployments.hosts(one), year=2026), PROVIDERS, hidden=lambda _: HIDDEN
    )


def of_kind(objects: tuple[dict[str, Any], ...], kind: str) -> dict[str, dict[str, Any]]:
    return {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] == kind}


def test_a_definition_keeps_one_version_and_says_which_contract_it_speaks() -> None:
    found = of_kind(processes().definitions, "CustomResourceDefinition")["clusters.cluster.x-k8s.io"]
    assert [version["name"] for version in found["spec"]["versions"]] == [names.VERSION]
    assert found["metadata"]["labels"][names.CONTRACT_LABEL] == names.VERSION
    assert "conversion" not in found["spec"]


def test_a_release_that_stores_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path / "other"))
    upstream.write(tmp_path / "other", stored="v1beta1")
    with pytest.raises(SiteConfigError, match=r"clusters\.cluster\.x-k8s\.io .* stores \['v1beta1'\], not v1beta2"):
        processes()


def test_webhooks_of_processes_are_reached_on_loopback_and_known_by_our_authority() -> None:
    (hook,) = of_kind(processes().webhooks, "MutatingWebhookConfiguration")["capi-mutating-webhook-configuration"]["webhooks"]
    assert hook["clientConfig"] == {"url": "https://127.0.0.1:24044/mutate-clusters", "caBundle": base64.b64encode(b"PEM").decode()}


def test_each_process_gets_the_rights_of_its_own_user() -> None:
    bindings = of_kind(processes().definitions, "ClusterRoleBinding")
    core = bindings["capi-manager-rolebinding"]
    assert (core["roleRef"]["name"], core["subjects"][0]["name"]) == ("capi-aggregated-manager-role", "core")
    ours = {name: one["subjects"][0] for name, one in bindings.items() if name != core["metadata"]["name"]}
    assert ours
    assert {(subject["kind"], subject["name"]) for subject in ours.values()} == {("User", "ours")}
    rule = of_kind(processes().definitions, "ClusterRole")["capi-aggregated-manager-role"]["aggregationRule"]
    assert rule["clusterRoleSelectors"] == [{"matchLabels": {controllers.AGGREGATE: "true"}}]


def test_every_revision_of_the_blueprint_has_its_class_in_the_fleets_namespace() -> None:
    classes = of_kind(processes().classes, "ClusterClass")
    assert set(classes) == {f"local-{revision}" for revision in blueprint.REVISIONS}
    assert {obj["metadata"]["namespace"] for obj in processes().classes} == {names.FLEET}


def test_no_object_is_there_twice() -> None:
    for plan in (processes(), workloads("aws", "gcp")):
        objects = [*plan.definitions, *plan.workloads, *plan.webhooks, *plan.classes]
        keys = [(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]) for obj in objects]
        assert len(keys) == len(set(keys))


def test_kinds_with_machines_bring_the_kubeadm_controllers_and_adopted_ones_do_not() -> None:
    assert len(of_kind(workloads("aws").workloads, "Deployment")) == 3
    assert set(of_kind(workloads("adopted").workloads, "Deployment")) == {"capi-controller-manager"}


def test_a_deployment_runs_the_pinned_release_restricted_and_shows_the_certificate_that_its_webhooks_are_known_by() -> None:
    plan = workloads("adopted")
    (container,) = of_kind(plan.workloads, "Deployment")["capi-controller-manager"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.k8s.io/cluster-api/cluster-api-controller:v1.14.2"
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    secret = of_kind(plan.workloads, "Secret")["capi-webhook-service-cert"]["stringData"]
    assert secret["tls.key"] is HIDDEN, "the key is given out only as what `hidden` made of it"
    client = plan.webhooks[0]["webhooks"][0]["clientConfig"]
    authority = x509.load_pem_x509_certificate(base64.b64decode(client["caBundle"]))
    x509.load_pem_x509_certificate(secret["tls.crt"].encode()).verify_directly_issued_by(authority)
    service = client["service"]
    assert of_kind(plan.workloads, "Service")[service["name"]]["metadata"]["namespace"] == service["namespace"] == "capi-system"
    assert "PRIVATE KEY" not in json.dumps([*plan.definitions, *plan.workloads, *plan.webhooks], default=str), (
        "no key stands in clear text in any object"
    )


def pair(seed: bytes = SEED, year: int = 2026) -> Pair:
    return issue(seed, "capi", ("capi.capi-system.svc",), year=year)


def test_the_same_secret_in_the_same_year_gives_the_same_certificates() -> None:
    assert pair() == pair()
    assert pair(year=2027).certificate != pair().certificate, "a new year renews them"
    assert pair(year=2027).key == pair().key
    assert pair(seed=bytes(32)).key != pair().key


def test_a_certificate_names_its_service_fits_its_key_and_lasts_a_year_beyond_the_year_it_was_issued_in() -> None:
    found = x509.load_pem_x509_certificate(pair().certificate.encode())
    key = serialization.load_pem_private_key(pair().key.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert found.public_key() == key.public_key()
    assert found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [
        "capi.capi-system.svc"
    ]
    assert found.not_valid_after_utc == dt.datetime(2028, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"commonweal:management in Pulumi\.m\.yaml: expected a mapping"),
        ({"controllers": "Processes"}, r"management\.kinds in Pulumi\.m\.yaml: .*Add it"),
        ({"controllers": "Pods", "kinds": ["local"]}, r"management\.controllers .*Correct it"),
        ({"controllers": "Processes", "kinds": ["local"], "color": 1}, r"management\.color .*Take it out"),
        ({"controllers": "Processes", "kinds": ["local", "aws"]}, r"kinds with machines \(aws\) need the kubeadm controllers"),
        ({"controllers": "Deployments", "kinds": ["local"]}, r"kind local .* needs controllers: Processes"),
        ({"controllers": "Processes", "kinds": []}, r"management\.kinds"),
    ],
)
def test_a_wrong_stack_file_is_refused_by_key_file_and_remedy(value: Any, message: str) -> None:
    with pytest.raises(SiteConfigError, match=message):
        parse_management(value, stack="m")


@pytest.mark.parametrize(
    ("value", "secret", "message"), [(None, False, "is not set"), ("ab" * 32, False, "clear text"), ("xyz", True, "not 64 hexadecimal")]
)
def test_a_seed_that_cannot_be_used_is_refused_with_the_command_that_makes_one(value: str | None, secret: bool, message: str) -> None:
    with pytest.raises(SiteConfigError, match=rf"{message}.*openssl rand -hex 32 \| pulumi config set --secret"):
        parse_seed(value, stack="m", secret=secret)
    assert parse_seed("ab" * 32, stack="m", secret=True) == b"\xab" * 32


def test_without_a_management_cluster_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "home"))
    with pytest.raises(SiteConfigError, match="commonweal management up"):
        management_kubeconfig()
    with pytest.raises(SiteConfigError, match="controllers: Deployments"):
        processes_beside(tmp_path / "kubeconfig")
    (tmp_path / "mine").write_text("text")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert management_kubeconfig() == "text"


def test_what_the_processes_say_of_themselves_must_be_whole(tmp_path: Path) -> None:
    (tmp_path / "controllers.json").write_text('{"webhooks": "https://127.0.0.1:1"}')
    with pytest.raises(SiteConfigError, match="commonweal management up"):
        processes_beside(tmp_path / "kubeconfig")
