"""Probes by real pods: what they reach and what they do not, and whether they get a volume. Needs nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from commonweal_stacks.conformity.api import Answer, Api
from commonweal_stacks.conformity.probes.departments import pod
from commonweal_stacks.conformity.probes.scratch import A, Say, space, within
from commonweal_stacks.conformity.probes.server import SYSTEM
from commonweal_stacks.conformity.probes.verdicts import Verdict, bound, broken, closed, not_probed

NAMES: Final = ("network.department", "network.platform", "storage.std-rwo")
STARTS_SECONDS, ENDS_SECONDS = 10.0, 40.0
# What the pods run. The answer is the container's termination message, which comes back in the pod's status.
SCRIPT: Final = """
import json, os, pathlib, socket, time

def reach(host, port, wanted, seconds=6):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port), timeout=1.5).close()
            found = "open"
        except OSError:
            found = "closed"
        if found == wanted or time.monotonic() > end:
            return found
        time.sleep(0.2)

names = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")][0]
said = {"names": reach(names, 53, os.environ["NAMES"])}
said["api-server"] = reach(os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"]), "closed")
volume = pathlib.Path("/volume")
if volume.is_dir():
    try:
        (volume / "probe").write_text("written")
        said["volume"] = (volume / "probe").read_text()
    except OSError as error:
        said["volume"] = type(error).__name__
open("/dev/termination-log", "w").write(json.dumps(said))
"""


def none(why: str) -> dict[str, Verdict]:
    """Return the leaves of a site on which no pod really runs."""
    return dict.fromkeys(NAMES, not_probed(why))


def failed(why: str) -> dict[str, Verdict]:
    """Return the leaves of a site whose departments' pods had no place to run."""
    return dict.fromkeys(NAMES, broken("no department", why))


def verdicts(api: Api, image: str, say: Say) -> dict[str, Verdict]:
    """Return what pods of the runtime image find in the first scratch department, with its claim, and in the platform's namespace."""
    say("two pods try what they must not reach, and a volume")
    mounted = {"volumeMounts": [{"name": "volume", "mountPath": "/volume"}]}
    volumes = [{"name": "volume", "persistentVolumeClaim": {"claimName": "probe"}}]
    department = _pod("probe", image, "open", mounted, volumes=volumes)
    platform = _pod("commonweal-probe", image, "closed", {})
    started = {path: _start(api, path, body) for path, body in ((f"{space(A)}/pods", department), (f"{SYSTEM}/pods", platform))}
    why = [f"{answer.status}: {answer.message[:200]}" for answer in started.values() if not answer.ok]
    if why:
        return dict.fromkeys(NAMES, broken("no pod", "; ".join(why)))
    said = _heard(api, (f"{space(A)}/pods/probe", f"{SYSTEM}/pods/commonweal-probe"))
    return {
        "network.department": closed(said[0], ["api-server"], open_too="names"),
        "network.platform": closed(said[1], ["api-server", "names"]),
        "storage.std-rwo": bound(api.ask("GET", f"{space(A)}/persistentvolumeclaims/probe"), said[0]),
    }


def _pod(name: str, image: str, names: str, container: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """Return the pod; `names` is what it must find of the name service before it goes on: open or closed."""
    program = {
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", SCRIPT],
        "env": [{"name": "NAMES", "value": names}],
    }
    return pod(name, container={**program, **container}, enableServiceLinks=False, **spec)


def _start(api: Api, path: str, body: Mapping[str, Any]) -> Answer:
    """Create the pod; again while the namespace's account is not there yet."""
    answers: list[Answer] = []

    def created() -> bool:
        answers.append(api.ask("POST", path, body))
        return answers[-1].ok or "serviceaccount" not in answers[-1].message

    within(STARTS_SECONDS, created, every=0.2)
    return answers[-1]


def _heard(api: Api, paths: tuple[str, ...]) -> list[Mapping[str, Any] | None]:
    """Return what each pod said in the end; None for one that did not end in time."""
    found: dict[str, Mapping[str, Any] | None] = {}

    def ended() -> bool:
        for path in paths:
            if path not in found:
                state = _state(api.ask("GET", path))
                if state is not None:
                    found[path] = _said(state)
        return len(found) == len(paths)

    within(ENDS_SECONDS, ended, every=0.3)
    return [found.get(path) for path in paths]


def _state(answer: Answer) -> Mapping[str, Any] | None:
    statuses = (answer.body.get("status") or {}).get("containerStatuses") or [{}]
    state: Mapping[str, Any] | None = (statuses[0].get("state") or {}).get("terminated")
    return state


def _said(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        parsed = json.loads(state.get("message") or "")
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
