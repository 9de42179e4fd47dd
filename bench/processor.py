"""Where the machine's processor time goes: each process of the machine looked at several times a second, its time put down to what it is.

Programs too short to be seen (kubectl, runc, helm) are not lost: the kernel adds a child's time to its parent's account when it ends, and what nobody was
seen to use is put down to the parent's short programs.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.repeating import Repeating

EVERY_SECONDS = 0.25
TICKS = os.sysconf("SC_CLK_TCK")
SHORT = "short programs of "
# A group of the picture, and the names whose time it holds; the first that fits.
GROUPS: Mapping[str, str] = {
    "our services in pods": r"commonweal_(runtime|operator)|^postgres|^initdb",
    "Pulumi and helm": r"pulumi|helm|__main__|deploy",
    "API servers and etcd": r"kube-apiserver|etcd",
    "other control plane, Cluster API": r"kube-(controller|scheduler)|cluster-api|commonweal_local\.(provider|management|sites)",
    "kubelet, containers, add-ons": r"kubelet|kube-proxy|containerd|runc|ctr|coredns|policies|provisioner|pause|busybox|sleep|nft|iptables",
    "the demonstration and kubectl": r"commonweal|kubectl|bench/demo",
}
OTHER = "everything else"


@dataclass(frozen=True)
class Process:
    """A process as it was seen: its parent, a name for it, and the ticks used by itself and by the children it took leave of."""

    parent: int
    started: int
    name: str
    own: int
    children: int


def spent(before: Mapping[int, Process], after: Mapping[int, Process]) -> Counter[str]:
    """Return the ticks used between two looks, by name. Pure."""
    used: Counter[str] = Counter()
    gone: dict[int, dict[int, Process]] = {}
    for pid, old in before.items():
        now = after.get(pid)
        if now is None or now.started != old.started:
            gone.setdefault(old.parent, {})[pid] = old

    def counted(pid: int, one: Process) -> int:
        """What a process that ended was seen to use, with those that ended below it: its parent is told of all of them at once."""
        return one.own + one.children + sum(counted(*below) for below in gone.get(pid, {}).items())

    for pid, now in after.items():
        old = before.get(pid)
        known = old if old is not None and old.started == now.started else Process(0, 0, "", 0, 0)
        used[now.name] += max(0, now.own - known.own)
        ended = gone.get(pid, {})
        rest = now.children - known.children - sum(counted(*one) for one in ended.items())
        if rest > 0:
            used[next(iter(ended.values())).name if ended else SHORT + now.name] += rest
    return used


def name_of(argv: list[str], comm: str) -> str:
    """Return what to call a process: a Python module by its name, else the program's file, or the kernel's word for it. Pure."""
    if "-m" in argv[:-1]:
        return argv[argv.index("-m") + 1]
    scripts = [word for word in argv[1:] if word.endswith(".py") or "/bin/" in word]
    if Path(argv[0]).name.startswith("python") and scripts:
        return "/".join(Path(scripts[0]).parts[-2:])
    return re.sub(r"[: ].*", "", Path(argv[0]).name) or comm


def group_of(name: str) -> str:
    """Return the picture's group of a name. Pure."""
    return next((group for group, words in GROUPS.items() if re.search(words, name)), OTHER)


def look(known: Mapping[int, Process], proc: Path = Path("/proc")) -> dict[int, Process]:
    """Return every process of the machine; names are taken over from `known`."""
    found = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            head, _, tail = (entry / "stat").read_text().rpartition(")")
            fields = tail.split()
            parent, started = int(fields[1]), int(fields[19])
            own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
            old = known.get(pid)
            # Right after a fork a process still has its parent's command line: it is asked again while it is young.
            if old is not None and old.started == started and own > 2:
                name = old.name
            else:
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                name = name_of(argv, head.partition("(")[2])
        except (OSError, IndexError):
            continue  # it ended meanwhile
        found[pid] = Process(parent, started, name, own, children)
    return found


class Sampler(Repeating):
    """Looks at the machine until left. `bins` hold, for each second since the start, the processor seconds by name."""

    def __init__(self) -> None:
        super().__init__(EVERY_SECONDS, self._look)
        self.began = time.monotonic()
        self.bins: list[Counter[str]] = []
        self._seen: dict[int, Process] = {}

    def __enter__(self) -> Self:
        self._seen = look({})
        return super().__enter__()

    def _look(self) -> None:
        fresh = look(self._seen)
        self.take(spent(self._seen, fresh), time.monotonic() - self.began)
        self._seen = fresh

    def take(self, used: Mapping[str, int], at: float) -> None:
        """Put ticks down to the second `at`."""
        while len(self.bins) <= int(at):
            self.bins.append(Counter())
        for name, ticks in used.items():
            self.bins[int(at)][name] += ticks / TICKS


def by_group(bins: Sequence[Mapping[str, float]], width: int) -> dict[str, list[float]]:
    """Return for each group the cores it used in each `width` seconds. Pure."""
    parts = [Counter[str]() for _ in range(0, len(bins), width)]
    for n, row in enumerate(bins):
        for name, seconds in row.items():
            parts[n // width][group_of(name.removeprefix(SHORT))] += seconds
    lengths = [min(width, len(bins) - n * width) for n in range(len(parts))]
    found = {}
    for group in (*GROUPS, OTHER):
        cores = [round(part[group] / length, 2) for part, length in zip(parts, lengths, strict=True)]
        if any(cores):
            found[group] = cores
    return found


def most_used(bins: Iterable[Mapping[str, float]], count: int) -> dict[str, float]:
    """Return the names with the most processor seconds, and these. Pure."""
    whole = Counter[str]()
    for row in bins:
        whole.update(row)
    return {name: round(seconds, 1) for name, seconds in whole.most_common(count)}
