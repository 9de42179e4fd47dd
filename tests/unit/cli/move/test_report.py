"""What the report says of times, and what the certificate says at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from commonweal_api.signatures import public_key
from commonweal_cli.erasure import certificate
from commonweal_cli.move.timeline import Timeline, report, spans, table
from commonweal_stacks.conformity.statement import ERASURE, subjects_of, verify

SEED, AT = b"s" * 32, datetime(2026, 11, 22, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_read_only_lasts_from_the_freeze_to_the_opening_and_recovery_to_the_first_answer() -> None:
    clock = Clock()
    timeline = Timeline(clock)
    with timeline.measured("copy"):
        clock.now += 5
    timeline.mark("frozen")
    clock.now += 2
    timeline.mark("opened")
    clock.now += 1
    timeline.mark("answered")
    assert spans(timeline) == {"readOnlySeconds": 2.0, "timeToRecoverSeconds": 3.0}
    made = report(timeline, department="club", source="a", target="b", move="m")
    assert made["steps"] == [{"name": "copy", "at": 0.0, "seconds": 5.0, "ok": True}]
    assert made["totalSeconds"] == 8.0


def test_a_move_that_did_not_get_so_far_reports_no_times() -> None:
    timeline = Timeline(Clock())
    timeline.mark("frozen")
    assert set(spans(timeline).values()) == {None}


def test_only_the_last_attempt_counts_and_a_failed_step_is_shown_as_such() -> None:
    clock = Clock()
    timeline = Timeline(clock)
    timeline.mark("frozen")
    with pytest.raises(OSError, match="cut"), timeline.measured("copy"):
        raise OSError("cut")
    clock.now += 10
    timeline.mark("frozen")
    with timeline.measured("recover"):
        clock.now += 4
    timeline.mark("opened")
    shown = table(report(timeline, department="club", source="a", target="b", move="m"))
    assert "read-only (s)              4.0" in shown
    lines = {line.split(" ")[0]: line for line in shown.splitlines() if "|" in line}
    assert lines["copy"].endswith("failed")
    assert "#" in lines["recover"]
    assert "#" not in lines["copy"]


def test_a_certificate_is_signed_by_the_site_and_says_what_it_does_not_cover() -> None:
    made = certificate(
        SEED,
        what="department",
        site="a",
        department="club",
        subjects={"department/club": "0" * 64},
        counts={"rows": 3},
        checks=["gone"],
        at=AT,
    )
    statement = verify(made, [public_key(SEED)], predicate_type=ERASURE)
    assert subjects_of(statement) == {"department/club": "0" * 64}
    assert statement["predicate"]["counts"] == {"rows": 3}
    assert "backups" in statement["predicate"]["limits"][0]


def test_what_nobody_looked_at_is_not_certified() -> None:
    with pytest.raises(ValueError, match="checks"):
        certificate(SEED, what="department", site="a", subjects={"x": "0" * 64}, counts={}, checks=[], at=AT)


def test_another_run_goes_on_with_the_report_of_the_first() -> None:
    clock = Clock()
    first = Timeline(clock)
    first.mark("frozen")
    first.numbers["rows"] = 3
    with first.measured("copy"):
        clock.now += 2
    made = report(first, department="club", source="a", target="b", move="m")
    clock.now += 10
    second = Timeline(clock)
    second.go_on(made)
    with second.measured("open"):
        clock.now += 1
    second.mark("opened")
    assert [(step["name"], step["at"]) for step in second.steps] == [("copy", 0.0), ("open", 12.0)]
    assert spans(second)["readOnlySeconds"] == 13.0
    assert second.numbers == {"rows": 3}
