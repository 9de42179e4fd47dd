"""The commands for what happens in the life of a local site: backup, restore-etcd, rotate. Everything slow is imported when it is needed."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from commonweal_cli.arguments import command


def add(local: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to `commonweal local`."""
    backup = command(local, "backup", "write a snapshot of a site's etcd to a file, and its keys beside it", _backup)
    backup.add_argument("site", metavar="SITE")
    backup.add_argument("--to", required=True, type=Path, metavar="FILE", help="FILE.keys is written, too: keep the two apart")
    restore = command(local, "restore-etcd", "make a site what it was at a backup", _restore)
    restore.add_argument("site", metavar="SITE")
    restore.add_argument("--from", dest="file", required=True, type=Path, metavar="FILE")
    restore.add_argument("--keys", type=Path, metavar="FILE", help="default: the site's own, else FILE.keys")
    rotate = command(local, "rotate", "issue a site's certificates again, without ending a pod", _rotate)
    rotate.add_argument("site", metavar="SITE")
    what = rotate.add_mutually_exclusive_group()
    what.add_argument("--authorities", action="store_true", help="new authorities too, with a time in which old and new are trusted")
    what.add_argument("--encryption", action="store_true", help="the key that seals Secrets at rest instead; all are written again")


def _backup(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.sites import backup  # noqa: PLC0415

    file = arguments.to.expanduser().absolute()
    made = backup.take(sites.find(arguments.site), file, _now())
    print(f"{file}: site {made.site} at {made.taken}, {made.objects} objects, {made.bytes / 1e6:.1f} MB, sealed with {made.key}")
    print(f"{backup.keys_file(file)}: the site's keys. Whoever has both files has every Secret of the site: keep them apart.")
    print("Volumes are not in it: the departments' databases need backups of their own.")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites, toolchain  # noqa: PLC0415
    from commonweal_local.sites import restore  # noqa: PLC0415

    site = sites.find(arguments.site)
    etcdutl = toolchain.path_of("etcdutl")
    done = restore.restore(site, arguments.file.expanduser(), keys=arguments.keys, etcdutl=etcdutl, now=_now(), say=print)
    lost = f"{done.lost} changes that were" if done.lost else "whatever was"
    print(f"{site.name} is as it was at {done.manifest.taken} ({done.manifest.objects} objects); gone: {lost} made after it.")
    print("Volumes are as they are now. What the stack put there after the backup comes back with `commonweal site up --refresh`.")
    if not done.running:
        print(f"The site does not run: `commonweal local up {site.name}` starts it.")
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.sites import rotation  # noqa: PLC0415

    site = sites.find(arguments.site)
    if arguments.encryption:
        rotation.encryption_key(site, print)
    elif arguments.authorities:
        rotation.change_authorities(site, _now(), print)
    else:
        rotation.certificates(site, _now(), print)
    return 0


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
