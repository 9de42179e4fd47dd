"""Pods of an attacker: real ones, of the image that is on the node, with a program of the attacker's own in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from security.asks import Ask, Body, made
from security.stage import SPACE

LOCKED: Body = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 10001}
SLEEP = "import signal; signal.sigwait([signal.SIGTERM])"
# Deaf to whoever asks it to end.
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100000)"
BUSY = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
# Takes memory piece by piece and writes into each page, then stays.
GREEDY = "import sys, time\nheld = []\nfor _ in range(int(sys.argv[1])): held.append(bytearray(b'x' * 2**20))\ntime.sleep(100000)"
FILLING = "import time\nwith open('/tmp/fill', 'wb') as file:\n for _ in range(1500): file.write(b'x' * 2**20)\ntime.sleep(100000)"


def spec(image: str, script: str, *words: str, resources: Mapping[str, Any] | None = None, **more: Any) -> Body:
    """Return the spec of a pod that Pod Security `restricted` takes; `container` in `more` goes over the container."""
    container = {
        "name": "attack",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", script, *words],
        "securityContext": LOCKED,
        "resources": resources or {},
        **more.pop("container", {}),
    }
    secure = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": secure,
        "containers": [container],
        **more,
    }


def pod(name: str, spec_: Body, labels: Mapping[str, str] | None = None) -> Ask:
    """Return the request for a pod of the attacker's."""
    return made("Pod", name, SPACE, labels={"attack": "true", **(labels or {})}, spec=spec_)


def deployment(name: str, spec_: Body) -> Ask:
    """Return the request for a Deployment of such a pod."""
    template = {"metadata": {"labels": {"attack": "true", "app": name}}, "spec": spec_}
    return made("Deployment", name, SPACE, spec={"selector": {"matchLabels": {"app": name}}, "template": template})


def ended(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how the attacker's pods were ended by the node or for others, such as OOMKilled or Evicted."""
    found = []
    for each in pods:
        status = each.get("status", {})
        states = [s.get(which) or {} for s in status.get("containerStatuses") or () for which in ("state", "lastState")]
        reasons = [state["terminated"].get("reason", "") for state in states if "terminated" in state]
        found += [reason for reason in (status.get("reason", ""), *reasons) if reason not in ("", "Completed")]
    return found
