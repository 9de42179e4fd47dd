"""Taking a site down for good, step by step. Each step may be repeated, and is written down when it is done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from commonweal_cli.site import operations
from commonweal_cli.site.decommission import certificate, facts, traces
from commonweal_cli.site.decommission.journal import Journal
from commonweal_cli.site.site_stack import SiteStack
from commonweal_cli.site.stack import root
from commonweal_local import paths, sites
from commonweal_local.exceptions import LocalError
from commonweal_stacks.conformity.site_key import public_jwk, site_seed
from commonweal_stacks.exceptions import SiteConfigError

DELETE_UNREACHABLE = {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What is asked for. `unreachable`: the site is gone for good, so what cannot be asked is taken to be gone."""

    site: str
    delete_departments: bool = False
    unreachable: bool = False
    project: Path | None = None

    @property
    def stack(self) -> SiteStack:
        return SiteStack(self.site, self.project)


def decommission(wish: Wish, to: Path | None, *, clock: Callable[[], datetime], say: Say) -> Path:
    """Take the site down and return the certificate's file. Raises LocalError; repeating the command goes on from there.

    Refused, before anything is changed, while the site holds departments that are not to be deleted with it, or does not answer.
    """
    journal = Journal.found(wish.site) or _begin(wish, clock(), say)
    for name, step in STEPS.items():
        if name not in journal.done:
            say(name)
            step(wish, journal, say)
            journal = journal.after(name)
    checks = traces.look(wish.site, project=_project(wish), local=journal.kind == "local")
    for check in checks:
        say(f"  {check.check}: {check.result}{f' ({check.detail})' if check.detail else ''}")
    _refuse_leftovers(wish.site, checks)
    started = datetime.fromisoformat(journal.started).astimezone(UTC)
    file = to or paths.home() / "erasures" / f"{wish.site}-{started:%Y%m%dT%H%M%SZ}.json"
    _write(file, certificate.certify(journal, checks, clock()), public_jwk(journal.seed))
    journal.remove()
    return file


def _begin(wish: Wish, now: datetime, say: Say) -> Journal:
    """Ask the site what it holds, refuse what must not be done, and keep the key that will sign."""
    stack = wish.stack
    held = facts.Holdings() if wish.unreachable else facts.ask(stack.kubeconfig(), wish.site)
    if held.departments and not wish.delete_departments:
        raise LocalError(
            f"site {wish.site} holds the departments {', '.join(sorted(held.departments))}, with their data",
            "Move them first (`commonweal move`), or delete them with the site: add `--delete-departments`.",
        )
    say(f"site {wish.site} holds {', '.join(f'{count} {what}' for what, count in held.counts.items()) or 'nothing that can be asked for'}")
    journal = Journal(wish.site, stack.config.kind, now.isoformat(timespec="seconds"), _seed(stack), held, not wish.unreachable)
    journal.save()
    return journal


def _seed(stack: SiteStack) -> str:
    """The site's signing key: this machine's, else the site's own."""
    kept = root() / f"site-key-{stack.name}"
    if kept.is_file():
        return kept.read_text(encoding="utf-8").strip()
    try:
        return site_seed(stack.kubeconfig(), site=stack.name).hex()
    except SiteConfigError as error:
        raise LocalError(
            f"the key of site {stack.name} is neither in {kept} nor on the site ({error})", "Put it back: it signs the certificate."
        ) from error


def _take_off(wish: Wish, _: Journal, say: Say) -> None:
    """The platform, then the Cluster, whose provider deletes what it made."""
    if not wish.unreachable:
        operations.destroy(wish.site, delete_departments=wish.delete_departments, say=say, project=wish.project)
        return
    stack = wish.stack
    stack.make_ready(say)
    stack.run("destroy", say, more=DELETE_UNREACHABLE)


def _erase_files(wish: Wish, journal: Journal, say: Say) -> None:
    """What a local site left on this machine; its provider has removed it by now, unless it was killed."""
    if journal.kind != "local" or not (paths.sites() / wish.site).exists():
        return
    say(f"  {paths.sites() / wish.site} is still there: removing it")
    left = sites.down([wish.site])
    if left:
        raise LocalError(f"Could not be removed: {', '.join(left)}", "Look with `ps` and `mount` who uses them; then repeat.")
    shutil.rmtree(paths.sites() / wish.site, ignore_errors=True)


def _forget_stack(wish: Wish, _: Journal, __: Say) -> None:
    """State, copies, history, configuration and secrets of the stack."""
    wish.stack.forget()
    for place in (*traces.stack_files(wish.site), *traces.state_files(wish.site, _project(wish))):
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


STEPS: Mapping[str, Callable[[Wish, Journal, Say], None]] = {
    "taking the platform and the cluster down": _take_off,
    "erasing the site's files": _erase_files,
    "forgetting the stack": _forget_stack,
}


def _project(wish: Wish) -> str:
    folder = wish.project or paths.source() / "stacks" / "site"
    return str(yaml.safe_load((folder / "Pulumi.yaml").read_text(encoding="utf-8"))["name"])


def _refuse_leftovers(site: str, checks: list[traces.Check]) -> None:
    left = certificate.left(checks)
    if left:
        raise LocalError(
            f"site {site} is not erased: {'; '.join(f'{check.check}: {check.detail}' for check in left)}",
            "Remove these (`ps`, `mount`, `kubectl` show who holds them), then repeat: the certificate is written when nothing is left.",
        )


def _write(file: Path, envelope: Mapping[str, Any], key: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    paths.write(file.with_suffix(".key.json"), key + "\n")
    paths.write(file, json.dumps(envelope, indent=1) + "\n")
