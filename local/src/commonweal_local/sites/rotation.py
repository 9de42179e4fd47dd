"""New certificates, new authorities and a new encryption key for a site that runs: files first, then its programs one after the other.

Each step leaves the site whole, and is gone on with when the command is repeated after a kill. Pods run on throughout.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Callable

from commonweal_local.exceptions import LocalError
from commonweal_local.sites import ca_rotation, encryption, host, pki, processes
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.etcd import Etcd
from commonweal_local.sites.site import Site
from commonweal_local.sites.state import recorded
from commonweal_local.waiting import until

CHANGE_SECONDS, START_SECONDS = 300.0, 60.0
SHOWN = 3
Say = Callable[[str], None]


def certificates(site: Site, now: dt.datetime, say: Say) -> None:
    """Issue every certificate anew, by the authorities that the site has."""
    pki.renew(site, now)
    say(f"{len(pki.leaves(site))} certificates issued, good until {(now + pki.LEAF_LIFETIME):%Y-%m-%d}")
    take_effect(site, say)


def change_authorities(site: Site, now: dt.datetime, say: Say) -> None:
    """Give the site new authorities. Old and new ones are trusted until every program has a certificate of a new one.

    Raises LocalError for a site with pods: programs in pods read the authority once, when they start, and would have to be started anew.
    """
    if site.runs_pods:
        raise LocalError(
            f"The authorities of site {site.name!r} are not changed: programs in its pods read them once, when they start",
            "Leave --authorities out: the certificates are issued again by the authorities it has, which last until "
            f"{pki.ends(site)['ca']:%Y-%m-%d}.",
        )
    for step in ca_rotation.steps(site):
        say(step.what)
        step.carry_out(site, now)
        take_effect(site, say)
    say(f"the old authorities are forgotten; the new ones last until {pki.ends(site)['ca']:%Y-%m-%d}")


def encryption_key(site: Site, say: Say) -> None:
    """Seal everything with a new key, and forget the old one. Backups made until now keep needing the keys written beside them."""
    had_one = encryption.is_settled(site.pki)
    say(f"{encryption.begin(site.pki)} writes from now on{'' if had_one else ', as an earlier run began'}")
    take_effect(site, say)
    settle(site, say)


def settle(site: Site, say: Say) -> None:
    """Have everything sealed with the first key, see in etcd itself that it is, and forget the other ways to read. Nothing to do otherwise."""
    if encryption.is_settled(site.pki):
        return
    api, etcd = Api(site), Etcd(site)
    say(f"written again: {encryption.rewrite(api, site.pki)} objects")
    left = encryption.others(etcd, site.pki)
    if left:
        raise LocalError(
            f"{len(left)} values of site {site.name!r} are not sealed with the new key: {', '.join(left[:SHOWN])}",
            "The old key stays. Repeat `commonweal local rotate --encryption`; a value that stays cannot be written: look at it with kubectl.",
        )
    encryption.settle(site.pki)
    take_effect(site, say)
    say(f"{encryption.readers(site.pki)[0]} reads and writes everything; no other key is left")


def take_effect(site: Site, say: Say) -> None:
    """Have the site's programs started anew whose files are others now, each healthy before the next. Nothing to do for a site that is down."""
    if processes.first_process(site) is None:
        return
    wanted = host.change(site.root, site.name)

    def reached() -> bool:
        change = recorded(site)["change"]
        if change["error"]:
            raise LocalError(
                f"Site {site.name!r} could not follow: {change['error']}", f"Look into {site.logs}; repeating the command goes on."
            )
        return bool(change["revision"] >= wanted.revision)

    until(f"site {site.name} to follow", CHANGE_SECONDS, reached, every=0.1)
    say("started again, one after the other, whatever reads the changed files")


def host_pid(site: Site, name: str) -> int | None:
    """The host's number of one program of the site; None while it is down."""
    inside = recorded(site)["components"].get(name, {}).get("pid")
    return next((pid for pid, own in processes.members(site).items() if own == inside), None)


def start_anew(site: Site, name: str) -> None:
    """End one program, and wait until the supervisor has started it again."""
    before = host_pid(site, name)
    if before is not None:
        os.kill(before, signal.SIGTERM)
    until(
        f"{name} of site {site.name} to start again",
        START_SECONDS,
        lambda: host_pid(site, name) not in (None, before),
        meanwhile=Unreachable,
    )
