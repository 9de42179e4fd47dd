"""What departments get: secure by construction, and keys that are what they must be."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import urllib.request
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from commonweal_kube.status import same, stamped
from commonweal_operator.desired.manifest import HASH, Owner, child
from commonweal_operator.desired.network import network
from commonweal_operator.desired.platform import Images, PlatformConfig
from commonweal_operator.engine.probes import LoopWatch, Probes
from support.waiting import HANG

ROOT = Path(__file__).resolve().parents[3]
PLATFORM = PlatformConfig(images=Images(runtime="r", store="s"))
OWNER = Owner("tax", "u-tax")
OUTPUTS = sorted((ROOT / "tests" / "golden").glob("*/output.yaml"))


def objects() -> list[dict[str, Any]]:
    return [obj for path in OUTPUTS for obj in yaml.safe_load_all(path.read_text())]


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [(o["metadata"]["name"], o["spec"]["template"]["spec"]) for o in objects() if o["kind"] in ("Deployment", "StatefulSet")]


def test_every_pod_meets_the_restricted_standard_and_has_a_read_only_root() -> None:
    assert len(pods()) >= 9
    for name, pod in pods():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"], name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_postgresql_itself_holds_neither_token_nor_key() -> None:
    for name, pod in pods():
        mounts = {c["name"]: {m["name"] for m in c["volumeMounts"]} for c in pod["containers"]}
        if name == "store":
            assert mounts["postgres"] == {"tmp-postgres", "data", "socket"}
            assert {m for m in mounts["keeper"] if not m.startswith("source-")} == {"tmp-keeper", "socket", "keys", "account", "tls"}


def test_every_object_carries_our_labels_our_owner_and_its_hash() -> None:
    for obj in objects():
        meta = obj["metadata"]
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "commonweal"
        assert meta["ownerReferences"][0]["kind"] == "Department"
        assert len(meta["annotations"][HASH]) == 32


def test_no_rule_of_a_network_policy_admits_everybody_to_everything() -> None:
    for obj in (o for o in objects() if o["kind"] == "NetworkPolicy"):
        for rule in obj["spec"].get("ingress", []):
            assert rule["from"], obj["metadata"]["name"]
            assert rule["ports"], obj["metadata"]["name"]
        for rule in obj["spec"].get("egress", []):
            assert rule.get("ports") or rule["to"], obj["metadata"]["name"]


def policy(name: str, *, platform: PlatformConfig = PLATFORM, **sets: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("source_ports", "feed_ports", "consumers", "callers", "providers", "peers"), ())
    found = next(c for c in network(OWNER, platform, **empty | sets) if c.name == name)
    spec: dict[str, Any] = orjson.loads(found.body)["spec"]
    return spec


def test_without_a_consumer_nobody_outside_reaches_the_data_api() -> None:
    assert "ingress" not in policy("data-api")
    spaces = [
        (p["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], p.get("podSelector"))
        for p in policy("data-api", consumers=["a", "b"])["ingress"][0]["from"]
    ]
    of = {d: {"matchLabels": {"app.kubernetes.io/component": "models", "commonweal.dev/department": d}} for d in "ab"}
    assert spaces == [("dept-a", None), ("dept-a-platform", of["a"]), ("dept-b", None), ("dept-b-platform", of["b"])]


def test_the_site_s_own_pages_are_admitted_to_every_data_api_where_there_are_any() -> None:
    (rule,) = policy("data-api", platform=PLATFORM.model_copy(update={"portal": "https://my.example"}))["ingress"]
    portal = {"matchLabels": {"app.kubernetes.io/component": "portal", "app.kubernetes.io/part-of": "commonweal"}}
    system = {"matchLabels": {"kubernetes.io/metadata.name": "commonweal-system"}}
    assert rule["from"] == [{"namespaceSelector": system, "podSelector": portal}]
    assert "ingress" not in policy("models", platform=PLATFORM.model_copy(update={"portal": "https://my.example"}))


OUTSIDE = [
    {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16", "10.96.0.0/16"]}},
    {"ipBlock": {"cidr": "::/0", "except": ["fd00::/48"]}},
]
NETWORKS = PLATFORM.model_copy(
    update={
        "pod_cidrs": [ip_network("10.244.0.0/16"), ip_network("fd00::/48")],
        "service_cidrs": [ip_network("10.96.0.0/16")],
    }
)


def egress(name: str, platform: PlatformConfig, **sets: Any) -> list[Any]:
    return policy(name, platform=platform, **sets)["egress"]


def test_whoever_says_it_is_the_api_server_or_a_source_is_no_pod_and_no_service() -> None:
    """A Service of somebody else with one of those ports, or with an address of ours, leads to a pod; and a policy sees the pod (attack a)."""
    for name in ("store", "data-api", "models"):
        server = next(r for r in egress(name, NETWORKS) if {"port": 6443, "protocol": "TCP"} in r["ports"])
        assert server["to"] == OUTSIDE
        assert next(r for r in egress(name, PLATFORM) if {"port": 6443, "protocol": "TCP"} in r["ports"]).keys() == {"ports"}
    named = NETWORKS.model_copy(update={"api_servers": [ip_network("10.0.0.4/32")]})
    assert egress("store", named)[0]["to"] == [{"ipBlock": {"cidr": "10.0.0.4/32"}}]
    sources = egress("store", NETWORKS, source_ports=[5432])[-1]
    own = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": OWNER.own.namespace}}}
    assert sources == {"to": [*OUTSIDE, own], "ports": [{"port": 5432, "protocol": "TCP"}]}


def test_names_are_asked_of_the_name_service_only() -> None:
    asked = {json.dumps(t, sort_keys=True) for t in egress("dns", NETWORKS)[0]["to"]}
    assert len(asked) == 2
    assert all("kube-dns" in t or "169.254.20.10/32" in t for t in asked)


def test_every_pod_is_selected_by_component_and_department_and_every_peer_by_namespace_too() -> None:
    sets: dict[str, Any] = {key: ["a"] for key in ("consumers", "callers", "providers", "peers")} | {"source_ports": [1], "feed_ports": [2]}
    for found in network(OWNER, NETWORKS, **sets):
        spec = orjson.loads(found.body)["spec"]
        if found.name in {"store", "data-api", "models", "volumes"}:
            assert spec["podSelector"]["matchLabels"].keys() == {"app.kubernetes.io/component", "commonweal.dev/department"}
        for peer in [p for r in spec.get("ingress", []) for p in r["from"]] + [p for r in spec.get("egress", []) for p in r["to"]]:
            pods = peer.get("podSelector", {}).get("matchLabels", {})
            assert "ipBlock" in peer or peer["namespaceSelector"]["matchLabels"].keys() == {"kubernetes.io/metadata.name"}
            assert not pods or pods.keys() in ({"app.kubernetes.io/component", "commonweal.dev/department"}, {"k8s-app"})


def test_the_data_api_reaches_an_issuer_whose_keys_the_operator_does_not_know_and_no_other() -> None:
    def ways(**issuer: Any) -> list[Any]:
        return egress("data-api", NETWORKS.model_copy(update=issuer))[2:]

    assert ways(person_embedded=True, person_issuer="https://identity.commonweal-system.svc.cluster.local") == []
    assert ways(person_issuer="") == []
    assert ways(person_issuer="https://people.example:8443/a") == [{"to": OUTSIDE, "ports": [{"port": 8443, "protocol": "TCP"}]}]
    inside = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "sso"}}}
    assert ways(person_issuer="https://p.example", person_jwks="https://keys.sso.svc/jwks") == [{"to": [inside]}]


def test_the_store_reaches_the_ports_of_declared_sources_and_feeds_only() -> None:
    ports = {p["port"] for rule in policy("store", source_ports=[5432, 6000, 5432], feed_ports=[8443])["egress"] for p in rule["ports"]}
    assert ports == {443, 6443, 5432, 6000, 8443, 8084}


def test_what_departments_run_themselves_may_call_only_whom_they_have_agreed_with() -> None:
    assert policy("workloads")["policyTypes"] == ["Ingress", "Egress"]
    targets = [
        t["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for r in policy("workloads", peers=["b", "a"])["egress"]
        for t in r["to"]
    ]
    assert targets == ["dept-a-platform", "dept-b-platform"] * 2


@pytest.mark.parametrize("order", list(itertools.permutations(["a", "b", "c"]))[:4])
def test_the_order_of_inputs_changes_no_byte(order: tuple[str, ...]) -> None:
    sets: dict[str, Any] = dict.fromkeys(("consumers", "callers", "providers", "peers"), order)
    assert network(OWNER, PLATFORM, source_ports=[1], feed_ports=[2], **sets) == network(
        OWNER,
        PLATFORM,
        source_ports=[1],
        feed_ports=[2],
        **dict.fromkeys(sets, ("a", "b", "c")),  # type: ignore[arg-type]
    )


def test_the_hash_follows_the_content() -> None:
    one, two = child("Role", OWNER.metadata("r"), rules=[]), child("Role", OWNER.metadata("r"), rules=[{"verbs": ["get"]}])
    assert one.digest != two.digest
    assert orjson.loads(one.body)["metadata"]["annotations"][HASH] == one.digest
    assert child("Role", OWNER.metadata("r"), rules=[]) == one


def test_a_name_that_looks_like_the_placeholder_survives() -> None:
    made = child("ConfigMap", OWNER.metadata("m"), data={"x": "0" * 32})
    assert orjson.loads(made.body)["data"]["x"] == "0" * 32


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    from datetime import UTC, datetime

    old = {
        "endpoint": "x",
        "conditions": [{"type": "Ready", "status": "False", "reason": "A", "lastTransitionTime": "2020-01-01T00:00:00Z"}],
    }
    now = datetime(2026, 11, 22, tzinfo=UTC)
    kept = stamped(old, {"conditions": [{"type": "Ready", "status": "False", "reason": "B"}]}, now)
    assert kept == {
        "endpoint": None,
        "conditions": [{"type": "Ready", "status": "False", "reason": "B", "lastTransitionTime": "2020-01-01T00:00:00Z"}],
    }
    moved = stamped(old, {"conditions": [{"type": "Ready", "status": "True", "reason": "B"}]}, now)
    assert moved["conditions"][0]["lastTransitionTime"] == "2026-11-22T00:00:00Z"


def test_times_and_order_make_no_difference_but_reasons_do() -> None:
    one = {"conditions": [{"type": "A", "status": "True", "lastTransitionTime": "x"}, {"type": "B", "status": "True"}]}
    two = {"conditions": [{"type": "B", "status": "True"}, {"type": "A", "status": "True", "lastTransitionTime": "y"}]}
    assert same(one, two)
    assert not same(one, {"conditions": [{"type": "A", "status": "True", "reason": "other"}, {"type": "B", "status": "True"}]})


def test_a_loop_is_healthy_while_it_comes_round_and_late_by_what_was_in_between() -> None:
    now = [0.0]
    watch = LoopWatch(lambda: now[0])
    now[0] = 30.0
    watch.beat()
    assert watch.healthy
    assert watch.worst == 29.5
    now[0] = 91.0
    assert not watch.healthy
    watch.beat()
    assert watch.healthy


def test_probes_answer_while_the_loop_works() -> None:
    """The loop stands still until the probe has answered: were it answered by the loop, this would never end."""

    async def scenario() -> int:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(Probes(lambda: True, lambda: True, lambda: "").serve("127.0.0.1", 0, port.set_result))
        with urllib.request.urlopen(f"http://127.0.0.1:{await port}/healthz", timeout=HANG) as answer:  # noqa: ASYNC210 - that is the point
            status: int = answer.status
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return status

    assert asyncio.run(scenario()) == 200


def test_a_port_that_is_taken_ends_the_operator() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            await Probes(lambda: True, lambda: True, lambda: "").serve("127.0.0.1", taken.getsockname()[1])

    with pytest.raises(OSError, match="in use"):
        asyncio.run(scenario())


def test_probes_answer_what_they_are_asked() -> None:
    probes = Probes(lambda: True, lambda: False, lambda: "figures\n")
    assert [probes.response(p)[0] for p in ("/healthz", "/readyz", "/metrics", "/other")] == [200, 503, 200, 404]


def test_a_probe_is_served_over_http_and_bad_requests_end_quietly() -> None:
    async def ask(port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer

    async def scenario() -> list[bytes]:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(Probes(lambda: True, lambda: True, lambda: "").serve("127.0.0.1", 0, port.set_result))
        found = [await ask(await port, r) for r in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n\r\n", b"x" * 20000)]
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return found

    good, empty, long = asyncio.run(scenario())
    assert good.startswith(b"HTTP/1.1 200 OK")
    assert good.endswith(b"ok\n")
    assert empty.startswith(b"HTTP/1.1 404")
    assert long == b""
