"""The chart's values: one source, a closed schema, and Helm refuses by name what is not in it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft7Validator

from commonweal_stacks.exceptions import ChartError
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.platform import chart, values
from commonweal_stacks.site import SiteConfig
from commonweal_stacks.site_kinds import Kind
from support.sites import site

SCHEMA = values.schema()
IMAGES = {"operator": "localhost/o:1", "runtime": "localhost/r:1", "store": "localhost/s:1", "portal": "localhost/p:1"}
PAGE = values.CHART.parents[1] / "docs" / "how-to" / "helm.md"
USED = re.compile(r"\.Values\.([A-Za-z.]+)")
# Helm's own way to hand values down to a chart; this one reads none.
HANDED_DOWN = "global"


def default_values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((values.CHART / "values.yaml").read_text())
    return found


def leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the values that hold no others, by their dotted names."""
    if not node.get("properties"):
        yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from leaves(inner, f"{path}.{name}".lstrip("."))


def objects(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every part of the schema that describes an object."""
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from objects(inner)
    if isinstance(node, dict) and node.get("type") == "object":
        yield node


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as Helm lays given ones over the chart's: null takes one away."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return {key: value for key, value in result.items() if value is not None}


def errors(given: Mapping[str, Any]) -> set[str]:
    return {error.json_path for error in Draft7Validator(SCHEMA).iter_errors(merged(default_values(), given))}


def of(found: list[Manifest], kind: str, name: str) -> Manifest:
    (one,) = (each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return one


def config(found: list[Manifest]) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(of(found, "ConfigMap", "commonweal-operator")["data"]["config.yaml"])
    return read


def test_the_charts_files_are_as_the_source_says() -> None:
    assert values.main(["--check"]) == 0, f"run `{values.COMMAND}`"


def test_a_file_that_is_out_of_date_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(values, "CHART", tmp_path)
    assert values.main([]) == 0
    assert values.main(["--check"]) == 0
    (tmp_path / "values.yaml").write_text("expose: NodePort\n")
    assert values.main(["--check"]) == 1
    assert "values.yaml is out of date. Run `python -m commonweal_stacks.platform.values`" in capsys.readouterr().err


def test_the_schema_is_one_and_describes_every_value_and_closes_every_object() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert "$ref" not in str(SCHEMA)
    for found in objects(SCHEMA):
        if found is not SCHEMA["properties"][HANDED_DOWN]:
            assert found["additionalProperties"] is False, found["description"]
        for name, inner in found.get("properties", {}).items():
            assert inner.get("description", "").endswith((".", ").")), name


def test_every_value_has_its_default_in_the_schema_and_in_the_chart_but_for_the_images() -> None:
    stated = {name: leaf.get("default") for name, leaf in leaves(SCHEMA)}
    without = {name for name, default in stated.items() if default is None}
    assert without == {"images.operator", "images.runtime", "images.store", "images.portal", "operator.resources.limits.cpu", HANDED_DOWN}
    for name in stated.keys() - without:
        here: Any = default_values()
        for part in name.split("."):
            here = here[part]
        assert here == stated[name], name


def test_the_templates_use_every_value_of_the_schema_and_no_other() -> None:
    texts = [file.read_text() for file in (values.CHART / "templates").rglob("*") if file.is_file()]
    used = {name for text in texts for name in USED.findall(text)}
    known = {name for name, _ in leaves(SCHEMA)} - {HANDED_DOWN}
    assert {name for name in known if not any(f"{name}.".startswith(f"{whole}.") for whole in used)} == set(), "used by no template"
    assert {name for name in used if not any(f"{leaf}.".startswith(f"{name}.") for leaf in known)} == set(), "not in the schema"


def test_the_charts_defaults_are_good_once_the_images_are_named() -> None:
    assert errors({"images": IMAGES}) == set()
    assert errors({}) == {f"$.images.{name}" for name in IMAGES}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_what_a_stack_gives_the_chart_is_good_for_a_site_of_each_kind(kind: Kind) -> None:
    assert errors(chart.values(site(kind), IMAGES)) == set()


def test_the_networks_inside_are_the_blueprints_and_of_an_adopted_cluster_what_the_site_says() -> None:
    own = {"pods": ["10.1.0.0/16"], "services": ["10.2.0.0/16", "fd00::/112"]}
    for made, pods, services in (
        (site("local"), ["10.244.0.0/16"], ["10.96.0.0/16"]),
        (site("adopted"), [], []),
        (site("adopted", networks=own), own["pods"], own["services"]),
    ):
        told = chart.values(made, IMAGES)
        assert (told["podCidrs"], told["serviceCidrs"]) == (pods, services)
        egress = of(chart.render(values.CHART, told), "NetworkPolicy", "commonweal-operator")["spec"]["egress"][0]
        blocks = {b["ipBlock"]["cidr"]: b["ipBlock"].get("except", []) for b in egress.get("to", [])}
        inside = sorted([*pods, *services])
        assert blocks == ({w: [c for c in inside if (":" in c) == (":" in w)] for w in ("0.0.0.0/0", "::/0")} if inside else {})


@pytest.mark.parametrize("given", re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL))
def test_the_values_that_the_documentation_shows_are_good(given: str) -> None:
    shown = yaml.safe_load(given)
    assert errors(shown) == set()
    assert chart.render(values.CHART, shown)


WRONG: dict[str, dict[str, Any]] = {
    "$.expose": {"expose": "NodePort"},
    "$.clientCidrs[0]": {"clientCidrs": ["everybody"]},
    "$.storageClass": {"storageClass": "gp3"},
    "$.site": {"site": "On Prem"},
    "$.clientIssuer": {"clientIssuer": "ftp://x"},
    "$.images.store": {"images": {"store": "two words"}},
    "$.identity.enabled": {"identity": {"enabled": "yes"}},
    "$.identity.issuer": {"identity": {"issuer": "people.example"}},
    "$.identity.jwks": {"identity": {"jwks": "none"}},
    "$.identity.people": {"identity": {"people": "Some People"}},
    "$.identity.provider.subject": {"identity": {"provider": {"subject": "pairwise"}}},
    "$.identity.provider.skewSeconds": {"identity": {"provider": {"skewSeconds": 301}}},
    "$.sectorsSecret": {"sectorsSecret": ""},
    "$.operator.replicas": {"operator": {"replicas": 0}},
    "$.operator.resources.limits.memory": {"operator": {"resources": {"limits": {"memory": "much"}}}},
    "$": {"identity_": {}},
    "$.operator.resources.requests": {"operator": {"resources": {"requests": {"disk": "1Gi"}}}},
    "$.identity.provider": {"identity": {"provider": {"claim": None}}},
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_value_is_refused_by_its_name(path: str) -> None:
    given = {"images": IMAGES} | WRONG[path] if path != "$.images.store" else {"images": IMAGES | WRONG[path]["images"]}
    assert errors(given) == {path}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"expose": "NodePort"}, r"'/expose'"),
        ({"identity": {"issuer": "people.example"}}, r"'/identity/issuer'"),
        ({"identity": {"enable": True}}, r"'/identity'.*'enable'"),
        ({"operator": {"replicas": "two"}}, r"'/operator/replicas'"),
        ({"images": {"operator": ""}}, r"'/images/operator'"),
    ],
)
def test_helm_says_which_value_it_refuses(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ChartError, match=words):
        chart.render(values.CHART, merged({"images": IMAGES}, given))


def test_helm_takes_values_that_somebody_took_away_where_none_is_needed() -> None:
    found = chart.render(
        values.CHART, {"images": IMAGES, "operator": {"resources": {"limits": None, "requests": {"cpu": 1}}}, "global": {"x": 1}}
    )
    (container,) = of(found, "Deployment", "commonweal-operator")["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": 1, "memory": "384Mi"}}


def test_without_an_issuer_everything_else_is_there_and_the_operator_knows_of_none() -> None:
    off = chart.render(values.CHART, {"images": IMAGES})
    on = chart.render(values.CHART, {"images": IMAGES, "identity": {"enabled": True}})
    extra = {(each["kind"], each["metadata"]["name"]) for each in on} - {(each["kind"], each["metadata"]["name"]) for each in off}
    assert extra == {
        ("ServiceAccount", "identity"),
        ("Service", "identity"),
        ("Deployment", "identity"),
        ("PodDisruptionBudget", "identity"),
        ("NetworkPolicy", "commonweal-identity"),
        ("ServiceAccount", "identity-store"),
        ("Service", "identity-store"),
        ("StatefulSet", "identity-store"),
        ("NetworkPolicy", "commonweal-identity-store"),
        ("ServiceAccount", "portal"),
        ("Service", "portal"),
        ("Deployment", "portal"),
        ("PodDisruptionBudget", "portal"),
        ("NetworkPolicy", "commonweal-portal"),
    }
    assert (config(off)["personIssuer"], config(off)["personJwks"], config(off)["personEmbedded"]) == ("", "", False)


def test_the_small_issuer_is_known_by_its_address_in_the_cluster_unless_it_has_another_name() -> None:
    at = f"https://identity.{chart.NAMESPACE}.svc.cluster.local"
    for issuer, known in (("", at), ("https://people.example", "https://people.example")):
        found = chart.render(values.CHART, {"images": IMAGES, "identity": {"enabled": True, "issuer": issuer}})
        assert (config(found)["personIssuer"], config(found)["personJwks"], config(found)["personEmbedded"]) == (known, "", True)
        (container,) = of(found, "Deployment", "identity")["spec"]["template"]["spec"]["containers"]
        assert container["env"][0] == {"name": "COMMONWEAL_ISSUER", "value": known}


def test_an_issuer_of_the_sites_own_is_named_to_the_operator_and_found_by_discovery() -> None:
    found = chart.render(values.CHART, {"images": IMAGES, "identity": {"issuer": "https://people.example"}})
    assert (config(found)["personIssuer"], config(found)["personJwks"]) == ("https://people.example", "")
    assert config(found)["personEmbedded"] is False


def test_an_issuer_over_plain_http_is_refused_for_whoever_answers_could_name_its_own_keys() -> None:
    with pytest.raises(ChartError, match=r"identity\.issuer is not https"):
        chart.render(values.CHART, {"images": IMAGES, "identity": {"issuer": "http://people.example"}})
    found = chart.render(
        values.CHART, {"images": IMAGES, "identity": {"issuer": "http://people.example", "jwks": "https://people.example/jwks"}}
    )
    assert config(found)["personJwks"] == "https://people.example/jwks"


def test_keys_without_an_issuer_are_refused_with_the_values_to_set() -> None:
    with pytest.raises(ChartError, match=r"set identity\.issuer, or identity\.enabled"):
        chart.render(values.CHART, {"images": IMAGES, "identity": {"jwks": "https://people.example/jwks"}})


def test_a_stack_and_the_chart_alone_install_the_same() -> None:
    """Two ways to one layer: what a stack gives, and the same settings written by hand."""
    config_of_site = {
        "clientCidrs": ["10.1.0.0/16"],
        "trustedProxies": ["10.9.0.0/24"],
        "expose": "LoadBalancer",
        "identity": {"enabled": True},
    }
    chosen: SiteConfig = site("local", **config_of_site)
    by_hand = {"images": IMAGES, "site": chosen.name, "podCidrs": ["10.244.0.0/16"], "serviceCidrs": ["10.96.0.0/16"], **config_of_site}
    assert chart.render(values.CHART, chart.values(chosen, IMAGES)) == chart.render(values.CHART, by_hand)


def issuer(**chosen: Any) -> dict[str, Manifest]:
    """Return the objects of the small issuer, by kind."""
    given = {"images": IMAGES, "identity": {"enabled": True, **chosen.pop("identity", {})}, **chosen}
    return {each["kind"]: each for each in chart.render(values.CHART, given) if each["metadata"]["name"] == "identity"}


def test_people_sign_in_while_one_pod_of_the_issuer_is_away() -> None:
    found = issuer()
    assert found["Deployment"]["spec"]["replicas"] == 2
    assert found["Deployment"]["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in found["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]),
    ):
        assert selector.items() <= labels.items()
    assert "PodDisruptionBudget" not in issuer(identity={"replicas": 1}), "with one pod no node could ever be emptied"


def test_the_issuer_sees_who_signs_in_and_counts_in_one_place() -> None:
    outside, inside = issuer(expose="LoadBalancer")["Service"]["spec"], issuer()["Service"]["spec"]
    assert (outside["externalTrafficPolicy"], outside["sessionAffinity"]) == ("Local", "ClientIP")
    assert "externalTrafficPolicy" not in inside, "an API server takes it of no other type"


def test_proxies_are_trusted_by_name_only() -> None:
    def told(**chosen: Any) -> tuple[Any, Any]:
        env = issuer(**chosen)["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"]
        by_name = {each["name"]: each["value"] for each in env}
        return by_name["COMMONWEAL_TRUSTED_PROXIES"], config(chart.render(values.CHART, {"images": IMAGES, **chosen}))["trustedProxies"]

    assert told() == ("", [])
    assert told(trustedProxies=["10.9.0.0/24", "fd00::/64"]) == ("10.9.0.0/24,fd00::/64", ["10.9.0.0/24", "fd00::/64"])


def test_a_mail_server_reaches_the_operators_settings() -> None:
    found = config(
        chart.render(values.CHART, {"images": IMAGES, "mail": {"server": "smtps://mail.example:465", "sender": "codes@gov.example"}})
    )
    assert (found["smtp"], found["smtpFrom"]) == ("smtps://mail.example:465", "codes@gov.example")
    assert (
        config(chart.render(values.CHART, {"images": IMAGES}))["smtp"],
        config(chart.render(values.CHART, {"images": IMAGES}))["smtpFrom"],
    ) == ("", "")
    with pytest.raises(ChartError, match="mail"):
        chart.render(values.CHART, {"images": IMAGES, "mail": {"server": "mail.example", "sender": "codes@gov.example"}})
