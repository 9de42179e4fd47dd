"""Copying and switching: all that happens while the department is frozen, and the one transaction after which there is no way back."""

from __future__ import annotations

import hashlib
import json
import subprocess
import urllib.error
from typing import Any

from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import lacking
from commonweal_cli.move import prepare
from commonweal_cli.move.endpoint import AGAIN, End, within_reason
from commonweal_cli.move.manifests import OUR_KINDS, identities
from commonweal_cli.move.timeline import Timeline
from commonweal_cli.move.transfer import Passed, Say, pass_over
from commonweal_local.exceptions import LocalError
from commonweal_local.surroundings import opener
from commonweal_local.waiting import within

TAKEN_UP_SECONDS, ANSWER_SECONDS = 240.0, 60.0
CARRIES = 20
PLURALS = ("dataproducts.commonweal.dev", "consentpolicies.commonweal.dev", "modelservices.commonweal.dev")


def copy_and_switch(source: End, target: End, move: str, timeline: Timeline, say: Say, *, most_frozen: float) -> None:
    """Copy most while the department serves, the rest while it is frozen; compare; and hand it over.

    On any error, and when all of the latter takes more than `most_frozen` seconds, the old site serves on.
    """
    with timeline.measured("copy while serving"):
        first = pass_over(source, target, last=False, say=say)
    timeline.numbers["bytesFirst"] = first.bytes
    with within_reason(most_frozen, source, target), source.frozen(move) as hold:
        timeline.mark("frozen")
        with timeline.measured("copy the rest, frozen"):
            last = pass_over(source, target, last=True, say=say)
        with timeline.measured("recover and compare"):
            compared = _settle(source, target, move, last, timeline)
        with timeline.measured("put in place"):
            target.step("put-in-place", move)
            target.step("certificate", move, asked={"compared": compared})
        with timeline.measured("take up the plan"):
            due, was = _due(source), address(source) if source.unsplit else ""
            prepare.release(target)
            url = _taken_up(source, target, hold, say, due=due, was=was)
        with timeline.measured("carry words and hand over"):
            _hand_over(source, target, move, last, url, hold, timeline)
        timeline.mark("gone")


def _settle(source: End, target: End, move: str, last: Passed, timeline: Timeline) -> dict[str, Any]:
    """Have the copy recovered and compared; return what was compared."""
    here, there = _objects(source), _objects(target)
    asked = {
        "tables": last.told["tables"],
        "identities": identities(here, there, OUR_KINDS[:2]),
        "models": identities(here, there, OUR_KINDS[2:]),
    }
    target.step("settle", move, asked=asked)
    found = {f"{database}/{name}": text for database, tables in last.told["tables"].items() for name, text in tables.items()}
    rows = sum(int(text.partition(":")[0]) for text in found.values())
    timeline.numbers |= {"bytesLast": last.bytes, "tables": len(found), "rows": rows, "rowsDifferent": 0}
    # what there will be to erase, kept where whoever finishes the move finds it
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}
    return {"tables": len(found), "rows": rows, "digests": digests}


def _objects(end: End) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(end.cluster.run("get", ",".join(PLURALS), "-n", end.namespace, "-o", "json"))["items"]
    return items


def _due(source: End) -> set[tuple[str, str]]:
    """Return the objects that are ready."""
    return {(o["kind"], o["metadata"]["name"]) for o in _objects(source) if lacking(o) is None}


def _taken_up(source: End, target: End, hold: subprocess.Popen[bytes], say: Say, *, due: set[tuple[str, str]], was: str) -> str:
    """Return the address of the new data API once each object that was ready at the old site is so at the new one.

    `was` is the address that the very same Department showed for its old store: until it shows another, it speaks of that.
    """
    waiting: list[str] = []

    def ready() -> bool:
        _require_held(source, hold)
        try:
            found = [o for o in _objects(target) if (o["kind"], o["metadata"]["name"]) in due]
            waiting[:] = [w for w in (lacking(o) for o in [target.object() or {}, *found] if o) if w]
        except KubectlError as error:
            waiting[:] = [error.what]
        if was and address(target) == was:
            waiting.append("the operator to speak of the new store")
        if waiting:
            say(f"{target.site} waits for {waiting[0]}")
        return not waiting and len(found) == len(due)

    if not within(TAKEN_UP_SECONDS, ready, every=0.3):
        raise LocalError(f"{target.site}: not ready after {TAKEN_UP_SECONDS:.0f} s: {'; '.join(waiting[:3])}", AGAIN)
    return address(target)


def _require_held(source: End, hold: subprocess.Popen[bytes]) -> None:
    if hold.poll() is not None:
        raise LocalError(f"{source.site}: the department could not be kept frozen, or it was for longer than was allowed", AGAIN)


def address(end: End) -> str:
    """Return the base of the department's data API at a site."""
    return str((end.object() or {}).get("status", {}).get("dataApi", ""))


def _hand_over(source: End, target: End, move: str, last: Passed, url: str, hold: subprocess.Popen[bytes], timeline: Timeline) -> None:
    """Carry what was said since the copy until nothing is left, and have the old store go."""
    reached, carried = last.told["reached"], 0
    for _ in range(CARRIES):
        said = source.step("words", asked=reached)
        carried += target.step("take", asked=said)["new"]
        reached = {**said["reached"], "uses": reached["uses"]}
        _require_held(source, hold)
        answer = source.step("leave", move, asked={"reached": reached, "models": last.told["models"], "url": url})["answer"]
        if answer == "Gone":
            timeline.numbers |= {"wordsCarried": carried, "usesLost": 0}
            return
        if answer == "Lapsed":
            raise LocalError(f"{source.site}: the department has served since the copy, so the copy is not used", AGAIN)
    raise LocalError(f"{source.site}: people say more than can be carried over", "Run the command again at a quieter hour.")


def open_target(target: End, move: str, timeline: Timeline) -> None:
    """Have the new site serve, and return when it answers. Safe to repeat."""
    with timeline.measured("open"):
        if target.arriving():
            prepare.release(target)
        if not target.step("open", move)["serves"]:
            raise LocalError(f"{target.site}: the store there has not arrived by this move", AGAIN)
        timeline.mark("opened")
        url = address(target)
        if url and within(ANSWER_SECONDS, lambda: _answers(url, target.cluster.authority(target.namespace))):
            timeline.mark("answered")


def _answers(url: str, authority: str = "") -> bool:
    try:
        with opener(url, authority).open(f"{url.rstrip('/')}/readyz", timeout=3) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
