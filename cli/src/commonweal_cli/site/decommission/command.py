"""The command `commonweal site decommission`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from commonweal_cli.conventions import DONE
from commonweal_cli.site.decommission.erase import Wish, decommission
from commonweal_cli.where import FILE, site_argument


@click.command("decommission")
@site_argument
@click.option("--delete-departments", is_flag=True, help="delete its departments, too, with all their data")
@click.option("--unreachable", is_flag=True, help="the site is gone for good: the certificate says what was not checked")
@click.option("--to", "to", type=FILE, metavar="FILE", help="where the certificate goes (default: erasures/ in COMMONWEAL_HOME)")
def end(site: str, delete_departments: bool, unreachable: bool, to: Path | None) -> int:
    """Take a site down for good, and certify what was erased. Repeating goes on."""
    wish = Wish(site, delete_departments=delete_departments, unreachable=unreachable)
    file = decommission(wish, to, clock=lambda: datetime.now(UTC), say=print)
    print(f"site {site} is gone. The certificate is {file}; its public key {file.with_suffix('.key.json')}.")
    print(f"Compare the key with the output `siteKey` that you kept; then `commonweal erasure verify {file} --key KEYFILE`.")
    return DONE
