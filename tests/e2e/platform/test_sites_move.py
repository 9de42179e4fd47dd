"""A department with real data moves between two real sites: cut off, killed, begun again; and everything it knew is there afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_api.signatures import public_key
from commonweal_cli import main
from commonweal_cli.demo import bring_up
from commonweal_cli.demo.web import Answer
from commonweal_cli.kubectl import lacking
from commonweal_local import paths, sites
from commonweal_local.waiting import until, within
from commonweal_stacks.conformity.site_key import site_seed
from commonweal_stacks.conformity.statement import ERASURE, verify
from support import movielens
from support.film_club import CLUB, MODEL, Club
from support.waiting import HANG

pytestmark = pytest.mark.sites
DECISIONS = 40
SPACES = (namespace_of(CLUB), platform_namespace_of(CLUB))


def offers_of(club: Club) -> list[movielens.Offer]:
    """Return offers of films that some members did rate."""
    made = movielens.offers(club.ratings(club.members()[:16]), seed=3, most=DECISIONS + 5)
    assert len(made) == DECISIONS + 5
    return made


def move(here: Club, there: Club, *more: str) -> subprocess.Popen[str]:
    """Start the command as an administrator would."""
    words = ["move", CLUB, "--from", here.cluster.name, "--to", there.cluster.name, *more]
    return subprocess.Popen(
        [sys.executable, "-m", "commonweal_cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def frozen(club: Club, subject: str, process: subprocess.Popen[str]) -> bool:
    """Whether uses are refused because the department moves; a command that has ended by itself fails the test."""
    if process.poll() is not None:
        pytest.fail(process.communicate()[0])
    return answered(club, subject, lambda answer: answer.reason == "DepartmentMoving")


def answered(club: Club, subject: str, so: Callable[[Answer], bool]) -> bool:
    """Whether a use is answered so; a connection that was not taken in time, as on a busy machine, is no answer yet."""
    try:
        return so(club.newsletter(subject))
    except OSError:
        return False


def serves(club: Club, subject: str) -> bool:
    """Whether uses are answered with data."""
    return answered(club, subject, lambda answer: answer.status == 200)


def cut_off(here: Club, there: Club, subject: str) -> None:
    """The link to the new site is cut while the department is frozen: it serves at the old one again."""
    process = move(here, there, "--most-frozen", "25")
    until("the department to be frozen", HANG, lambda: frozen(here, subject, process))
    sites.cut(there.cluster.name)
    try:
        assert within(HANG, lambda: serves(here, subject)), "a cut link freezes nobody for good"
        assert process.wait(HANG) == 1
    finally:
        sites.reconnect(there.cluster.name)
    assert "Run the command again" in process.communicate()[0]


def killed(here: Club, there: Club, subject: str) -> None:
    """The command is killed with everything that it started: likewise."""
    process = move(here, there)
    until("the department to be frozen again", HANG, lambda: frozen(here, subject, process))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert within(HANG, lambda: serves(here, subject)), "whoever dies, the old site serves again"
    assert there.cluster.run("get", "department", CLUB, "-o", "name").strip(), "what was prepared is still there, to go on from"


def called_off(here: Club, there: Club, subject: str) -> None:
    """The move is called off: nothing of it is left, and the old site never noticed."""
    process = move(here, there, "--abort")
    said = process.communicate(timeout=HANG)[0]
    assert process.returncode == 0, said
    assert not there.cluster.run("get", "namespace", *SPACES, "--ignore-not-found", "-o", "name").strip()
    assert within(HANG, lambda: serves(here, subject)), "the old site never noticed"


def to_the_end(here: Club, there: Club, subject: str) -> str:
    """And again, to the end; a person withdraws in the middle of it."""
    process = move(here, there)
    until("the department to be frozen once more", HANG, lambda: frozen(here, subject, process))
    assert here.says(0, "Withdrawn").status == 200, "what people say is never refused because of a move"
    said = process.communicate(timeout=2 * HANG)[0]
    assert process.returncode == 0, said
    return said


def goes_on(here_learnt: dict[str, Any], there: Club, offers: list[movielens.Offer]) -> None:
    """The model decides with the same sums, and learns on."""
    model = there.model().get(MODEL).body
    assert (model["rows"], model["digest"]) == (here_learnt["rows"], here_learnt["digest"])
    there.replay(offers, "after the move")
    assert there.model().get(MODEL).body["rows"] == here_learnt["rows"] + len(offers)


def not_ready(club: Club) -> list[str]:
    """What the department's own objects lack; other departments of the site are other tests' business."""
    items = [item for kind in bring_up.KINDS for item in club.cluster.items(kind)]
    own = [item for item in items if CLUB in (item["metadata"]["name"], item["metadata"].get("namespace", "").removeprefix("dept-"))]
    assert len(own) > len(bring_up.KINDS), "its department, two products, agreements and the model"
    return [said for item in own if (said := lacking(item))]


def test_a_department_moves_and_nothing_is_lost(club: tuple[Club, Club], capsys: pytest.CaptureFixture[str]) -> None:
    here, there = club
    ada, ben = (str(here.signed_in(n).subject) for n in (0, 1))
    for number, subject in ((0, ada), (1, ben)):
        assert here.says(number, "Given").status == 200
        assert here.newsletter(subject).status == 200
    offers = offers_of(here)
    here.replay(offers[:DECISIONS], "before the move")
    learnt, uses = dict(here.model().get(MODEL).body), here.uses(0)
    cut_off(here, there, ada)
    killed(here, there, ada)
    called_off(here, there, ada)
    said = to_the_end(here, there, ada)
    with capsys.disabled():
        print(f"\n{said}", file=sys.stderr)

    assert there.newsletter(ada).status == 404, "withdrawn during the move stays withdrawn"
    assert there.newsletter(ben).status == 200, "and what was given stays given"
    assert uses <= there.uses(0), "every use that ada was shown is still shown"
    goes_on(learnt, there, offers[DECISIONS:])
    assert not_ready(there) == []
    assert main.main(["audit", "verify", CLUB, "--kubeconfig", str(there.cluster.kubeconfig)]) == 0, (
        "the old site's record holds at the new one"
    )


def test_the_report_says_how_long_and_that_nothing_differs(club: tuple[Club, Club]) -> None:
    report: dict[str, Any] = json.loads((paths.home() / "moves" / f"{CLUB}.json").read_text())
    assert (report["from"], report["to"]) == tuple(one.cluster.name for one in club)
    numbers = report["numbers"]
    assert (numbers["changedManifestLines"], numbers["rowsDifferent"], numbers["usesLost"]) == (0, 0, 0)
    assert numbers["wordsCarried"] <= 1, "one person spoke: before the moment of the copy, or after it and was carried"
    assert numbers["rows"] > 100_000
    assert 0 < report["readOnlySeconds"] <= report["timeToRecoverSeconds"] < report["totalSeconds"]


def test_nothing_is_left_at_the_old_site_and_that_is_certified(club: tuple[Club, Club]) -> None:
    here, _ = club
    assert not here.cluster.run("get", "namespace", *SPACES, "--ignore-not-found", "-o", "name").strip()
    assert not [v for v in here.cluster.items("persistentvolumes") if (v["spec"].get("claimRef") or {}).get("namespace") in SPACES]
    file = paths.home() / "moves" / f"{CLUB}-{here.cluster.name}-erasure.json"
    key = public_key(site_seed(here.cluster.kubeconfig.read_text(), site=here.cluster.name))
    statement = verify(json.loads(file.read_text()), [key], predicate_type=ERASURE)
    assert statement["predicate"]["department"] == CLUB
    assert statement["predicate"]["site"] == here.cluster.name
    assert {s["name"] for s in statement["subject"]} >= {f"department/{CLUB}", "department/consent.event", "department/audit.use"}
