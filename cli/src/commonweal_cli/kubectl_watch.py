"""The objects of some kinds on one site, kept as its API server tells of them: who waits for a change is told of it, and asks nobody meanwhile."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self

from commonweal_api import GROUP, VERSION

Manifest = dict[str, Any]
Objects = dict[tuple[str, str], Manifest]


def read(listed: Mapping[str, Any]) -> Objects:
    """Return the objects of a list, by namespace and name. Pure."""
    return {_key(item): {"kind": str(listed["kind"]).removesuffix("List"), **item} for item in listed["items"]}


def take(objects: Objects, event: Mapping[str, Any]) -> bool:
    """Take one event of a watch; False when the watch has to be begun anew. Pure but for `objects`."""
    if event["type"] == "ERROR":
        return False
    if event["type"] == "DELETED":
        objects.pop(_key(event["object"]), None)
    elif event["type"] != "BOOKMARK":
        objects[_key(event["object"])] = event["object"]
    return True


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


class Watch:
    """Follows our kinds, by their plurals, for as long as it is entered; `kubectl` is the command line with which the site is reached."""

    def __init__(self, kubectl: Sequence[str], plurals: Sequence[str]) -> None:
        self._kubectl, self._plurals = tuple(kubectl), tuple(plurals)
        self._found: dict[str, Objects] = {}
        self._news = threading.Condition()
        self._changed, self._closed = True, False
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._threads = [threading.Thread(target=self._follow, args=(plural,), daemon=True) for plural in self._plurals]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._closed = True
            self._news.notify_all()
            for process in self._running.values():
                process.kill()
        for thread in self._threads:
            thread.join()

    def objects(self) -> list[Manifest] | None:
        """Return all of them as they are now; None as long as a kind has not been read once."""
        with self._news:
            self._changed = False
            if len(self._found) < len(self._plurals):
                return None
            return [item for plural in self._plurals for item in self._found[plural].values()]

    def changed(self, seconds: float) -> bool:
        """Return once something is other than `objects` last said; False when nothing was for so long."""
        with self._news:
            return self._news.wait_for(lambda: self._changed, max(seconds, 0.0))

    def _follow(self, plural: str) -> None:
        """Read the kind and follow it from there; anew when a watch ends, after a moment when the server does not answer."""
        path = f"/apis/{GROUP}/{VERSION}/{plural}"
        while not self._closed:
            with self._start(plural, path) as listing:
                text = listing.stdout.read() if listing.stdout else ""
            if listing.returncode or not text:
                with self._news:
                    self._news.wait_for(lambda: self._closed, 0.5)
                continue
            listed = json.loads(text)
            self._keep(plural, read(listed))
            version = listed["metadata"]["resourceVersion"]
            with self._start(plural, f"{path}?watch=1&resourceVersion={version}") as watching:
                self._listen(plural, watching)

    def _listen(self, plural: str, watching: subprocess.Popen[str]) -> None:
        objects = dict(self._found[plural])
        for line in watching.stdout or ():
            if not take(objects, json.loads(line)):
                watching.kill()
                return
            self._keep(plural, dict(objects))

    def _start(self, plural: str, path: str) -> subprocess.Popen[str]:
        with self._news:
            process = subprocess.Popen(
                [*self._kubectl, "get", "--raw", path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            if self._closed:
                process.kill()
            self._running[plural] = process
        return process

    def _keep(self, plural: str, objects: Objects) -> None:
        with self._news:
            self._found[plural], self._changed = objects, True
            self._news.notify_all()
