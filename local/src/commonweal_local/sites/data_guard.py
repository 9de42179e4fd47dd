"""Whether a site still has the data that it once had: an empty etcd in place of a lost one would tell the kubelet that no pod is wanted."""

from __future__ import annotations

from commonweal_local.exceptions import LocalError
from commonweal_local.sites.site import Site

MARK = "has-data"
# Started again after a fault as well, so it is looked at before each start, not only by `up`. `exec` keeps the process, and its signals.
GUARD = f"""[ -e "$0/{MARK}" ] && [ ! -e "$0/etcd/member/wal" ] && echo "the data in $0/etcd is gone: restore a backup" >&2 && exit 1; exec "$@" """


def guarded(site: Site) -> list[str]:
    """What goes before etcd's command line, so that it does not start empty on a site that had data."""
    return ["/bin/sh", "-c", GUARD, str(site.directory)]


def remember(site: Site) -> None:
    """From now on the site has data. Called once its API server has answered."""
    (site.directory / MARK).touch()


def require(site: Site) -> None:
    """Raise LocalError when the site's data is gone."""
    if is_lost(site):
        raise LocalError(
            f"{site.directory / 'etcd'} is gone, and with it all that site {site.name!r} held",
            f"`commonweal local restore-etcd {site.name} --from FILE` puts a backup in its place; `commonweal local down {site.name}` gives the site up.",
        )


def is_lost(site: Site) -> bool:
    """Whether there was data, and there is none."""
    return (site.directory / MARK).exists() and not (site.directory / "etcd" / "member" / "wal").exists()
