"""What an answer means: whether a promise of the site holds. Pure.

A leaf says one of a few words, the same for the same behaviour on every site; what the server said in detail is for the reader of a report, and
no part of the digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from commonweal_kube.blocking import Answer

HOLDS: Final = "holds"
BROKEN: Final = "broken"
NOT_PROBED: Final = "not probed"
OTHERWISE: Final = "otherwise"
MOST_SKEW: Final = timedelta(seconds=5)  # what tokens and agreements that begin and end can bear


@dataclass(frozen=True, slots=True)
class Verdict:
    """`leaf` is what goes into the digest; `detail` is for people."""

    leaf: str
    detail: str = ""

    @property
    def broken(self) -> bool:
        return self.leaf.startswith(BROKEN)

    @property
    def known(self) -> bool:
        return not self.leaf.startswith(NOT_PROBED)


def holds(detail: str = "") -> Verdict:
    return Verdict(HOLDS, detail)


def broken(how: str, detail: str = "") -> Verdict:
    """A promise that does not hold; `how` is one of a few fixed words."""
    return Verdict(f"{BROKEN}: {how}", detail)


def not_probed(why: str) -> Verdict:
    """A leaf of its own: a site on which this cannot be known is never equal to one on which it holds."""
    return Verdict(f"{NOT_PROBED}: {why}")


def refused(answer: Answer, *words: str, statuses: Sequence[int] = (403,)) -> Verdict:
    """Holds when the request was refused for the expected reason: one of the statuses, and a message with all of the words."""
    if answer.ok:
        return broken("accepted", "the request was accepted, and should have been refused")
    if answer.status not in statuses or not all(word in answer.message for word in words):
        return broken("refused for another reason", f"{answer.status}: {answer.message[:300]}")
    return holds(answer.message[:300])


def told_apart(allowed: Answer, denied: Answer, *words: str) -> Verdict:
    """Holds when one request was refused for the expected reason, and its neighbour, which nothing speaks against, was not."""
    if not allowed.ok:
        return broken("the allowed is refused too", f"{allowed.status}: {allowed.message[:300]}")
    return refused(denied, *words)


def both(one: Verdict, other: Verdict) -> Verdict:
    """Return the first of two verdicts that is broken, else the second."""
    return one if one.broken else other


def kept_apart(answers: Mapping[str, Answer], control: Answer) -> Verdict:
    """Holds when every read was refused, while the same read succeeds for an administrator: an empty cluster refuses nobody."""
    if not control.ok:
        return broken("nothing to read", f"the administrator's own read was refused: {control.status}: {control.message[:200]}")
    through = sorted(name for name, answer in answers.items() if answer.status != 403)
    if through:
        return broken("read", f"not refused: {', '.join(f'{name} ({answers[name].status})' for name in through)}")
    return holds(f"{len(answers)} reads refused")


def counted(first: Answer, second: Answer) -> Verdict:
    """Holds when the first of two equal claims fits into a quota and the second does not: the quota counts what there is."""
    if not first.ok:
        return broken("the first claim was refused", f"{first.status}: {first.message[:300]}")
    return refused(second, "exceeded quota")


def in_step(answer: Answer, before: datetime, after: datetime) -> Verdict:
    """Holds when the server's clock, which tells whole seconds, lies within five seconds of ours at the time of asking."""
    if answer.date is None:
        return not_probed("the server tells no time")
    early, late = before - MOST_SKEW - timedelta(seconds=1), after + MOST_SKEW
    shown = f"the server's clock says {answer.date.isoformat()}, ours {after.isoformat()}"
    return holds(shown) if early <= answer.date <= late else broken("clock", f"{shown}; more than {MOST_SKEW.seconds} s apart")


def sealed(before: Answer, after: Answer) -> Verdict:
    """Holds when the server counted a Secret encrypted on its way to storage after one was written. The answers are the server's metrics."""
    if not (before.ok and after.ok):
        return not_probed("the server's metrics cannot be read")
    if encrypted_writes(after.text) > encrypted_writes(before.text):
        return holds(f"{encrypted_writes(after.text):.0f} Secrets encrypted since the server started")
    return broken("in clear", "a Secret was written, and no encryption was counted: set --encryption-provider-config")


def encrypted_writes(metrics: str) -> float:
    """Return how many Secrets the server has encrypted on their way to storage, by its metrics' text; 0 without an encryption provider."""
    found = 0.0
    for line in metrics.splitlines():
        if line.startswith("apiserver_storage_transformation_operations_total{") and all(part in line for part in _ENCRYPTED):
            found += float(line.rpartition(" ")[2])
    return found


_ENCRYPTED = ('resource="secrets"', 'transformation_type="to_storage"', 'transformer_prefix="k8s:enc:', 'status="OK"')


def audited(before: Answer, after: Answer) -> Verdict:
    """Holds when the server wrote down that a Secret was written, and never what is in anything. The answers are the server's metrics."""
    if not (before.ok and after.ok):
        return not_probed("the server's metrics cannot be read")
    if bodies := sum(audit_events(after.text, level) for level in ("Request", "RequestResponse")):
        return broken("contents", f"{bodies:.0f} entries of the audit log hold what was sent: its policy must have level Metadata at most")
    now = audit_events(after.text, "Metadata")
    if now > audit_events(before.text, "Metadata"):
        return holds(f"{now:.0f} entries since the server started")
    return broken(
        "not written down", "a Secret was written, and no entry of the audit log was counted: set --audit-policy-file and --audit-log-path"
    )


def audit_events(metrics: str, level: str) -> float:
    """Return how many events the server has written down at a level, by its metrics' text; 0 without an audit policy."""
    head = f'apiserver_audit_level_total{{level="{level}"}} '
    return sum(float(line.removeprefix(head)) for line in metrics.splitlines() if line.startswith(head))


def limited(kubelets: Mapping[str, Answer], wanted: Mapping[str, Any]) -> Verdict:
    """Holds when every kubelet runs with these settings. The answers are what each says of itself, by its node's name."""
    silent = sorted(name for name, answer in kubelets.items() if not answer.ok)
    if silent:
        return not_probed("a kubelet does not say what it runs with")
    apart = [
        f"{name}: {setting} is {answer.body.get('kubeletconfig', {}).get(setting)}, not {value}"
        for name, answer in sorted(kubelets.items())
        for setting, value in wanted.items()
        if answer.body.get("kubeletconfig", {}).get(setting) != value
    ]
    return broken("other limits", "; ".join(apart)) if apart else holds(", ".join(f"{name} {value}" for name, value in wanted.items()))


def of_others(verdict: Verdict) -> Verdict:
    """Return what stands for a verdict on a cluster that others set up: what they set otherwise is a leaf of its own, and no broken promise."""
    return Verdict(verdict.leaf.replace(BROKEN, OTHERWISE, 1), verdict.detail) if verdict.broken else verdict


def bound(claim: Answer, said: Mapping[str, Any] | None) -> Verdict:
    """Holds when the claim of the promised class was bound and the pod could write to the volume."""
    phase = (claim.body.get("status") or {}).get("phase", "unknown")
    if phase != "Bound":
        return broken("not bound", f"the claim is {phase}")
    if not said or said.get("volume") != "written":
        return broken("not writable", f"the pod said of its volume: {(said or {}).get('volume', 'nothing')}")
    return holds("bound and written to")


def closed(said: Mapping[str, Any] | None, targets: Sequence[str], *, open_too: str = "") -> Verdict:
    """Holds when the pod reached none of the targets, though it did reach `open_too`: a pod without any network proves nothing."""
    if said is None:
        return broken("the pod gave no output", "it did not start, or did not end in time")
    if open_too and said.get(open_too) != "open":
        return broken("nothing is reached", f"{open_too} must be reached, and is {said.get(open_too, 'not tried')}")
    reached = [target for target in targets if said.get(target) != "closed"]
    return broken("open", f"reached: {', '.join(reached)}") if reached else holds(f"closed: {', '.join(targets)}")


def leaves_of(verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    """Return the leaves of the digest's layer `probes`."""
    return {name: verdict.leaf for name, verdict in verdicts.items()}


def broken_ones(verdicts: Mapping[str, Verdict]) -> list[str]:
    """Return a line for each reason for which promises do not hold, with their names."""
    names: dict[str, list[str]] = {}
    for name, verdict in sorted(verdicts.items()):
        if verdict.broken:
            names.setdefault(f"{verdict.leaf}: {verdict.detail}", []).append(name)
    return [f"{', '.join(those)}: {why}" for why, those in names.items()]
