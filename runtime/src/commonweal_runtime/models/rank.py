"""Rank: what may be known is read, every offer is scored, one is drawn, and the decision is logged before it is answered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import orjson

from commonweal_api.plan import FeatureSource
from commonweal_runtime.models.bodies import RankBody
from commonweal_runtime.models.calls import Call
from commonweal_runtime.models.features import ACTION, CONTEXT, PERSON, free_features, person_features
from commonweal_runtime.models.learning import Array, Part
from commonweal_runtime.models.loaded_model import LoadedModel
from commonweal_runtime.models.log import Decided, DecisionLog, packed
from commonweal_runtime.models.problems import event_conflict, too_many_actions
from commonweal_runtime.models.sources import FeatureReader, Readings
from commonweal_runtime.problems import invalid_request

Terms = list[tuple[str, float]]


class Offer(NamedTuple):
    """What the learner sees: parts per action, and phi, one for all actions or one per action."""

    parts: list[dict[str, Part]]
    phis: Array


@dataclass(frozen=True)
class Ranked:
    """A decision and, the first time only, why: the explanation holds values, so it is not kept."""

    decided: Decided
    explanation: Terms | None


class Ranker:
    """Answers `rank`. The same event, body and caller get the same answer, also from another process, also after a crash."""

    def __init__(self, log: DecisionLog, reader: FeatureReader, key: bytes) -> None:
        self._log, self._reader, self._key = log, reader, key

    async def rank(self, call: Call, sources: Mapping[str, FeatureSource], body: RankBody, *, explain: bool = False) -> Ranked:
        """Decide, or repeat what was decided on this event for this caller.

        Raises a ProblemError when the request cannot be answered.
        """
        model = call.model
        check(model, body)
        request = self._fingerprint(call, body)
        before = await self._log.find(model.ref, body.event_id)  # first, so that a repetition reads nothing of the person again
        if before is not None:
            return Ranked(_same(before, request), None)
        readings = await self._reader.read(call, sources, body.subjects)
        decided, explanation = decide(model, body, readings, request, explain=explain)
        first, latest = await self._log.append(model.ref, decided, str(call.caller))
        if latest > model.applied:
            await model.catch_up(self._log)
        if first:
            return Ranked(decided, explanation)
        other = await self._log.find(model.ref, body.event_id)
        return Ranked(_same(other, request) if other else decided, None)

    def _fingerprint(self, call: Call, body: RankBody) -> bytes:
        """Return a keyed hash by which a repetition is known, without keeping what was asked. Another caller's question is another one."""
        text = orjson.dumps([str(call.caller), body.model_dump(mode="json")], option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()


def check(model: LoadedModel, body: RankBody) -> None:
    """Refuse what this model cannot answer."""
    learning, spec = model.entry.spec.learning, model.entry.spec
    if len(body.actions) > learning.max_actions:
        detail = f"actions: {len(body.actions)} are offered, spec.learning.maxActions allows {learning.max_actions}."
        raise invalid_request(detail, "Offer fewer actions, or raise the limit in the ModelService.")
    strangers = sorted(set(body.subjects) - {f.department for f in spec.features})
    if strangers:
        raise invalid_request(
            f"subjects.{strangers[0]}: the model reads nothing of this department.", "Leave it out: name a person only where needed."
        )
    described = next((i for i, a in enumerate(body.actions) if a.features), None)
    if learning.shape == "PerAction" and described is not None:
        detail = f"actions.{described}.features: a model of the shape PerAction does not use features of actions."
        raise invalid_request(detail, "Leave them out, or set spec.learning.shape to Shared in the ModelService.")
    unknown = sum(model.learner.sums.place(a.id) is None for a in body.actions)
    if unknown > max(model.room, 0):
        raise too_many_actions(len(model.learner.sums.actions), unknown)


def offer_of(model: LoadedModel, person: Mapping[str, float], body: RankBody) -> Offer:
    """Encode an offer: person and context once, then each action where the shape asks for it."""
    encoder = model.learner.encoder
    common = {PERSON: encoder.part(PERSON, person), CONTEXT: encoder.part(CONTEXT, free_features(body.context))}
    if model.space.per_action:
        return Offer([common] * len(body.actions), encoder.phi(common))
    parts = [common | {ACTION: encoder.part(ACTION, free_features(a.features))} for a in body.actions]
    return Offer(parts, np.stack([encoder.phi(p) for p in parts]))


def decide(model: LoadedModel, body: RankBody, readings: Readings, request: bytes, *, explain: bool) -> tuple[Decided, Terms | None]:
    """Choose by the model from what was read, or the baseline when nothing may be; return the named terms of the score if asked."""
    if not readings.records:
        return baseline(model, body, readings, request), None
    offer = offer_of(model, person_features(model.entry.spec.features, readings.records), body)
    actions = [a.id for a in body.actions]
    d = model.learner.decide(body.event_id, actions, offer.phis)
    shared = offer.phis.ndim == 2
    decided = Decided(
        event=body.event_id,
        request=request,
        subjects=readings.subjects,
        actions=actions,
        probabilities=d.probabilities.tolist(),
        pick=d.pick,
        phi=packed(offer.phis[d.pick] if shared else offer.phis),
        offered=packed(offer.phis.ravel()) if shared else None,
        sums=model.learner.digest(),
        rows=model.learner.rows,
        withheld=readings.withheld,
        baseline=False,
    )
    return decided, model.learner.explain(d.action, offer.parts[d.pick]) if explain else None


def baseline(model: LoadedModel, body: RankBody, readings: Readings, request: bytes) -> Decided:
    """Answer the first action for certain: nothing may be known of this person, so nothing is noted, and nothing will be learnt."""
    return Decided(
        event=body.event_id,
        request=request,
        subjects={},
        actions=[a.id for a in body.actions],
        probabilities=[1.0] + [0.0] * (len(body.actions) - 1),
        pick=0,
        phi=None,
        offered=None,
        sums=model.learner.digest(),
        rows=model.learner.rows,
        withheld=readings.withheld,
        baseline=True,
    )


def _same(before: Decided, request: bytes) -> Decided:
    if before.request != request:
        raise event_conflict()
    return before
