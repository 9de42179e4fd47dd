"""Probes by real pods: what they reach and what they do not, and whether they get a volume. Needs nodes.

Four pods of one image, each of which listens: `outside` and `asking` in a namespace without any policy, one in a scratch department, one in the
platform's namespace. That something is closed counts only because the same pod reaches something else: a broken network closes everything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from commonweal_stacks.api import Api
from commonweal_stacks.conformity.probes.departments import pod
from commonweal_stacks.conformity.probes.scratch import OPEN, A, Say, meta, space
from commonweal_stacks.conformity.probes.server import SYSTEM
from commonweal_stacks.conformity.probes.verdicts import Verdict, bound, broken, closed, not_probed
from commonweal_stacks.waiting import within

NAMES: Final = ("network.department-in", "network.department-out", "network.platform-in", "network.platform-out", "storage.std-rwo")
STARTS_SECONDS, READY_SECONDS, SAYS_SECONDS = 60.0, 180.0, 120.0  # only what hangs takes all of it
PORT: Final = 8080
OUTSIDE, ASKING, DEPARTMENT, PLATFORM = (
    f"{OPEN}/pods/outside",
    f"{OPEN}/pods/asking",
    f"{space(A)}/pods/probe",
    f"{SYSTEM}/pods/commonweal-probe",
)
# What the pods run: listen, try each target until it is as it must be (agents need a moment to know a new pod), say it in one line, stay.
SCRIPT: Final = """
import json, os, pathlib, socket, threading, time

def listen():
    server = socket.create_server(("", 8080))
    while True:
        server.accept()[0].close()

def answers(host, port):
    try:
        socket.create_connection((host, port), timeout=2.5).close()
        return True
    except OSError:
        return False

def reach(host, port, wanted):
    # Open: one answer in time. Closed: three silences in a row, for one alone may be a slow machine, and agents need a moment to know a new pod.
    end, silences = time.monotonic() + 20, 0
    while time.monotonic() < end:
        silences = 0 if answers(host, port) else silences + 1
        if wanted == "open" and silences == 0:
            return "open"
        if wanted == "closed" and silences == 3:
            return "closed"
        time.sleep(0.3)
    return "closed" if wanted == "open" else "open"

threading.Thread(target=listen, daemon=True).start()
said = {}

def find(name, host, port, wanted):
    host = host or [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")][0]
    said[name] = reach(host, port, wanted)

asked = [threading.Thread(target=find, args=(name, *target)) for name, target in json.loads(os.environ["TARGETS"]).items()]
for each in asked:
    each.start()
for each in asked:
    each.join()
volume = pathlib.Path("/volume")
if volume.is_dir():
    try:
        (volume / "probe").write_text("written")
        said["volume"] = (volume / "probe").read_text()
    except OSError as error:
        said["volume"] = type(error).__name__
print(json.dumps(said), flush=True)
time.sleep(300)
"""


def none(why: str) -> dict[str, Verdict]:
    """Return the leaves of a site on which no pod really runs."""
    return dict.fromkeys(NAMES, not_probed(why))


def failed(how: str, why: str) -> dict[str, Verdict]:
    """Return the leaves of a site on which the pods could not be tried; `how` is a fixed word."""
    return dict.fromkeys(NAMES, broken(how, why))


def begin(api: Api, image: str) -> tuple[str, str]:
    """Start the pod that needs no department, so that it is there when others look for it; return its path, and why it could not be made."""
    api.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": meta("commonweal-probe")})
    return _start(api, OUTSIDE, image, {})


def verdicts(api: Api, image: str, begun: tuple[str, str], say: Say) -> dict[str, Verdict]:
    """Return what pods of the runtime image reach, in and out of a scratch department and the platform's namespace, and what became of a claim."""
    say("pods try what they must not reach, and a volume")
    outside, why = _ready(api, [begun])
    if why:
        return failed("no pod", why)
    target = (outside[0], PORT, "closed")
    mounted = {"container": {"volumeMounts": [{"name": "volume", "mountPath": "/volume"}]}}
    volumes = [{"name": "volume", "persistentVolumeClaim": {"claimName": "probe"}}]
    inside = [
        _start(api, DEPARTMENT, image, {"names": ("", 53, "open"), "outside": target}, **mounted, volumes=volumes),
        _start(api, PLATFORM, image, {"outside": target}),
    ]
    addresses, why = _ready(api, inside)
    if why:
        return failed("no pod", why)
    found = {"outside": (outside[0], PORT, "open")}
    found |= {name: (address, PORT, "closed") for name, address in zip(("department", "platform"), addresses, strict=True)}
    _, why = _ready(api, [_start(api, ASKING, image, found)])
    return failed("no pod", why) if why else _judged(api)


def _judged(api: Api) -> dict[str, Verdict]:
    department, platform, asking = (_said(api, path) for path in (DEPARTMENT, PLATFORM, ASKING))
    return {
        "network.department-in": closed(asking, ["department"], open_too="outside"),
        "network.department-out": closed(department, ["outside"], open_too="names"),
        "network.platform-in": closed(asking, ["platform"], open_too="outside"),
        "network.platform-out": closed(platform, ["outside"]),
        "storage.std-rwo": bound(api.ask("GET", f"{space(A)}/persistentvolumeclaims/probe"), department),
    }


def _start(api: Api, path: str, image: str, targets: Mapping[str, tuple[str, int, str]], **spec: Any) -> tuple[str, str]:
    """Create a pod, again while the namespace's account is not there yet; return its path, and why it could not be made."""
    listening = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    program = {
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", SCRIPT],
        "env": [{"name": "TARGETS", "value": json.dumps(targets)}],
        "readinessProbe": listening,
        **spec.pop("container", {}),
    }
    parent, _, name = path.rpartition("/")
    body, why = pod(name, container=program, enableServiceLinks=False, **spec), ""

    def created() -> bool:
        nonlocal why
        answer = api.ask("POST", parent, body)
        why = "" if answer.ok else f"{name}: {answer.status}: {answer.message[:200]}"
        return answer.ok or "serviceaccount" not in answer.message

    within(STARTS_SECONDS, created, every=0.2)
    return path, why


def _ready(api: Api, started: list[tuple[str, str]]) -> tuple[list[str], str]:
    """Wait until the pods listen; return their addresses, or why not."""
    why = next((reason for _, reason in started if reason), "")
    addresses: dict[str, str] = {}

    def all_ready() -> bool:
        nonlocal why
        for path, _ in started:
            status = api.ask("GET", path).body.get("status") or {}
            if any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()):
                addresses[path] = status["podIP"]
            else:
                why = f"{path.rpartition('/')[2]}: not ready after {READY_SECONDS:.0f} s, {status.get('phase', 'unknown')}; see `kubectl describe`"
        return len(addresses) == len(started)

    if why or not within(READY_SECONDS, all_ready, every=0.3):
        return [], why
    return [addresses[path] for path, _ in started], ""


def _said(api: Api, path: str) -> Mapping[str, Any] | None:
    """Return what a pod said; None when it did not in time."""
    found: dict[str, Any] = {}

    def spoke() -> bool:
        try:
            found.update(json.loads(api.ask("GET", f"{path}/log").text))
        except ValueError:
            return False
        return bool(found)

    return found if within(SAYS_SECONDS, spoke, every=0.3) else None
