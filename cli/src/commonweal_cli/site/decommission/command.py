"""The command `commonweal site decommission`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from commonweal_cli.site.decommission.erase import Wish, decommission


def main(argv: Sequence[str]) -> int:
    """Exit code 0: the site is gone, and the certificate is written. Raises LocalError."""
    parser = argparse.ArgumentParser(
        prog="commonweal site decommission", description="Take a site down for good, and certify what was erased. Repeating goes on."
    )
    parser.add_argument("site", metavar="SITE")
    parser.add_argument("--delete-departments", action="store_true", help="delete its departments, too, with all their data")
    parser.add_argument("--unreachable", action="store_true", help="the site is gone for good: the certificate says what was not checked")
    parser.add_argument("--to", type=Path, metavar="FILE", help="where the certificate goes (default: erasures/ in COMMONWEAL_HOME)")
    given = parser.parse_args(argv)
    wish = Wish(given.site, delete_departments=given.delete_departments, unreachable=given.unreachable)
    file = decommission(wish, given.to, clock=lambda: datetime.now(UTC), say=print)
    print(f"site {given.site} is gone. The certificate is {file}; its public key {file.with_suffix('.key.json')}.")
    print(f"Compare the key with the output `siteKey` that you kept; then `commonweal erasure verify {file} --key KEYFILE`.")
    return 0
