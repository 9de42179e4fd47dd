"""What callers are told of rank, reward, forget and state. Pure functions, and the place where a caller that no agreement names is told less of these.

Such a caller is told the choice and nothing else that depends on a person: no probability, no order, no count that moves with what was read or learnt, and not
whether anything was read. What it gets is the same, byte for byte, whatever the person's values are, but for `action`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from commonweal_runtime.models.calls import Call
from commonweal_runtime.models.features import name_of
from commonweal_runtime.models.log import Forgotten, Joined
from commonweal_runtime.models.rank import Ranked

_NAMESPACE = uuid.UUID("6f5f0f4e-2f0b-5d3a-9f0e-5d0c5f1f6a10")
_OF_NOBODY = ("decisions", "activated", "rewarded", "late", "meanReward")

Answer = dict[str, Any]


def ranked(call: Call, found: Ranked, *, explain: bool) -> Answer:
    """Return the answer of `rank`; the ranking is by probability, then by the order of the offer."""
    d, model = found.decided, call.model
    out: Answer = {
        "eventId": d.event,
        "decisionId": str(uuid.uuid5(_NAMESPACE, f"{model.entry.uid}/{d.event}")),
        "gets": "Values" if call.values else "Decision",
        "action": d.action,
    }
    if call.values:
        order = sorted(range(len(d.actions)), key=lambda i: -d.probabilities[i])
        out |= {
            "propensity": d.propensity,
            "ranking": [{"id": d.actions[i], "probability": d.probabilities[i]} for i in order],
            "withheld": list(d.withheld),
            "baseline": d.baseline,
            "model": {"digest": d.sums, "rows": d.rows},
        }
    return out | ({"explanation": explanation(call, found)} if explain else {})


def explanation(call: Call, found: Ranked) -> Answer:
    """Return why: the names of all fields that the model reads of anybody; to who may know the values also the terms, which hold them, the first time."""
    out: Answer = {"fields": [name_of(f) for f in call.model.entry.spec.features]}
    if call.values and found.explanation is not None:
        out |= {"score": sum(v for _, v in found.explanation), "terms": [{"name": n, "value": v} for n, v in found.explanation]}
    return out


def rewarded(call: Call, joined: Joined) -> Answer:
    """Return the answer of `reward`; that it was learnt says that something of the person was read."""
    out = {"joined": True, "late": joined.late, "duplicate": joined.outcome == "Duplicate"}
    return out | {"learned": joined.learnt} if call.values else out


def forgotten(call: Call, found: Forgotten) -> Answer:
    """Return the answer of `forget`; its counts say whether anything of the person was ever read."""
    if not call.values:
        return {"forgotten": True}
    return {"forgotten": True, "decisions": found.decisions, "unlearned": found.unlearned, "digest": call.model.learner.digest()}


def state(call: Call, counts: Mapping[str, Any], sources: list[dict[str, str]]) -> Answer:
    """Return the answer about the model; digest, rows and what was learnt move with what was read of the last person."""
    entry, learner = call.model.entry, call.model.learner
    out: Answer = {
        "model": entry.name,
        "title": entry.spec.title,
        "purpose": entry.spec.purpose,
        "gets": "Values" if call.values else "Decision",
    }
    if not call.values:
        return out | {name: counts[name] for name in _OF_NOBODY}
    return out | {**counts, "rows": learner.rows, "digest": learner.digest(), "sources": sources}
