"""Sites seen from the host: bring them up, take them down, reach into them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from commonweal_kube.protocol import MERGE
from commonweal_local import machine, paths
from commonweal_local.exceptions import LocalError
from commonweal_local.images.base import write_base_image
from commonweal_local.images.containers import import_images
from commonweal_local.progress import Progress, Step
from commonweal_local.sites import addons, bridge, cgroups, checks, data_guard, pki, places, ports, processes
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.components import CONTROL_PLANE
from commonweal_local.sites.site import Mode, Site, all_sites, check_name, hosts_file
from commonweal_local.sites.state import recorded
from commonweal_local.waiting import until, within

READY_SECONDS = 420
KEPT_FIELDS = ("kubernetes", "cluster", "fake_nodes", "memory_gib", "blueprint")
UNSHARE = (
    "unshare",
    "--net",
    "--mount",
    "--pid",
    "--uts",
    "--ipc",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "slave",
    "--",
)
STAGES = {"": "containerd", "containerd": "the API server", "api-server": "the node", "node-ready": "the add-ons", "add-ons": "images"}

# Kept so that a process that outlives this call is not reported as forgotten by the interpreter; `down` collects them.
_launched: list[subprocess.Popen[bytes]] = []


def programs_for(mode: Mode) -> tuple[str, ...]:
    """Names of the programs that a site of this kind needs from the toolchain."""
    return (*CONTROL_PLANE, "kubelet", "kube-proxy", *addons.PROGRAMS) if mode is Mode.PODS else (*CONTROL_PLANE, "kwok")


@dataclass(frozen=True)
class Wanted:
    """A site to run. What is None stays as the site has it, or is the default of a new one; see `Site` for the fields.

    `index` is the place that the site must have, where something names its address already.
    """

    name: str
    mode: Mode
    programs: Mapping[str, str]
    images: Sequence[Path] = ()
    kubernetes: str | None = None
    cluster: str | None = None
    fake_nodes: int | None = None
    memory_gib: int | None = None
    blueprint: str | None = None
    index: int | None = None


def start(root: Path, wanted: Sequence[Wanted], progress: Progress) -> list[Site]:
    """Start what does not run, wait until every named site is ready, and see that each has the images.

    Safe to repeat, also after a run that was cut short. Raises LocalError with the site's own last words when one does not get ready.
    """
    sites = launch(root, wanted)
    for site in sites:
        with progress.step(f"site {site.name}") as step:
            _await_ready(site, step)
    for site, one in zip(sites, wanted, strict=True):
        load(site, one.images)
    introduce(root)
    return sites


def launch(root: Path, wanted: Sequence[Wanted]) -> list[Site]:
    """Start what does not run, or runs and failed to become ready, and return at once; `recorded` says how far each site is."""
    for mode in {one.mode for one in wanted}:
        checks.before_any(root, mode)
    with paths.one_at_a_time(root):
        if any(one.mode is Mode.PODS for one in wanted):
            bridge.make()
            write_base_image(root / "base.tar")
        sites = [_configured(root, one) for one in wanted]
        for site in sites:
            _ensure_running(site)
    return sites


def change(root: Path, name: str, **fields: object) -> Site:
    """Give a site other fields (`programs`, `kubernetes`, `fake_nodes`, `memory_gib`, `blueprint`) and have it brought there; returns at once.

    `recorded(site)["change"]` says how far it is: done when its `revision` is the site's. A repeated call goes on after a failure.
    """
    with paths.one_at_a_time(root):
        site = Site.load(root, name)
        site = replace(site, **fields, revision=site.revision + 1)  # type: ignore[arg-type]
        site.save()
        pid = processes.first_process(site)
        if pid is not None:
            os.kill(pid, signal.SIGHUP)
    return site


def hand_over(root: Path, name: str, cluster: str) -> None:
    """Write down whose site it is; raises LocalError when there is none of that name."""
    with paths.one_at_a_time(root):
        site = replace(Site.load(root, name), cluster=cluster)
        site.save()
        with places.locked():
            places.claim(site)


def stop(root: Path, names: Sequence[str], *, keep: bool = False) -> list[str]:
    """End the named sites (all, when none is named) and remove what they left; returns what would not go.

    With `keep` the files stay, and the next start finds the site's data.
    """
    left: list[str] = []
    with paths.one_at_a_time(root):
        known = all_sites(root)
        for name in set(names) - {site.name for site in known}:
            _end_stray(root, name)
            places.release(root, name)
        for site in known:
            if not names or site.name in names:
                left += _end(site)
                if not keep:
                    left += _remove_files(site)
                    places.release(root, site.name)
        remaining = [site for site in all_sites(root) if processes.first_process(site)]
        if not remaining and os.geteuid() == 0:
            bridge.remove_if_unused()
            cgroups.remove_parent()
        if not names:
            places.release(root)
        if not all_sites(root):
            (root / "base.tar").unlink(missing_ok=True)
    _collect_ended()
    return left


def _collect_ended() -> None:
    """Take leave of what ended: a long-lived caller, such as the local provider, would keep it as a zombie."""
    _launched[:] = [process for process in _launched if process.poll() is None]


def load(site: Site, archives: Iterable[Path]) -> list[str]:
    """Import those image archives that the running site lacks; returns the names imported."""
    if not site.runs_pods:
        return []
    return import_images([archive.resolve() for archive in archives], inside=inside(site, "-n", "-m", "-p"))


def inside(site: Site, *kinds: str) -> list[str]:
    """The command that enters the site's namespaces; raises when the site does not run or has none."""
    pid = processes.first_process(site)
    if pid is None:
        raise LocalError(f"Site {site.name!r} does not run", f"`commonweal local up {site.name}` starts it.")
    if not site.runs_pods:
        raise LocalError(f"Site {site.name!r} has no namespaces of its own (mode control-plane)", "Use its kubeconfig from here.")
    return ["nsenter", "-t", str(pid), *(kinds or ("-n", "-m", "-p", "-u", "-i")), "--"]


def _configured(root: Path, wanted: Wanted) -> Site:
    """The site's configuration: the kept index, so that addresses and certificates stay, and everything else as it is now."""
    name, mode = wanted.name, wanted.mode
    kept = next((site for site in all_sites(root) if site.name == name), None)
    if kept and processes.first_process(kept):
        with places.locked():
            places.claim(kept)
        return kept
    _end_stray(root, name)
    with places.locked():
        site = _placed(root, wanted, kept if kept and kept.mode is mode else None)
        if mode is Mode.PODS:
            bridge.check_link_free(site)
            checks.hidden_places(Path(program) for program in site.programs.values())
        else:
            ports.require_free(site)
        if kept and kept.mode is not mode:
            shutil.rmtree(kept.directory)
        site.save()
        places.claim(site)
    return site


def _placed(root: Path, wanted: Wanted, kept: Site | None) -> Site:
    """The site with its place, and with what was kept of it where nothing else is wanted."""
    index = places.place_for(root, check_name(wanted.name), wanted.mode, wanted.index)
    images = tuple(str(image.resolve()) for image in wanted.images)
    site = Site(wanted.name, index, wanted.mode, root, dict(wanted.programs), images)
    given = {key: getattr(wanted, key) for key in KEPT_FIELDS if getattr(wanted, key) is not None}
    if kept:
        return replace(site, **{**{key: getattr(kept, key) for key in (*KEPT_FIELDS, "networks", "revision")}, **given})
    site = replace(site, **given)
    return replace(site, networks=asdict(site.settings.network))


def free_places(root: Path, name: str, mode: Mode) -> int:
    """How many sites of that mode this machine's addresses still allow, the named one among them."""
    return places.free(root, name, mode)


def _end_stray(root: Path, name: str) -> None:
    """End what runs of a site whose files somebody removed: it holds the addresses, and nobody could reach it any more."""
    gone = Site(check_name(name), 0, Mode.CONTROL_PLANE, root, {})
    pid = processes.first_process(gone)
    if pid is not None:
        _end(replace(gone, mode=Mode.PODS) if processes.has_namespaces(pid) else gone)


def _ensure_running(site: Site) -> None:
    """Start the site unless it runs; one that runs but failed to become ready is started anew."""
    if processes.first_process(site):
        if not recorded(site)["error"]:
            return
        _end(site)
    data_guard.require(site)
    pki.make(site)
    (site.directory / "state.json").unlink(missing_ok=True)
    _launch(site)


def _launch(site: Site) -> None:
    _collect_ended()
    argv = [sys.executable, "-m", processes.MODULE, str(site.directory)]
    # Neither proxies nor credentials of the person's session have any business in a site.
    environment = {"PATH": f"{os.environ['PATH']}:{machine.SYSTEM_PATH}", "HOME": "/root", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    process = processes.launch([*UNSHARE, *argv] if site.runs_pods else argv, site.directory, environment)
    _launched.append(process)
    pid = _child_of(process.pid) if site.runs_pods else process.pid
    until(f"the first process of site {site.name}", 10, lambda: processes.is_starting(pid, site), every=0.01)
    paths.write(site.directory / "init.pid", str(pid))
    if site.runs_pods:
        bridge.connect(site, pid)


def _child_of(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    until("the first process's fork", 10, lambda: bool(children.read_text().split()), every=0.01, meanwhile=(OSError,))
    return int(children.read_text().split()[0])


def _await_ready(site: Site, step: Step) -> None:
    def ready() -> bool:
        state = recorded(site)
        step.update("waiting for " + STAGES.get(next(reversed(state["marks"]), ""), "the last step"))
        if state["error"]:
            raise _not_ready(site, state["error"])
        if processes.first_process(site) is None:
            raise _not_ready(site, "its first process ended")
        return "ready" in state["marks"]

    if not within(READY_SECONDS, ready):
        raise _not_ready(site, f"not ready after {READY_SECONDS} s")


def _not_ready(site: Site, why: str) -> LocalError:
    last = (site.directory / "init.log").read_text(errors="replace").strip().splitlines()[-1:]
    said = f" It last said: {last[0]}" if last else ""
    return LocalError(
        f"Site {site.name!r} did not get ready: {why}.{said}",
        f"Look into {site.logs}/*.log; then `commonweal local down {site.name}` and `up` again.",
    )


def introduce(root: Path) -> None:
    """Tell every ready site the names of the others; one that is starting asks for them itself. Raises LocalError when one does not answer."""
    running = [site for site in all_sites(root) if site.runs_pods and processes.first_process(site)]
    patch = addons.hosts_patch(hosts_file(running))
    silent: list[str] = []
    for site in running:
        try:
            if "ready" in recorded(site)["marks"]:
                Api(site).call("PATCH", f"/api/v1/namespaces/{addons.SYSTEM}/configmaps/coredns", patch, content=MERGE)
        except Unreachable as error:
            silent.append(f"{site.name} ({error})")
    if silent:
        raise LocalError(
            f"Sites that do not answer, so that they were not told the others' names: {', '.join(silent)}",
            "`commonweal local restore SITE` if it was cut off; then repeat.",
        )


def _end(site: Site) -> list[str]:
    """End every process of a site, its cable and its control groups; returns what would not go."""
    left: list[str] = []
    members = list(processes.members(site))
    pid = processes.first_process(site)
    if pid is not None:
        # With pods the kernel ends the whole PID namespace with its first process.
        os.kill(pid, signal.SIGKILL if site.runs_pods else signal.SIGTERM)
        if not within(20, lambda: not any(processes.alive(member) for member in members), every=0.05):
            left.append(f"{site.name}: processes {[member for member in members if processes.alive(member)]}")
    (site.directory / "init.pid").unlink(missing_ok=True)
    if site.runs_pods:
        bridge.disconnect(site)
        left += [f"{site.name}: {group}" for group in cgroups.remove(site)]
    return left


def _remove_files(site: Site) -> list[str]:
    def gone() -> bool:
        shutil.rmtree(site.directory, ignore_errors=True)
        return not site.directory.exists()

    return [] if within(10, gone, every=0.2) else [f"{site.name}: {site.directory}"]


__all__ = ["Wanted", "change", "hand_over", "inside", "introduce", "launch", "load", "programs_for", "start", "stop"]
