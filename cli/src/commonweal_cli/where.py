"""Which cluster a command speaks to: a site by its name, or any cluster by its kubeconfig. Everywhere in the same words, resolved here alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from commonweal_local import paths
from commonweal_local.exceptions import LocalError

Command = TypeVar("Command", bound=Callable[..., Any])


class SiteName(click.types.StringParamType):
    """The name of a site: of this machine, or of a stack file."""

    name = "site"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the sites of this machine that begin so."""
        del ctx, param
        try:
            found = sorted(one.parent.name for one in paths.sites().glob("*/kubeconfig"))
        except (OSError, LocalError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]


SITE, FILE = SiteName(), click.Path(path_type=Path)
site_argument = click.argument("site", metavar="SITE", type=SITE)


def cluster_options(*, required: bool = False) -> Callable[[Command], Command]:
    """Give a command `--site SITE` and `--kubeconfig FILE`, of which one may be given, or has to be."""

    def one_of(ctx: click.Context, _: click.Parameter, value: Path | None) -> Path | None:
        site = ctx.params.get("site")
        if site and value:
            raise click.UsageError("Give --site or --kubeconfig, not both.", ctx)
        if required and not site and not value and not ctx.resilient_parsing:
            raise click.UsageError("Say which site: --site SITE, or --kubeconfig FILE.", ctx)
        return value

    def wrapped(command: Command) -> Command:
        otherwise = "" if required else " (default: as kubectl does)"
        file = click.option("--kubeconfig", type=FILE, metavar="FILE", callback=one_of, help=f"log in with this file{otherwise}")
        # Eager, so that the site is known when the file is looked at.
        site = click.option("--site", type=SITE, metavar="SITE", is_eager=True, help="a site of this machine, or one that has a stack file")
        return site(file(command))

    return wrapped


@contextmanager
def login(site: str | None, file: Path | None) -> Iterator[Path | None]:
    """Yield the kubeconfig to log in with: the given file, that of the site, or None where neither is given. Raises LocalError."""
    if file is not None:
        yield _readable(file.expanduser().absolute())
    elif site is None:
        yield None
    elif (own := paths.sites() / site / "kubeconfig").is_file():
        yield own
    else:
        with tempfile.TemporaryDirectory(prefix="commonweal-login-") as folder:
            yield paths.write(Path(folder) / "kubeconfig", _of_stack_file(site), mode=0o600)


def _readable(file: Path) -> Path:
    try:
        file.read_bytes()
    except OSError as error:
        raise LocalError(
            f"--kubeconfig {file} cannot be read ({error.strerror})", "Give the kubeconfig of a cluster, or --site."
        ) from error
    return file


def _of_stack_file(site: str) -> str:
    """Return the kubeconfig of a site that is no site of this machine, as its stack file says where it is."""
    import yaml  # noqa: PLC0415 - and what reads stack files: only for sites elsewhere

    from commonweal_stacks.clusters import cluster_of  # noqa: PLC0415
    from commonweal_stacks.exceptions import SiteConfigError  # noqa: PLC0415
    from commonweal_stacks.site import SITE_KEY, parse_site, stack_file  # noqa: PLC0415

    try:
        committed = paths.source() / "stacks" / "site" / stack_file(site)
        config = yaml.safe_load(committed.read_text(encoding="utf-8"))["config"]
        return cluster_of(parse_site(config.get(SITE_KEY), stack=site)).kubeconfig()
    except (OSError, KeyError, TypeError, yaml.YAMLError, SiteConfigError) as error:
        raise LocalError(
            f"There is no kubeconfig of {site}: {error}", "Name a site that is up, or give its kubeconfig as a file."
        ) from error
