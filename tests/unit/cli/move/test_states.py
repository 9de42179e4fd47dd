"""What a move does next: every pair of states has a decision, and none of them makes two authorities or loses the only one."""

from __future__ import annotations

import itertools

import pytest

from commonweal_cli.move.states import Seen, Source, Step, Target, decide

EVERY = [Seen(s, t, "m", "m") for s, t in itertools.product(Source, Target)]
SERVES = {Source.SERVING, Source.FROZEN}
COPY = {Target.COPIED, Target.RELEASED}


@pytest.mark.parametrize("seen", EVERY, ids=lambda s: f"{s.source}-{s.target}")
def test_every_pair_has_a_decision_and_a_refusal_says_why(seen: Seen) -> None:
    decision = decide(seen)
    assert decision.step is not Step.REFUSE or decision.why


@pytest.mark.parametrize("seen", EVERY, ids=lambda s: f"{s.source}-{s.target}")
def test_the_new_site_is_opened_only_when_the_old_one_has_gone_by_the_same_move(seen: Seen) -> None:
    if decide(seen).step is Step.OPEN:
        assert seen.source is Source.GONE
        assert seen.target in COPY
    if seen.source is Source.GONE:
        assert decide(Seen(seen.source, seen.target, "m", "another")).step is not Step.OPEN


@pytest.mark.parametrize("seen", EVERY, ids=lambda s: f"{s.source}-{s.target}")
def test_the_old_site_is_erased_only_while_the_new_one_serves(seen: Seen) -> None:
    for uncertified in (False, True):
        decision = decide(Seen(seen.source, seen.target, "m", "m", uncertified))
        if decision.step is Step.ERASE:
            assert seen.target is Target.SERVING
            assert seen.source not in SERVES


@pytest.mark.parametrize("seen", EVERY, ids=lambda s: f"{s.source}-{s.target}")
def test_a_copy_is_thrown_away_only_while_the_old_site_serves(seen: Seen) -> None:
    if decide(seen).step is Step.DISCARD:
        assert seen.source in SERVES
        assert seen.target in COPY


@pytest.mark.parametrize("seen", EVERY, ids=lambda s: f"{s.source}-{s.target}")
def test_nothing_is_done_while_a_store_does_not_answer(seen: Seen) -> None:
    if Source.AWAY is seen.source or Target.AWAY is seen.target:
        assert decide(seen).step is Step.REFUSE


def test_the_way_from_beginning_to_end() -> None:
    way = [
        (Seen(Source.SERVING, Target.ABSENT), Step.PREPARE),
        (Seen(Source.SERVING, Target.PREPARED, "", "m"), Step.COPY),
        (Seen(Source.GONE, Target.RELEASED, "m", "m"), Step.OPEN),
        (Seen(Source.GONE, Target.SERVING, "m", ""), Step.ERASE),
        (Seen(Source.ABSENT, Target.SERVING, "", "", uncertified=True), Step.ERASE),
        (Seen(Source.ABSENT, Target.SERVING), Step.DONE),
    ]
    assert [decide(seen).step for seen, _ in way] == [step for _, step in way]


@pytest.mark.parametrize(
    ("after", "step"),
    [
        (Seen(Source.FROZEN, Target.PREPARED, "m", "m"), Step.COPY),
        (Seen(Source.SERVING, Target.COPIED, "", "m"), Step.DISCARD),
        (Seen(Source.SERVING, Target.LEAVING, "", ""), Step.PREPARE),
        (Seen(Source.GONE, Target.COPIED, "m", "m"), Step.OPEN),
        (Seen(Source.LEAVING, Target.SERVING), Step.ERASE),
        (Seen(Source.FROZEN, Target.PREPARED, "other", "m"), Step.REFUSE),
        (Seen(Source.ABSENT, Target.COPIED, "", "m"), Step.REFUSE),
        (Seen(Source.SERVING, Target.SERVING), Step.REFUSE),
    ],
)
def test_after_a_death_in_the_middle_the_next_run_knows_what_to_do(after: Seen, step: Step) -> None:
    assert decide(after).step is step
