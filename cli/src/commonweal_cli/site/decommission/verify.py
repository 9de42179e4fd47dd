"""The command `commonweal erasure verify`: is a certificate as the site signed it, and what does it say? Needs nothing but the two files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from commonweal_cli.site.decommission.traces import GONE, LEFT
from commonweal_local.exceptions import LocalError
from commonweal_stacks.conformity.site_key import read_public_key
from commonweal_stacks.conformity.statement import ERASURE, subjects_of, verify
from commonweal_stacks.exceptions import SiteConfigError, StatementError


def main(argv: Sequence[str]) -> int:
    """Exit code 0: signed by that key, and nothing was left. 1: something was left. Raises LocalError when it must not be believed."""
    parser = argparse.ArgumentParser(prog="commonweal erasure", description="Check a certificate of erasure, offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("verify", help="check the signature, and say what was erased")
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--key", type=Path, required=True, metavar="FILE", help="the site's public key: the stack's output siteKey")
    given = parser.parse_args(argv)
    statement = read(given.file, given.key)
    for line in lines(statement):
        print(line)
    return 1 if any(_result(check) == LEFT for check in statement["predicate"].get("checks", [])) else 0


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
