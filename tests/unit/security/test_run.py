"""The program of the attacks: its exit status says whether all was held, and a part that breaks off counts as not held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from commonweal_local.exceptions import LocalError
from security import guards, run
from security.asks import Ask
from security.findings import Finding


class Nobody:
    def clear(self) -> None:
        """Nothing was made."""


HELD, BROKEN = Finding("p", "a", held=True, layer="l"), Finding("p", "b", held=False, layer="none")


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    @contextmanager
    def nowhere(_progress: object) -> Iterator[Nobody]:
        yield Nobody()

    monkeypatch.setattr(run, "throwaway", nowhere)
    monkeypatch.setattr(guards, "seen", lambda _stage, _progress: [HELD])
    return monkeypatch


def test_the_exit_status_says_whether_all_was_held(staged: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    staged.setattr(run, "PARTS", {"one": lambda _stage, _say: [HELD], "two": lambda _stage, _say: [BROKEN]})
    assert run.run(["--only", "one"]) == 0
    assert run.run([]) == 1
    assert "3 attacks: 2 held, 1 did not" in capsys.readouterr().out


def test_a_suite_that_does_not_see_a_missing_guard_fails(staged: pytest.MonkeyPatch) -> None:
    staged.setattr(run, "PARTS", {"one": lambda _stage, _say: [HELD]})
    staged.setattr(guards, "seen", lambda _stage, _progress: [BROKEN])
    assert run.run([]) == 1


def test_a_part_that_breaks_off_did_not_hold(staged: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def breaks(_stage: object, _say: object) -> list[Finding]:
        raise TimeoutError("waited for ever")

    staged.setattr(run, "PARTS", {"one": breaks, "two": lambda _stage, _say: [HELD]})
    assert run.run([]) == 1
    assert "TimeoutError: waited for ever" in capsys.readouterr().out


def test_it_refuses_where_another_site_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    @contextmanager
    def refuses(_progress: object) -> Iterator[Nobody]:
        raise LocalError("site 'cloud' runs on this machine", "End it first.")
        yield Nobody()

    monkeypatch.setattr(run, "throwaway", refuses)
    assert run.run([]) == 1
    assert "site 'cloud' runs" in capsys.readouterr().err


def test_a_change_is_sent_as_a_merge_and_all_else_as_json() -> None:
    assert (Ask("PATCH", "/x").content, Ask("POST", "/x").content) == ("application/merge-patch+json", "application/json")
