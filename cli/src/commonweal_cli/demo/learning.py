"""The part of the journey in which a model is asked, rewarded, and learns."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_api import namespace_of
from commonweal_api.plan import audience_of
from commonweal_cli.demo.journey import REGISTRY, TAX, Site, expect
from commonweal_cli.demo.report import Row
from commonweal_cli.demo.web import Answer, Caller

MODEL = "/v1/models/next-step"
ACTIONS = [{"id": name} for name in ("talk-to-an-adviser", "register-for-vat", "set-up-payroll", "find-a-grant")]
ROUNDS = 60


@dataclass(frozen=True)
class Someone:
    """A person as two departments know them, and the step that in truth helps them (a rule of this demonstration)."""

    username: str
    subjects: dict[str, str]
    helped_by: str


def people(site: Site, names: Sequence[tuple[str, str]]) -> list[Someone]:
    """Return the people of the demonstration; each consents to guidance and is helped by what their registration calls for."""
    found = []
    for index, (username, password) in enumerate(names):
        session = site.sign_in.person(username, password, REGISTRY)
        site.caller(site.apis[REGISTRY], session.access_token).call("PUT", "/me/consents/guidance-knows-company", {"state": "Given"})
        subjects = {REGISTRY: session.subject, TAX: site.subject(TAX, username, password)}
        found.append(Someone(username, subjects, "find-a-grant" if index % 3 == 2 else "register-for-vat"))
    return found


def ask(model: Caller, who: Someone, event: str) -> Answer:
    """Ask for the order of the next steps for one person."""
    return model.call("POST", f"{MODEL}/rank", {"eventId": event, "subjects": who.subjects, "actions": ACTIONS})


def learn(model: Caller, group: Sequence[Someone], rounds: int) -> tuple[list[float], Answer, Answer]:
    """Rank and reward in turn; return the rewards and the last two answers."""
    rewards: list[float] = []
    for turn in range(rounds):
        who, event = group[turn % len(group)], str(uuid.uuid4())
        ranked = ask(model, who, event)
        if ranked.status != 200:
            return rewards, ranked, ranked
        value = 1.0 if ranked.body["action"] == who.helped_by else 0.0
        rewarded = model.call("POST", f"{MODEL}/reward", {"eventId": event, "value": value})
        if rewarded.status != 200:
            return rewards, ranked, rewarded
        rewards.append(value)
    return rewards, ranked, rewarded


def decisions(site: Site, names: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """The service is told a choice and no value, for no agreement names it; its reward is joined once, and the model has learnt."""
    base: str = site.cluster.get("departments", TAX)["status"]["models"]
    model = site.caller(base, site.cluster.token(namespace_of(TAX), "tax-app", audience_of(TAX)))
    group = people(site, names)
    before = model.get(MODEL)
    first = ask(model, group[0], event := str(uuid.uuid4()))
    ok = first.status == 200 and told(first.body) and bool(first.body["decisionId"])
    yield expect("the model chooses the next step", "a choice, and no value behind it", first, ok, choice(first.body) if ok else None)
    joined = model.call("POST", f"{MODEL}/reward", {"eventId": event, "value": 0.0})
    yield expect("a reward is joined to the decision", "joined", joined, bool(joined.body.get("joined")))
    twice = model.call("POST", f"{MODEL}/reward", {"eventId": event, "value": 0.0})
    yield expect("the same reward again", "known, not learnt twice", twice, bool(twice.body.get("duplicate")))
    rewards, _, last = learn(model, group, ROUNDS)
    third = ROUNDS // 3
    early, late = sum(rewards[:third]) / third, sum(rewards[-third:]) / third
    after = model.get(MODEL)
    # Chance gives 0.25. On a model that learnt before, the first third is good already.
    ok = len(rewards) == ROUNDS and after.body["rewarded"] >= before.body["rewarded"] + ROUNDS and late >= 0.6
    yield expect(
        f"{ROUNDS} interactions later",
        "the model has learnt",
        last,
        ok,
        f"mean reward {early:.2f} at first, {late:.2f} at the end" if rewards else None,
    )
    yield from without_consent(site, model, group[0], names[0])


def without_consent(site: Site, model: Caller, who: Someone, name: tuple[str, str]) -> Iterator[Row]:
    """A person who withdraws and objects gets the baseline, and the model sees nothing of them."""
    registry = site.caller(site.apis[REGISTRY], site.sign_in.person(*name, REGISTRY).access_token)
    tax = site.caller(site.apis[TAX], site.sign_in.person(*name, TAX).access_token)
    registry.call("PUT", "/me/consents/guidance-knows-company", {"state": "Withdrawn"})
    tax.call("PUT", "/me/objections/guidance-knows-registration", {"state": "Objected"})
    answer = ask(model, who, str(uuid.uuid4()))
    ok = answer.status == 200 and told(answer.body) and answer.body["action"] == ACTIONS[0]["id"]
    yield expect(
        "the model is asked for a person who withholds all",
        "the first action, as for anybody",
        answer,
        ok,
        choice(answer.body) if ok else None,
    )
    tax.call("PUT", "/me/objections/guidance-knows-registration", {"state": "Lifted"})


def told(body: Any) -> bool:
    """Return whether the answer is a choice and nothing that a person's values could be worked out from."""
    return set(body) == {"eventId", "decisionId", "gets", "action"}


def choice(body: Any) -> str:
    """Say what was decided."""
    return f"{body['action']}, decision {body['decisionId'][:8]}"
