"""The learner keeps what it promises: exact merging, forgetting and replay; honest propensities; explanations that add up."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from commonweal_runtime.models.learning import Array, Decision, Exploration, Learner, Part, Row, Space, Sums, squarecb

NAMES = tuple(f"u^f{i}" for i in range(6))
SPACES = [
    Space(dim=40, names=NAMES, cross=(("u", "u"),), lam=0.1, mu=0.5),
    Space(dim=64, names=NAMES, cross=(("u", "g"),), per_action=False, lam=0.3, weight_cap=8.0),
]
EXPLORE = Exploration(floor=0.01)
both = pytest.mark.parametrize("space", SPACES, ids=["per-action", "shared"])


class Offer(NamedTuple):
    actions: list[str]
    parts: list[dict[str, Part]]
    phis: Array


class Story(NamedTuple):
    learner: Learner
    rows: list[tuple[str, Row]]
    decisions: list[Decision]

    def of(self, subject: str) -> list[Row]:
        return [r for who, r in self.rows if who == subject]

    def without(self, subject: str) -> list[Row]:
        return [r for who, r in self.rows if who != subject]


def an_offer(learner: Learner, rng: np.random.Generator) -> Offer:
    """Five of twelve actions for a made-up person; in the shared shape each action has a kind."""
    encoder = learner.encoder
    person = encoder.part("u", {f"f{i}": float(v) for i, v in enumerate(rng.normal(size=6))})
    actions = [f"a{i}" for i in rng.choice(12, 5, replace=False)]
    if learner.space.per_action:
        return Offer(actions, [{"u": person}] * 5, encoder.phi({"u": person}))
    parts = [{"u": person, "g": encoder.part("g", {f"kind{int(a[1:]) % 4}": 1.0})} for a in actions]
    return Offer(actions, parts, np.stack([encoder.phi(p) for p in parts]))


def live(space: Space, n: int, seed: int, learner: Learner | None = None) -> Story:
    """A stream of decisions and rewards, learnt one by one; each of 17 people has several rows."""
    learner, rng, rows, decisions = learner or Learner(space, EXPLORE), np.random.default_rng(seed), [], []
    for t in range(n):
        offer = an_offer(learner, rng)
        d = learner.decide(f"e{seed}-{t}", offer.actions, offer.phis)
        phi = offer.phis if space.per_action else offer.phis[d.pick]
        row = Row.of(space, d.action, phi, float(rng.random() < 0.2 + 0.05 * int(d.action[1:])), d.propensity)
        learner.learn([row])
        rows.append((f"p{t % 17}", row))
        decisions.append(d)
    return Story(learner, rows, decisions)


def pooled(space: Space, rows: list[Row]) -> Learner:
    learner = Learner(space, EXPLORE)
    learner.learn(rows)
    return learner


@both
def test_merged_sites_equal_one_site_that_saw_everything_in_every_bit(space: Space) -> None:
    sites = [live(space, 80, seed) for seed in range(4)]
    one = pooled(space, [r for site in sites for _, r in site.rows])
    merged = Sums.merge([s.learner.sums for s in sites])
    assert merged.digest() == one.digest()
    assert Sums.merge([s.learner.sums for s in reversed(sites)]).digest() == one.digest()
    for name in ("gram", "moment", "centre", "count", "total"):
        assert (getattr(merged, name) == getattr(one.sums, name)).all(), name


def test_sites_with_different_spaces_do_not_merge() -> None:
    with pytest.raises(ValueError, match="spaces"):
        Sums.merge([Sums(SPACES[0]), Sums(replace(SPACES[0], lam=9.0))])
    with pytest.raises(ValueError, match="space"):
        Learner(SPACES[0], sums=Sums(SPACES[1]))


@both
def test_forgetting_a_person_equals_never_having_seen_them_in_every_bit(space: Space) -> None:
    story = live(space, 300, 1)
    before = story.learner.digest()
    story.learner.unlearn(story.of("p3"))
    never = pooled(space, story.without("p3"))
    assert story.learner.digest() == never.digest() != before
    offer = an_offer(never, np.random.default_rng(5))
    assert (story.learner.score(offer.actions, offer.phis) == never.score(offer.actions, offer.phis)).all()
    story.learner.unlearn(story.without("p3"))
    assert story.learner.rows == 0
    assert not story.learner.sums.actions
    assert story.learner.digest() == Learner(space).digest()


@both
def test_weights_do_not_depend_on_the_order_of_learning(space: Space) -> None:
    story = live(space, 400, 2)
    backwards = pooled(space, [r for _, r in reversed(story.rows)])
    offer = an_offer(backwards, np.random.default_rng(5))
    assert (story.learner.score(offer.actions, offer.phis) == backwards.score(offer.actions, offer.phis)).all()


@both
def test_weights_solve_the_ridge_problem_with_intercepts(space: Space) -> None:
    """Independent check: the same problem written out with one intercept column per action, solved by plain numpy."""
    space = replace(space, weight_cap=1.0)
    story = live(space, 200, 11)
    learner, rows = story.learner, [r for _, r in story.rows]
    action = learner.sums.actions[0]
    names = [action] if space.per_action else learner.sums.actions
    mine = [r for r in rows if r.action in names]
    design = np.array([np.concatenate([r.phi, [float(r.action == n) for n in names]]) for r in mine])
    target = np.array([r.reward - space.base for r in mine])
    ridge = np.diag([space.lam] * space.dim + [space.mu] * len(names))
    solution = np.linalg.solve(design.T @ design + ridge, design.T @ target)
    theta, bias = learner.weights(names)
    assert np.abs(theta[0] - solution[: space.dim]).max() < 2e-6
    assert np.abs(bias - solution[space.dim :]).max() < 2e-6


@both
def test_propensities_sum_to_one_and_respect_the_floor(space: Space) -> None:
    for d in live(space, 300, 3).decisions:
        assert abs(d.probabilities.sum() - 1.0) < 1e-12
        assert d.probabilities.min() >= EXPLORE.floor - 1e-15
        assert d.propensity == d.probabilities[d.pick]


def test_squarecb_prefers_the_leader_and_refuses_a_floor_that_leaves_it_nothing() -> None:
    rng = np.random.default_rng(0)
    for k in (1, 2, 7, 50):
        scores = rng.normal(size=k)
        p = squarecb(scores, 1e6, 0.01)
        assert abs(p.sum() - 1.0) < 1e-12
        assert p.min() >= 0.01 - 1e-15
        assert p.argmax() == scores.argmax()
    with pytest.raises(ValueError, match="floor"):
        squarecb(np.zeros(200), 1.0, 0.01)


@both
def test_a_replay_gives_the_same_decisions_bit_for_bit(space: Space) -> None:
    a, b = live(space, 200, 4), live(space, 200, 4)
    assert [d.action for d in a.decisions] == [d.action for d in b.decisions]
    assert all((x.probabilities == y.probabilities).all() for x, y in zip(a.decisions, b.decisions, strict=True))
    assert a.learner.digest() == b.learner.digest()


@both
def test_a_score_is_exact_in_every_order_of_summation(space: Space) -> None:
    """So that neither BLAS nor a number of threads can change a decision."""
    learner, rng = live(space, 200, 4).learner, np.random.default_rng(9)
    offer = an_offer(learner, rng)
    scores = learner.score(offer.actions, offer.phis)
    for i, action in enumerate(offer.actions):
        theta, bias = learner.weights([action])
        phi = offer.phis if space.per_action else offer.phis[i]
        for order in (np.arange(space.dim)[::-1], rng.permutation(space.dim)):
            assert sum((float(theta[0][j] * phi[j]) for j in order), space.base + float(bias[0])) == scores[i]
        assert phi @ theta[0] + bias[0] + space.base == scores[i]


def test_the_same_event_asked_again_gets_the_same_answer_and_draws_follow_the_propensities() -> None:
    learner = live(SPACES[0], 100, 5).learner
    offer, n, seen = an_offer(learner, np.random.default_rng(1)), 20_000, np.zeros(5)
    assert learner.decide("x", offer.actions, offer.phis).pick == learner.decide("x", offer.actions, offer.phis).pick
    for t in range(n):
        d = learner.decide(f"x{t}", offer.actions, offer.phis)
        seen[d.pick] += 1
    assert np.abs(seen / n - d.probabilities).max() < 4 * np.sqrt(0.25 / n)


@both
def test_an_explanation_adds_up_to_the_score_exactly(space: Space) -> None:
    learner, rng = live(space, 200, 6).learner, np.random.default_rng(3)
    for _ in range(20):
        offer = an_offer(learner, rng)
        for action in (offer.actions[0], "never tried"):
            terms = learner.explain(action, offer.parts[0])
            assert sum(v for _, v in terms) == learner.score([action], learner.encoder.phi(offer.parts[0]))[0]
            assert [terms[0][0], terms[1][0]] == ["base", f"action {action}"]
        assert {"u^f0"} < {name for name, _ in terms}
    assert any(value for _, value in learner.explain(offer.actions[0], offer.parts[0])[2:])


@both
def test_saved_sums_come_back_whole_and_go_on_the_same_way(space: Space) -> None:
    learner = live(space, 150, 7).learner
    back = Learner(space, EXPLORE, Sums.load(learner.sums.dump()))
    assert back.digest() == learner.digest()
    x, y = live(space, 50, 8, learner), live(space, 50, 8, back)
    assert [d.pick for d in x.decisions] == [d.pick for d in y.decisions]
    assert x.learner.digest() == y.learner.digest()


def test_saved_sums_hold_no_objects_no_person_and_no_event_and_damage_is_found() -> None:
    data = live(SPACES[0], 50, 7).learner.sums.dump()
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert all(b"|O" not in z.read(n)[:128] for n in z.namelist())
    with np.load(io.BytesIO(data), allow_pickle=False) as z:
        parts = dict(z)
    assert set(json.loads(parts["meta"].tobytes())) == {"space", "actions", "rows", "digest"}
    parts["moment"][0, 0] += 1.0
    damaged = io.BytesIO()
    np.savez(damaged, **parts)
    with pytest.raises(ValueError, match="digest"):
        Sums.load(damaged.getvalue())


def test_the_cached_digest_is_the_digest_of_the_sums() -> None:
    """The digest is kept per action; a stale one would hide damage."""
    story = live(SPACES[0], 60, 12)
    story.learner.digest()
    story.learner.unlearn(story.of("p1"))
    assert story.learner.digest() == Sums.load(story.learner.sums.dump()).digest()
    assert story.learner.digest() == pooled(SPACES[0], story.without("p1")).digest()


def test_refusals_leave_the_sums_untouched() -> None:
    story = live(SPACES[0], 20, 10)
    before = story.learner.digest()
    with pytest.raises(ValueError, match="finite"):
        story.learner.encoder.part("u", {"f0": float("nan")})
    row = story.rows[0][1]
    with pytest.raises(OverflowError, match="twice"):
        story.learner.unlearn([row._replace(action="never learnt")])
    assert story.learner.digest() == before
    with pytest.raises(OverflowError, match="twice"):
        story.learner.unlearn([row] * 21)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"base": 0.3}, "multiple"), ({"lam": 0.0}, "lam"), ({"dim": 300}, "exact"), ({"names": tuple("abcdefgh"), "dim": 4}, "slots")],
)
def test_a_space_that_could_not_stay_exact_is_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Space(**change)


def test_a_space_survives_its_json_form() -> None:
    for space in SPACES:
        assert Space.of(json.loads(json.dumps(space.wire()))) == space
        assert Space.of(json.loads(json.dumps(space.wire()))).digest() == space.digest()
    assert SPACES[0].digest() != SPACES[1].digest()
