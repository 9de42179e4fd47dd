"""What tests and benches repeat beside something else."""

from __future__ import annotations

import threading

from support.asking import Asking
from support.repeating import Repeating


def test_it_repeats_for_as_long_as_the_block_runs_and_not_after() -> None:
    times, enough = list[None](), threading.Event()

    def act() -> None:
        times.append(None)
        if len(times) == 3:
            enough.set()

    with Repeating(0.001, act) as repeating:
        assert enough.wait(10)
    assert len(times) >= 3
    assert not repeating._thread.is_alive()


def test_who_is_refused_once_is_counted_and_asked_again() -> None:
    answers, answered = iter([OSError("refused")]), threading.Event()

    def ask() -> None:
        for error in answers:
            raise error
        answered.set()

    with Asking(ask) as asking:
        assert answered.wait(10)
    assert asking.wrong == ["refused"]
    assert asking.answered >= 1
