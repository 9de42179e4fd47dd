"""Attack a: have others' traffic come to oneself, by an address, a name, or a place in between."""

from __future__ import annotations

import json
from collections.abc import Callable

from commonweal_api import platform_namespace_of
from commonweal_cli.demo import bring_up
from commonweal_local.sites.site import NEIGHBOURS
from security import attackers, witness
from security.asks import Ask, made, sent, tried
from security.findings import Finding
from security.stage import SPACE, VICTIM, Stage
from support.waiting import wait_for

PART = "addresses"
VICTIM_SPACE = platform_namespace_of(VICTIM)
SOURCE = NEIGHBOURS["heritage"]
NAMED = {"type": "ExternalName", "externalName": f"data-api.{VICTIM_SPACE}.svc.cluster.local"}
PORTS = [{"name": "https", "port": 443, "targetPort": 8443}]
# Stands where another server should, with a certificate of its own, and tries what a pod would need to take an address or to answer for one.
IMPOSTOR = """
import json, socket, struct, sys, threading, time
said = {}

def attempt(name, do):
    try:
        do()
        said[name] = "done"
    except OSError as error:
        said[name] = f"{type(error).__name__}: {error.strerror or error}"

def send_frame():
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    frames.bind(("eth0", 0))

def take_address():
    # RTM_NEWADDR for the address of somebody else, on the second interface, which is the pod's own.
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    kernel.bind((0, 0))
    body = struct.pack("BBBBI", 2, 32, 0, 0, 2) + struct.pack("HH4s", 8, 2, socket.inet_aton(sys.argv[1]))
    kernel.send(struct.pack("IHHII", 16 + len(body), 20, 0x5 | 0x600, 1, 0) + body)
    code = struct.unpack_from("i", kernel.recv(4096), 16)[0]
    if code:
        raise OSError(-code, __import__("os").strerror(-code))

def listen_there():
    socket.create_server((sys.argv[1], 5432))

attempt("a raw frame (ARP)", send_frame)
attempt("the source's address on its own interface", take_address)
attempt("a server on the source's address", listen_there)
attempt("a raw packet", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))

def serve(port):
    server = socket.create_server(("", port))
    while True:
        server.accept()[0].close()

for port in (5432, 8080, 8082, 8443):
    threading.Thread(target=serve, args=(port,), daemon=True).start()
print(json.dumps(said), flush=True)
time.sleep(100000)
"""


def run(stage: Stage, say: Callable[[str], None]) -> list[Finding]:
    """Try to have traffic come to an impostor's pod, while the victim's clients go on and check whom they speak with."""
    found: list[Finding] = []
    try:
        with witness.watching(PART, stage, witness.everybody(stage), found):
            say("an impostor's pod, and what the kernel lets it do")
            impostor = attackers.spec(stage.image, IMPOSTOR, SOURCE)
            sent(stage.editor, attackers.pod("impostor", impostor, {"app": "impostor"}))
            kernel = said_by(stage, "impostor")
            say("Services, endpoints and pods that take an address")
            path = f"/api/v1/namespaces/{SPACE}/pods/impostor"
            address = wait_for(
                "the impostor's address", lambda: stage.admin.call("GET", path)["status"].get("podIP"), seconds=60, every=0.3
            )
            objects = tried(PART, stage.editor, stage.admin, asks(stage, address))
    finally:
        stage.clear()
    for name, outcome in kernel.items():
        held = "PermissionError" in outcome or "Cannot assign requested address" in outcome
        objects.append(Finding(PART, f"from inside a pod: {name}", held, "the kernel, without capabilities" if held else "none", outcome))
    return [*objects, *found]


def said_by(stage: Stage, name: str) -> dict[str, str]:
    """Return what a pod of the attacker's printed in one line of JSON."""

    def line() -> dict[str, str] | None:
        answer = stage.admin.ask("GET", f"/api/v1/namespaces/{SPACE}/pods/{name}/log")
        try:
            return dict(json.loads(answer.text)) if answer.ok else None
        except ValueError:
            return None

    return wait_for(f"what the pod {name} says", line, seconds=60, every=0.3)


def taken(stage: Stage) -> dict[str, str]:
    """Return the addresses that an attacker would have."""
    service = stage.admin.call("GET", f"/api/v1/namespaces/{VICTIM_SPACE}/services/data-api")
    identity = stage.admin.call("GET", f"/api/v1/namespaces/{bring_up.SYSTEM}/services/identity")
    return {
        "the data API's outside": service["status"]["loadBalancer"]["ingress"][0]["ip"],
        "the data API's inside": service["spec"]["clusterIP"],
        "the issuer's": identity["status"]["loadBalancer"]["ingress"][0]["ip"],
        "the source's": SOURCE,
    }


def asks(stage: Stage, impostor: str) -> dict[str, Ask]:
    """Return the requests by which traffic would come to the impostor."""
    addresses = taken(stage)
    selected = {"selector": {"app": "impostor"}, "ports": PORTS}
    found = {
        f"externalIPs: {whose} address": made("Service", "takes", SPACE, spec={**selected, "externalIPs": [address]})
        for whose, address in addresses.items()
    }
    found |= {
        "a LoadBalancer with the data API's address": made(
            "Service", "takes", SPACE, spec={**selected, "type": "LoadBalancer", "loadBalancerIP": addresses["the data API's outside"]}
        ),
        "a LoadBalancer for the whole pool": made("Service", "takes", SPACE, spec={**selected, "type": "LoadBalancer"}),
        "a NodePort": made("Service", "takes", SPACE, spec={**selected, "type": "NodePort"}),
        "a name for another department's data API": made("Service", "takes", SPACE, spec=NAMED),
    }
    return found | by_hand(impostor) | pods(stage)


def by_hand(impostor: str) -> dict[str, Ask]:
    """Return endpoints that are written by hand, here and in the victim's namespace, and a status that says another address."""
    subsets = [{"addresses": [{"ip": impostor}], "ports": [{"name": "https", "port": 8443}]}]
    sliced = {
        "addressType": "IPv4",
        "endpoints": [{"addresses": [impostor], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}],
    }
    labels = {"kubernetes.io/service-name": "data-api"}
    moved = {"status": {"loadBalancer": {"ingress": [{"ip": "10.210.0.1"}]}}}
    opening = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    return {
        "Endpoints by hand": made("Endpoints", "data-api", SPACE, subsets=subsets),
        "an EndpointSlice by hand": made("EndpointSlice", "data-api-takes", SPACE, labels=labels, **sliced),
        "an EndpointSlice beside the victim's": made("EndpointSlice", "data-api-takes", VICTIM_SPACE, labels=labels, **sliced),
        "the victim's Service led to other pods": Ask(
            "PATCH", f"/api/v1/namespaces/{VICTIM_SPACE}/services/data-api", {"spec": {"selector": {"app": "impostor"}}}
        ),
        "the status of the victim's Service": Ask("PATCH", f"/api/v1/namespaces/{VICTIM_SPACE}/services/data-api/status", moved),
        "a NetworkPolicy that lets everybody in": made("NetworkPolicy", "opens", SPACE, spec=opening),
    }


def pods(stage: Stage) -> dict[str, Ask]:
    """Return pods that would stand where others' traffic passes, or be taken for the platform's."""

    def variant(name: str, **more: object) -> Ask:
        return attackers.pod(name, attackers.spec(stage.image, attackers.SLEEP, **more), None)

    capable = {**attackers.LOCKED, "capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "NET_ADMIN"]}}
    labels = {"app.kubernetes.io/component": "data-api", "commonweal.dev/department": VICTIM}
    return {
        "a pod with a port of the node": variant("port", container={"ports": [{"containerPort": 8443, "hostPort": 443}]}),
        "a pod in the node's network": variant("node", hostNetwork=True),
        "a pod with NET_RAW and NET_ADMIN": variant("raw", container={"securityContext": capable}),
        "a pod that routes for others (sysctl)": variant(
            "routes", securityContext={"runAsNonRoot": True, "sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}]}
        ),
        "a pod with the data API's labels": attackers.pod("poses", attackers.spec(stage.image, attackers.SLEEP), labels),
    }
