"""New authorities in three steps, so that nothing ever meets a certificate that it does not trust.

Trust the new ones as well; issue everything by them; forget the old ones. Where a site stands is read off its files: `<authority>.next.key` lies
there until the new authority signs, and `<authority>.crt` holds two certificates until the old one is forgotten.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commonweal_local.paths import write
from commonweal_local.sites import pki
from commonweal_local.sites.site import Site


@dataclass(frozen=True)
class Step:
    """One change of the site's files, after which its programs have to follow."""

    what: str
    carry_out: Callable[[Site, dt.datetime], None]


def steps(site: Site) -> list[Step]:
    """What is left to do: everything, or the rest of a change that was cut short."""
    trust = Step("the new authorities are trusted beside the old ones", _trust)
    switch = Step("everything is issued by the new authorities", _switch)
    forget = Step("only the new authorities are trusted", _forget)
    if any(_next_key(site, name).exists() for name in pki.AUTHORITIES):
        return [trust, switch, forget]
    if any(len(pki.trusted(site, name)) > 1 for name in pki.AUTHORITIES):
        return [switch, forget]
    return [trust, switch, forget]


def _trust(site: Site, now: dt.datetime) -> None:
    """The certificate is written before its key takes its name, so a key that is there has its certificate in the bundle."""
    for name in pki.AUTHORITIES:
        if len(pki.trusted(site, name)) == 1:
            key = pki.private_key(_next_key(site, name))
            bundle = site.pki / f"{name}.crt"
            write(bundle, bundle.read_text() + pki.issue_authority(site, name, key, now))
    pki.write_kubeconfigs(site)


def _switch(site: Site, now: dt.datetime) -> None:
    for name in pki.AUTHORITIES:
        if _next_key(site, name).exists():
            _next_key(site, name).replace(site.pki / f"{name}.key")
    pki.renew(site, now)


def _forget(site: Site, _: dt.datetime) -> None:
    for name in pki.AUTHORITIES:
        write(site.pki / f"{name}.crt", pki.pem(pki.signing_certificate(site, name)))
    pki.write_kubeconfigs(site)


def _next_key(site: Site, name: str) -> Path:
    return site.pki / f"{name}.next.key"
