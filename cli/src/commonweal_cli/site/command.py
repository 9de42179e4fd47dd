"""The command `commonweal site`. Everything slow is imported when it is needed."""

from __future__ import annotations

import shlex
import sys

import click

from commonweal_cli.conventions import DONE, Lazy, LazyGroup
from commonweal_cli.where import site_argument

LAST = {"decommission": Lazy("commonweal_cli.site.decommission.command:end", "take the site down for good, and certify what was erased")}
refresh_option = click.option("--refresh", is_flag=True, help="look at the clusters first, to see what was changed by hand")


@click.group(cls=LazyGroup, lazy=LAST)
def site() -> None:
    """Make a site with the platform on it, or take it down."""


@site.command()
@site_argument
@refresh_option
def up(site: str, refresh: bool) -> int:
    """Bring the site to its stack file."""
    from commonweal_cli.site import operations  # noqa: PLC0415 - pulumi's packages are slow to import

    print(operations.summary(operations.up(site, refresh=refresh)))
    return DONE


@site.command()
@site_argument
@refresh_option
def preview(site: str, refresh: bool) -> int:
    """Tell what up would change."""
    from commonweal_cli.site import operations  # noqa: PLC0415

    print(operations.summary(operations.preview(site, refresh=refresh)))
    return DONE


@site.command()
@site_argument
@click.option("--delete-departments", is_flag=True, help="delete its departments first, with all their data")
def destroy(site: str, delete_departments: bool) -> int:
    """Take the platform and the cluster down; of an adopted site everything of ours."""
    from commonweal_cli.site import operations  # noqa: PLC0415

    print(operations.summary(operations.destroy(site, delete_departments=delete_departments)))
    return DONE


@site.command()
@site_argument
def env(site: str) -> int:
    """For `eval "$(commonweal site env SITE)"`: what `pulumi` by hand, in stacks/site, needs."""
    from commonweal_cli.site import operations  # noqa: PLC0415

    found = operations.environment(site, say=lambda line: print(line, file=sys.stderr))
    print("\n".join(f"export {key}={shlex.quote(value)}" for key, value in found.items()))
    return DONE
