"""The commands for what happens in the life of a local site: backup, restore-etcd, rotate. Everything slow is imported when it is needed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from commonweal_cli.conventions import DONE
from commonweal_cli.where import FILE, SITE, site_argument


@click.command()
@site_argument
@click.option("--to", "to", required=True, type=FILE, metavar="FILE", help="FILE.keys is written, too: keep the two apart")
def backup(site: str, to: Path) -> int:
    """Write a snapshot of a site's etcd to a file, and its keys beside it."""
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.sites import backup as snapshots  # noqa: PLC0415

    file = to.expanduser().absolute()
    made = snapshots.take(sites.find(site), file, _now())
    print(f"{file}: site {made.site} at {made.taken}, {made.objects} objects, {made.bytes / 1e6:.1f} MB, sealed with {made.key}")
    print(f"{snapshots.keys_file(file)}: the site's keys. Whoever has both files has every Secret of the site: keep them apart.")
    print("Volumes are not in it: the departments' databases need backups of their own.")
    return DONE


@click.command("restore-etcd")
@click.argument("name", metavar="SITE", type=SITE)
@click.option("--from", "file", required=True, type=FILE, metavar="FILE", help="the backup")
@click.option("--keys", type=FILE, metavar="FILE", help="default: the site's own, else FILE.keys")
def restore_etcd(name: str, file: Path, keys: Path | None) -> int:
    """Make a site what it was at a backup."""
    from commonweal_local import sites, toolchain  # noqa: PLC0415
    from commonweal_local.sites import restore  # noqa: PLC0415

    site = sites.find(name)
    etcdutl = toolchain.path_of("etcdutl")
    done = restore.restore(site, file.expanduser(), keys=keys, etcdutl=etcdutl, now=_now(), say=print)
    lost = f"{done.lost} changes that were" if done.lost else "whatever was"
    print(f"{site.name} is as it was at {done.manifest.taken} ({done.manifest.objects} objects); gone: {lost} made after it.")
    print("Volumes are as they are now. What the stack put there after the backup comes back with `commonweal site up --refresh`.")
    if not done.running:
        print(f"The site does not run: `commonweal local up {site.name}` starts it.")
    return DONE


@click.command()
@click.argument("name", metavar="SITE", type=SITE)
@click.option("--authorities", is_flag=True, help="new authorities too, with a time in which old and new are trusted")
@click.option("--encryption", is_flag=True, help="the key that seals Secrets at rest instead; all are written again")
def rotate(name: str, authorities: bool, encryption: bool) -> int:
    """Issue a site's certificates again, without ending a pod."""
    if authorities and encryption:
        raise click.UsageError("Give --authorities or --encryption, not both.")
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.sites import rotation  # noqa: PLC0415

    site = sites.find(name)
    if encryption:
        rotation.encryption_key(site, print)
    elif authorities:
        rotation.change_authorities(site, _now(), print)
    else:
        rotation.certificates(site, _now(), print)
    return DONE


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
