"""Supervising, waiting, showing progress, giving addresses."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from commonweal_local.durations import Durations
from commonweal_local.progress import Progress, Step, in_words, outlook
from commonweal_local.sites import processes
from commonweal_local.sites.balancer import assign
from commonweal_local.sites.site import Mode, Site
from commonweal_local.sites.state import recorded
from commonweal_local.sites.supervisor import Supervisor, next_delay
from commonweal_local.waiting import until, within
from support.supervising import component, supervised

POOL = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


def service(name: str, address: str = "", kind: str = "LoadBalancer", **spec: str) -> dict[str, Any]:
    ingress = [{"ip": address}] if address else []
    return {"metadata": {"name": name}, "spec": {"type": kind, **spec}, "status": {"loadBalancer": {"ingress": ingress}}}


def names(assigned: dict[str, Any]) -> dict[str, str]:
    return {address: one["metadata"]["name"] for address, one in assigned.items()}


def test_a_service_keeps_its_address_whatever_else_comes() -> None:
    assert names(assign(POOL, [service("new"), service("old", "10.0.0.1")])) == {"10.0.0.1": "old", "10.0.0.2": "new"}


def test_two_services_never_share_an_address() -> None:
    assert names(assign(POOL, [service("a", "10.0.0.2"), service("b", "10.0.0.2")])) == {"10.0.0.2": "a", "10.0.0.1": "b"}


def test_an_address_of_another_pool_is_replaced() -> None:
    assert names(assign(POOL, [service("a", "192.168.0.1")])) == {"10.0.0.1": "a"}


def test_services_beyond_the_pool_wait() -> None:
    assert len(assign(POOL, [service(str(number)) for number in range(5)])) == 3


def test_only_load_balancers_of_no_other_class_get_addresses() -> None:
    leaving = service("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-22T00:00:00Z"
    assert assign(POOL, [service("a", kind="ClusterIP"), service("b", loadBalancerClass="other"), leaving]) == {}


def test_a_program_that_keeps_dying_is_started_ever_more_rarely_and_a_steady_one_at_once() -> None:
    assert [next_delay(delay, 1) for delay in (0.5, 1, 2, 4, 8)] == [1, 2, 4, 8, 10]
    assert next_delay(10, 31) == 0.5


def pid_of(directory: Path, program: str) -> int:
    return component(directory, program).get("pid", 0)


def test_a_killed_program_is_started_again_and_ends_with_its_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path) as supervisor:
        supervisor.start("sleeper", ["sleep", "1000"])
        assert within(10, lambda: pid_of(tmp_path, "sleeper") > 0)
        first = pid_of(tmp_path, "sleeper")
        os.kill(first, signal.SIGKILL)
        assert within(10, lambda: pid_of(tmp_path, "sleeper") not in {0, first})
        second = pid_of(tmp_path, "sleeper")
    assert not Path(f"/proc/{second}").exists()
    assert "exited with -9" in (tmp_path / "logs" / "sleeper.log").read_text()


def test_marks_and_failures_are_there_for_others_to_read(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, tmp_path / "logs")
    supervisor.mark("api-server")
    supervisor.fail("the node did not come")
    kept = recorded(Site(tmp_path.name, 0, Mode.PODS, tmp_path.parent, {}))
    assert kept["error"] == "the node did not come"
    assert list(kept["marks"]) == ["api-server"]


def test_waiting_in_vain_names_what_was_awaited_and_the_last_error() -> None:
    def refused() -> bool:
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(TimeoutError, match=r"the API server: not there after 0 s \(nobody listens\)"):
        until("the API server", 0, refused, meanwhile=(OSError,))


def test_an_error_that_is_not_expected_meanwhile_is_not_waited_through() -> None:
    def broken() -> bool:
        raise KeyError("x")

    with pytest.raises(KeyError):
        until("anything", 5, broken, meanwhile=(OSError,))


def test_without_a_terminal_a_step_is_a_line_at_its_start_and_one_at_its_end() -> None:
    shown, times = io.StringIO(), iter([10.0, 13.5])
    with Progress(shown, live=False, clock=lambda: next(times)).step("building helm"):
        pass
    assert shown.getvalue() == "... building helm\nok building helm (3.5 s)\n"


def test_a_step_that_fails_says_so_and_lets_the_error_go_on() -> None:
    shown = io.StringIO()
    with pytest.raises(ValueError, match="broken"), Progress(shown, live=False).step("site north"):
        raise ValueError("broken")
    assert shown.getvalue().splitlines()[-1].startswith("failed site north")


def test_on_a_terminal_the_line_says_what_is_awaited() -> None:
    class Screen(io.StringIO):
        seen = threading.Event()

        def write(self, text: str) -> int:
            if "waiting for the node" in text:
                self.seen.set()
            return super().write(text)

    screen = Screen()
    with Progress(screen, live=True).step("site north") as step:
        step.update("waiting for the node")
        assert screen.seen.wait(10)


@pytest.mark.parametrize(
    ("elapsed", "share", "usual", "said"),
    [
        (30.0, None, 0.0, (None, 0.0)),
        (30.0, None, 120.0, (0.25, 90.0)),
        (500.0, None, 120.0, (0.99, 0.0)),
        (0.0, 0.0, 600.0, (0.0, 600.0)),
        (300.0, 0.5, 600.0, (0.5, 300.0)),
        (600.0, 0.5, 600.0, (0.5, 450.0)),
        (60.0, 0.25, 0.0, (0.25, 180.0)),
    ],
)
def test_what_is_left_follows_what_is_usual_at_first_and_the_own_pace_at_last(
    elapsed: float, share: float | None, usual: float, said: tuple[float | None, float]
) -> None:
    assert outlook(elapsed, share, usual) == pytest.approx(said)


def test_a_step_says_how_far_it_is_and_how_long_it_still_takes() -> None:
    step = Step("building helm", 100.0, usual=600.0)
    assert step.line(100.0) == "building helm: 0 %, about 10 minutes left (0 s)"
    step.reach(0.5, "3 of 6 packages compiled")
    assert step.line(400.0) == "building helm: 3 of 6 packages compiled, 50 %, about 5 minutes left (300 s)"


def test_less_than_a_minute_is_not_counted_in_minutes() -> None:
    assert [in_words(seconds) for seconds in (5, 50, 100)] == ["less than a minute left", "about 1 minute left", "about 2 minutes left"]


def test_a_step_takes_as_long_as_it_took_here_the_last_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))
    times = iter([0.0, 40.0, 40.0])
    with Progress(io.StringIO(), live=False, clock=lambda: next(times)).step("the sites", measured="the sites"):
        pass
    assert Durations().usual("the sites") == 40.0
    (tmp_path / "durations.json").write_text("{")
    assert Durations().usual("the sites") == 0.0, "a file that cannot be read is as good as none"


def test_a_step_that_failed_says_nothing_about_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="x"), Progress(io.StringIO(), live=False).step("the sites", measured="the sites"):
        raise ValueError("x")
    assert Durations().usual("the sites") == 0.0


def test_of_several_steps_at_once_the_oldest_has_the_line_and_the_others_are_counted() -> None:
    class Screen(io.StringIO):
        seen = threading.Event()

        def write(self, text: str) -> int:
            if "the images" in text and "and 1 more" in text:
                self.seen.set()
            return super().write(text)

    screen = Screen()
    progress = Progress(screen, live=True)
    with progress.step("the images"), progress.step("the programs"):
        assert screen.seen.wait(10)
    assert not re.search("\\r[^\\n]*the programs[^\\n]* more", screen.getvalue())


def test_a_step_says_how_far_all_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))
    Durations().keep("all of it", 600.0)
    heard = threading.Event()

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if "; in all: " in text:
                heard.set()
            return super().write(text)

    progress = Progress(Screen(), live=True)
    with progress.whole("all of it"), progress.step("the images"):
        assert heard.wait(10)
    assert Durations().usual("all of it") < 600.0


def test_a_process_lives_until_its_last_thread_has_ended() -> None:
    """A Go program's first thread may end before the others, which hold its ports."""
    code = "import ctypes, threading, sys; threading.Thread(target=sys.stdin.read).start(); ctypes.CDLL(None).syscall(60, 0)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        assert within(10, lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
        assert processes.alive(process.pid)
        process.kill()
        assert within(10, lambda: not processes.alive(process.pid))
