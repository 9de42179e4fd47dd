"""`commonweal receipt verify`, `commonweal audit verify` and `commonweal audit proof`. Exit code 1: something does not hold, and it is named."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from uuid import UUID

import click
import orjson

from commonweal_cli.audit import sources
from commonweal_cli.kubectl import Cluster, Kubectl
from commonweal_cli.where import FILE, cluster_options, login
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_runtime.audit.proofs import check
from commonweal_runtime.audit.receipts import Receipt, broken_links
from commonweal_runtime.audit.verify import Outcome, Verifier
from commonweal_runtime.exceptions import ProofError, SignatureError
from commonweal_runtime.seal_key import KeyRing

STALE_SECONDS = 150.0
SHOWN = 50
_JWKS = "the department's public keys: a file or address of its /.well-known/jwks.json"


@click.group()
def receipt() -> None:
    """Check what a department acknowledged."""


@click.group()
def audit() -> None:
    """Check the record of who read what."""


file_argument = click.argument("file", metavar="FILE")
keys_option = click.option("--jwks", required=True, metavar="FILE|ADDRESS", help=_JWKS)


@receipt.command("verify")
@file_argument
@keys_option
def verify_receipts(file: str, jwks: str) -> int:
    """Check receipts offline (- for standard input), and say in words what was agreed."""
    keys, bad, good = sources.keys_of(jwks), 0, []
    for text in sources.receipts_of(file):
        try:
            opened = Receipt.opened(keys, text)
        except SignatureError as error:
            bad += 1
            print(f"does not hold: {error}")
            continue
        good.append(opened)
        print("\n  ".join([f"event {opened.seq}: the signature holds", *opened.words()]))
    broken = broken_links(good)
    for link in broken:
        print(f"the chain does not hold: {link}")
    known = {r.hash for r in good}
    gaps = sum(1 for r in good if r.before and r.before not in known)
    if good and not broken:
        begins = f"; {gaps} of them follow an event that is not among them" if gaps else ""
        print(f"the chain holds: each of {len(good)} receipt(s) carries its event's place in the person's chain{begins}")
    return 1 if bad or broken else 0


@audit.command("proof")
@file_argument
@keys_option
@click.option("--subject", type=click.UUID, metavar="ID", help="also check that it is about this person: your id at the department")
def verify_proof(file: str, jwks: str, subject: UUID | None) -> int:
    """Check an inclusion proof offline (- for standard input)."""
    try:
        proven = check(orjson.loads(sources.text_of(file)), sources.keys_of(jwks))
    except (ProofError, SignatureError, orjson.JSONDecodeError) as error:
        print(f"does not hold: {error}")
        return 1
    print(f"{proven.kind} {proven.number} lies under seal {proven.seal.n} of {proven.seal.at}, as it was sealed:")
    for name, value in proven.row.items():
        print(f"  {name:<12} {value if not isinstance(value, list) else f'{len(value)} people'}")
    if subject is None:
        return 0
    mine = proven.concerns(subject)
    print(f"it is {'' if mine else 'NOT '}about {subject}")
    return 0 if mine else 1


@dataclass(frozen=True)
class Kept:
    """What is kept of a check: the lines, and the newest seal."""

    save: Path | None
    anchor: Path | None


@audit.command("verify")
@click.argument("department", required=False, metavar="[DEPARTMENT]")
@cluster_options()
@click.option("--client", metavar="ACCOUNT", help="the registrar to ask as (default: the first of spec.registrars)")
@click.option("--export", metavar="FILE", help="check an export that was kept, offline; needs --jwks")
@click.option("--jwks", metavar="FILE|ADDRESS", help=_JWKS)
@click.option("--save", type=FILE, metavar="FILE", help="keep what was fetched, for a check offline")
@click.option("--anchor", type=FILE, metavar="FILE", help="the newest seal seen so far is kept here and must still be in the chain")
def verify_audit(
    department: str | None,
    site: str | None,
    kubeconfig: Path | None,
    client: str | None,
    export: str | None,
    jwks: str | None,
    save: Path | None,
    anchor: Path | None,
) -> int:
    """Check chain, signatures and every row of a department's sealed audit."""
    if (department is None) == (export is None):
        raise LocalError("What is to be checked is not clear", "Name a DEPARTMENT, or a file with --export FILE --jwks FILE.")
    if department is None:
        return _exported(export or "", jwks, Kept(save, anchor))
    from commonweal_local import toolchain  # noqa: PLC0415

    with login(site, kubeconfig) as file:
        return verify_department(Kubectl(toolchain.path_of("kubectl"), file), department, client, jwks, Kept(save, anchor))


def verify_department(
    cluster: Cluster, department: str, client: str | None = None, jwks: str | None = None, kept: Kept | None = None
) -> int:
    """Check a department's sealed audit, print what holds and what does not, and return the exit code; `client` is the registrar to ask as."""
    return _living(sources.Department.of(cluster, department, client), jwks, kept or Kept(None, None))


def _exported(export: str, jwks: str | None, kept: Kept) -> int:
    if not jwks:
        raise LocalError(
            "An export is checked against keys", "Add --jwks with a file or address of the department's /.well-known/jwks.json."
        )
    return _told(_checked(sources.text_of(export).splitlines(), sources.keys_of(jwks), kept), kept)


def _living(department: sources.Department, jwks: str | None, kept: Kept) -> int:
    keys = sources.keys_of(jwks) if jwks else department.keys
    if not len(keys):
        raise LocalError(f"The Department {department.name} has published no key", "Wait for its status.keys, or give --jwks.")
    # by key, not by site: a store that was made anew has another key, and its chain begins again
    anchor = kept.anchor or paths.home() / "anchors" / f"{department.name}-{'-'.join(keys.ids)}.jws"
    if not anchor.exists():
        print(
            f"no seal under key {', '.join(keys.ids)} was seen here before: a chain that was made again before today does not show",
            file=sys.stderr,
        )
    kept = replace(kept, anchor=anchor)
    return _told(_checked(department.lines(), keys, kept), kept, live=True)


def _checked(lines: Iterable[str], keys: KeyRing, kept: Kept) -> Outcome:
    """Check the lines as they come, keeping them if that is asked for."""
    anchor = kept.anchor
    verifier = Verifier(keys, anchor.read_text(encoding="utf-8").strip() if anchor is not None and anchor.exists() else None)
    if kept.save is None:
        return verifier.all(lines)
    with kept.save.open("w", encoding="utf-8") as copy:
        return verifier.all(_keeping(lines, copy))


def _keeping(lines: Iterable[str], kept: TextIO) -> Iterator[str]:
    for line in lines:
        kept.write(line + "\n")
        yield line


def _told(outcome: Outcome, kept: Kept, *, live: bool = False) -> int:
    """Print what was found; the newest seal becomes the anchor only when everything holds."""
    for finding in outcome.findings[:SHOWN]:
        print(finding)
    if len(outcome.findings) > SHOWN:
        print(f"and {len(outcome.findings) - SHOWN} more")
    age = _age(outcome)
    stale = live and (age is None or age > STALE_SECONDS)
    if stale:
        print(f"newest seal: {'none was found' if age is None else f'{age:.0f} s old'}: sealing has stopped, or seals were cut off")
    holds = outcome.holds and not stale
    checked = f"{outcome.seals} seals, {outcome.uses} uses, {outcome.events} events checked; {outcome.unsealed} rows not sealed yet"
    print(f"{checked}; newest seal of {outcome.newest_at or 'never'}")
    print("everything is as it was sealed" if holds else "this audit does NOT hold")
    if holds and kept.anchor is not None and outcome.newest:
        paths.write(kept.anchor, outcome.newest + "\n")
    return 0 if holds else 1


def _age(outcome: Outcome) -> float | None:
    return (datetime.now(UTC) - datetime.fromisoformat(outcome.newest_at)).total_seconds() if outcome.newest_at else None
