"""The first process of a site: `python -m commonweal_local.sites.init DIRECTORY`.

It prepares the namespaces, starts the programs and keeps them running; SIGHUP has it read `site.json` again (see `roll`). With pods it is process 1 of the site, so killing it makes
the kernel end everything in the site and drop its mounts and links.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.images import unpacked
from commonweal_local.images.containers import import_images
from commonweal_local.shell import succeeds
from commonweal_local.sites import addons, cgroups, data_guard, fake_nodes, namespaces, node, policy, rolling_update, settings
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.balancer import Balancer
from commonweal_local.sites.components import FIRST, command_lines
from commonweal_local.sites.site import Site, all_sites, hosts_file
from commonweal_local.sites.state import SERVING
from commonweal_local.sites.supervisor import Supervisor, adopt_orphans
from commonweal_local.waiting import until

CONTAINERD = "containerd"
CONTAINERD_SECONDS, API_SECONDS, NODE_SECONDS, ADDON_SECONDS = 60, 240, 240, 300


def main(directory: Path) -> None:
    """Run the site until SIGTERM or SIGINT (or, with pods, until killed)."""
    site = Site.load(directory.parent, directory.name)
    supervisor = Supervisor(site.directory, site.logs)
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    asked = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: asked.set())
    settings.write_files(site)
    if site.runs_pods:
        _become_machine(site)
    else:
        adopt_orphans()
    threading.Thread(target=_live, args=(site, supervisor, asked), daemon=True).start()
    supervisor.loop()


def _become_machine(site: Site) -> None:
    if os.getpid() != 1:
        sys.exit("this must be the first process of a PID namespace; `commonweal local up` starts it so")
    namespaces.enter(site)
    cgroups.make(site)
    node.write_files(site)
    print("network policies through", policy.prepare(site), flush=True)


def _live(site: Site, supervisor: Supervisor, asked: threading.Event) -> None:
    set_up(site, supervisor)
    rolling_update.follow(site, supervisor, asked)


def set_up(site: Site, supervisor: Supervisor) -> None:
    """Bring the site up in order. A failure is recorded for `up` and `status` to show; the supervisor goes on."""
    try:
        with ThreadPoolExecutor(1) as background:
            importing = _start_first(site, supervisor, background)
            api = Api(site)
            _start_rest(site, supervisor, api)
            if site.runs_pods:
                _furnish(site, supervisor, api)
                supervisor.mark("add-ons")
            else:
                fake_nodes.bring_to(site, api)
            if importing:
                importing.result()
                _open(site, api)
        rolling_update.seal(site, supervisor, api, site.revision)
        supervisor.mark("ready")
    except (*Unreachable, CommandFailedError, LocalError, TimeoutError, KeyError) as error:
        supervisor.fail(str(error))
        print(f"set-up: {error}", flush=True)


def _start_first(site: Site, supervisor: Supervisor, background: ThreadPoolExecutor) -> Future[list[str]] | None:
    """Start what the rest needs, and see to the images meanwhile."""
    lines = command_lines(site)
    for name in FIRST:
        if name != CONTAINERD:
            supervisor.start(name, lines[name])
    if not site.runs_pods:
        return None
    images = [Path(archive) for archive in site.images]
    unpacked.lay([site.base_archive, *images], namespaces.behind(site, "/var/lib") / node.IMAGES.name)
    supervisor.start(CONTAINERD, lines[CONTAINERD])
    until(CONTAINERD, CONTAINERD_SECONDS, lambda: Path(node.SOCKET).exists() and succeeds("ctr", "version"), every=0.05)
    import_images([site.base_archive])
    supervisor.mark(CONTAINERD)
    return background.submit(import_images, images)


def _start_rest(site: Site, supervisor: Supervisor, api: Api) -> None:
    until("the API server", API_SECONDS, api.ready, every=0.2, meanwhile=Unreachable)
    supervisor.mark(SERVING)
    data_guard.remember(site)
    rolling_update.await_recognition(site)
    for name, argv in command_lines(site).items():
        if name not in FIRST:
            supervisor.start(name, argv)


def _furnish(site: Site, supervisor: Supervisor, api: Api) -> None:
    """Add-ons, a Ready node, addresses for load balancers."""
    for item in addons.manifests(site, hosts_file(all_sites(site.root))):
        _apply(api, item)
    threading.Thread(target=Balancer(site, api).run, daemon=True).start()
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(supervisor.started))
    until("a Ready node", NODE_SECONDS, lambda: api.nodes_ready(since), every=0.2, meanwhile=Unreachable)
    supervisor.mark("node-ready")
    until(
        "the add-ons (CoreDNS, network policies, volumes)",
        ADDON_SECONDS,
        lambda: not api.unavailable(addons.NAMESPACES),
        every=0.3,
        meanwhile=Unreachable,
    )


def _open(site: Site, api: Api) -> None:
    """Let every pod be placed on the node."""

    def opened() -> bool:
        api.drop_taint(site.node, node.STARTING["key"])
        return True

    until("the node to be open to pods", 60, opened, every=0.3, meanwhile=Unreachable)


def _apply(api: Api, item: addons.Manifest) -> None:
    """Apply one object, again while the API server is not able to: right after its start some calls are refused."""

    def applied() -> bool:
        api.apply(item)
        return True

    until(f"{item['kind']} {item['metadata']['name']}", 60, applied, every=0.3, meanwhile=Unreachable)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
