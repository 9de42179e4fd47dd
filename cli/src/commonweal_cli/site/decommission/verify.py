"""The command `commonweal erasure verify`: is a certificate as the site signed it, and what does it say? Needs nothing but the two files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from commonweal_cli.conventions import DONE, FAILED, output_option, show
from commonweal_cli.site.decommission.traces import GONE, LEFT
from commonweal_cli.where import FILE
from commonweal_local.exceptions import LocalError
from commonweal_stacks.conformity.site_key import read_public_key
from commonweal_stacks.conformity.statement import ERASURE, subjects_of, verify
from commonweal_stacks.exceptions import SiteConfigError, StatementError


@click.group()
def erasure() -> None:
    """Check a certificate of erasure, offline."""


@erasure.command("verify")
@click.argument("file", type=FILE, metavar="FILE")
@click.option("--key", type=FILE, required=True, metavar="FILE", help="the site's public key: the stack's output siteKey")
@output_option
def check(file: Path, key: Path, output: str) -> int:
    """Check the signature, and say what was erased; exit code 1 when something was left."""
    statement = read(file, key)
    show(output, statement, lambda: lines(statement))
    return FAILED if any(_result(check) == LEFT for check in statement["predicate"].get("checks", [])) else DONE


def read(file: Path, key: Path) -> dict[str, Any]:
    """The statement in a certificate that the key has signed. Raises LocalError."""
    try:
        return verify(json.loads(file.read_text(encoding="utf-8")), [read_public_key(key)], predicate_type=ERASURE)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LocalError(f"{file} cannot be read ({error})", "Give the certificate as it was handed out.") from error
    except (StatementError, SiteConfigError) as error:
        raise LocalError(f"{file} must not be believed: {error}", "Nothing follows from it.") from error


def lines(statement: Mapping[str, Any]) -> Iterator[str]:
    """What the certificate says, for a person."""
    said = statement["predicate"]
    of = f" of department {said['department']}" if said.get("department") else ""
    yield f"erased: {said['what']}{of} at site {said['site']}, finished {said['finished']}, signed {said['signedAt']}"
    yield from (f"  {name}  sha256:{digest}" for name, digest in sorted(subjects_of(statement).items()))
    yield from (f"  {what}: {count}" for what, count in sorted(said.get("counts", {}).items()))
    yield from (f"  checked: {_shown(check)}" for check in said.get("checks", []))
    yield from (f"  limit: {limit}" for limit in said.get("limits", []))


def _result(check: Any) -> str:
    return str(check.get("result", "")) if isinstance(check, Mapping) else GONE


def _shown(check: Any) -> str:
    if not isinstance(check, Mapping):
        return str(check)
    detail = f" ({check['detail']})" if check.get("detail") else ""
    return f"{check['check']}: {check['result']}{detail}"
