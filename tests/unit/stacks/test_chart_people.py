"""What the chart runs for people: the issuer, its store and the portal; their addresses, and who reaches whom."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from commonweal_stacks.exceptions import ChartError
from commonweal_stacks.platform import chart, values

IMAGES = {"operator": "localhost/o:1", "runtime": "localhost/r:1", "store": "localhost/s:1", "portal": "localhost/p:1"}
NETWORKS = {"podCidrs": ["10.244.0.0/16"], "serviceCidrs": ["10.96.0.0/16"], "clientCidrs": ["10.1.0.0/16"]}
PORTAL = f"https://portal.{chart.NAMESPACE}.svc.cluster.local"


def rendered(**given: Any) -> dict[tuple[str, str], Any]:
    identity = {"enabled": True, **given.pop("identity", {})}
    found = chart.render(values.CHART, {"images": IMAGES, "identity": identity, **NETWORKS, **given})
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def container(found: dict[tuple[str, str], Any], kind: str, name: str) -> Any:
    (only,) = found[kind, name]["spec"]["template"]["spec"]["containers"]
    return only


def environment(found: dict[tuple[str, str], Any], name: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(found, "Deployment", name)["env"]}


def known_to_the_operator(found: dict[tuple[str, str], Any]) -> str:
    return str(yaml.safe_load(found["ConfigMap", "commonweal-operator"]["data"]["config.yaml"])["portal"])


def peers(rule: dict[str, Any], way: str) -> list[str]:
    """Return who a rule of a policy names: components, networks, or the label of namespaces."""
    return [
        each["ipBlock"]["cidr"]
        if "ipBlock" in each
        else each["podSelector"]["matchLabels"].get("app.kubernetes.io/component", each["podSelector"]["matchLabels"].get("k8s-app"))
        for each in rule[way]
    ]


@pytest.mark.parametrize(("url", "known"), [("", PORTAL), ("https://my.example", "https://my.example")])
def test_the_portal_is_known_by_its_name_in_the_cluster_unless_it_has_another(url: str, known: str) -> None:
    found = rendered(portal={"url": url})
    issuer, portal = environment(found, "identity"), environment(found, "portal")
    assert issuer["COMMONWEAL_PORTAL_URL"] == portal["COMMONWEAL_PORTAL_URL"] == known_to_the_operator(found) == known
    assert issuer["COMMONWEAL_PORTAL_INNER"] == PORTAL, "whatever its name, the issuer reaches it in the cluster"
    assert portal["COMMONWEAL_ISSUER_INNER"] == f"https://identity.{chart.NAMESPACE}.svc.cluster.local"


@pytest.mark.parametrize("given", [{"portal": {"enabled": False}}, {"identity": {"enabled": False}}])
def test_without_it_nobody_knows_of_it(given: dict[str, Any]) -> None:
    found = rendered(**given)
    assert known_to_the_operator(found) == ""
    assert not [name for kind, name in found if "portal" in name]
    if ("Deployment", "identity") in found:
        assert environment(found, "identity")["COMMONWEAL_PORTAL_URL"] == ""


def test_a_portal_with_a_path_or_in_the_clear_is_refused() -> None:
    for url in ("https://my.example/pages", "http://my.example"):
        with pytest.raises(ChartError, match="portal"):
            rendered(portal={"url": url})


def test_the_issuer_alone_reaches_the_store_which_reaches_nobody() -> None:
    policy = rendered()["NetworkPolicy", "commonweal-identity-store"]["spec"]
    (rule,) = policy["ingress"]
    assert peers(rule, "from") == ["identity"]
    assert (policy["policyTypes"], policy.get("egress")) == (["Ingress", "Egress"], None)


def test_the_portal_reaches_the_issuer_the_data_apis_and_named_sites_and_nobody_else() -> None:
    policy = rendered()["NetworkPolicy", "commonweal-portal"]["spec"]
    assert [peers(rule, "to") for rule in policy["egress"]] == [["identity"], ["data-api"], ["kube-dns", "169.254.20.10/32"]]
    assert [peers(rule, "from") for rule in policy["ingress"]] == [["identity", "10.1.0.0/16"]]
    beyond = rendered(portal={"siteCidrs": ["10.210.0.0/16"]})["NetworkPolicy", "commonweal-portal"]["spec"]["egress"]
    assert [peers(rule, "to") for rule in beyond][2] == ["10.210.0.0/16"]


def test_the_issuer_goes_outside_only_where_a_provider_signs_people_in_and_on_its_port_alone() -> None:
    closed = rendered()["NetworkPolicy", "commonweal-identity"]["spec"]["egress"]
    assert [peers(rule, "to") for rule in closed] == [["identity-store"], ["portal"], ["kube-dns", "169.254.20.10/32"]]
    found = rendered(identity={"signInWith": {"issuer": "https://people.example:8443/realm", "clientId": "commonweal"}})
    (rule,) = [each for each in found["NetworkPolicy", "commonweal-identity"]["spec"]["egress"] if each["ports"][0]["port"] == 8443]
    assert [(each["ipBlock"]["cidr"], each["ipBlock"].get("except")) for each in rule["to"]] == [
        ("0.0.0.0/0", ["10.244.0.0/16", "10.96.0.0/16"]),
        ("::/0", None),
    ]
    assert environment(found, "identity")["COMMONWEAL_PROVIDER_CLIENT_ID"] == "commonweal"


def test_the_store_is_one_pod_of_the_stores_image_with_a_volume_of_the_sites_class() -> None:
    found = rendered(identity={"storeSize": "4Gi"})
    spec = found["StatefulSet", "identity-store"]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert (spec["replicas"], container(found, "StatefulSet", "identity-store")["image"]) == (1, IMAGES["store"])
    assert (claim["spec"]["storageClassName"], claim["spec"]["resources"]["requests"]["storage"]) == ("std-rwo", "4Gi")


def test_the_issuer_and_the_portal_run_from_one_image_and_each_has_a_pod_when_one_is_away() -> None:
    found = rendered()
    for name in ("identity", "portal"):
        assert container(found, "Deployment", name)["image"] == IMAGES["portal"]
        assert found["Deployment", name]["spec"]["replicas"] == 2
        assert found["PodDisruptionBudget", name]["spec"]["minAvailable"] == 1
