"""`commonweal receipt verify`, `commonweal audit verify` and `commonweal audit proof`. Exit code 1: something does not hold, and it is named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import orjson

from commonweal_cli.audit import sources
from commonweal_cli.kubectl import Kubectl
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


def main(words: Sequence[str]) -> int:
    """Run `receipt …` or `audit …`; the exit code is 0 when everything holds."""
    arguments = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="commonweal")
    groups = parser.add_subparsers(required=True, metavar="COMMAND")
    receipt = groups.add_parser("receipt", help="check what a department acknowledged").add_subparsers(required=True, metavar="COMMAND")
    _file(_command(receipt, "verify", "check receipts offline, and say in words what was agreed", _receipts))
    audit = groups.add_parser("audit", help="check the record of who read what").add_subparsers(required=True, metavar="COMMAND")
    proof = _command(audit, "proof", "check an inclusion proof offline", _proof)
    _file(proof)
    proof.add_argument("--subject", type=UUID, help="also check that it is about this person: your id at the department")
    verify = _command(audit, "verify", "check chain, signatures and every row of a department's sealed audit", _verify)
    verify.add_argument("department", nargs="?", metavar="DEPARTMENT")
    verify.add_argument("--site", help="a site of this machine (default: --kubeconfig)")
    verify.add_argument("--kubeconfig", type=Path, help="log in with this file (default: as kubectl does)")
    verify.add_argument("--client", metavar="ACCOUNT", help="the registrar to ask as (default: the first of spec.registrars)")
    verify.add_argument("--export", metavar="FILE", help="check an export that was kept, offline; needs --jwks")
    verify.add_argument("--jwks", help=_JWKS)
    verify.add_argument("--save", type=Path, metavar="FILE", help="keep what was fetched, for a check offline")
    verify.add_argument(
        "--anchor", type=Path, metavar="FILE", help="the newest seal seen so far is kept here and must still be in the chain"
    )
    return parser


def _command(into: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = into.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run)
    return parser


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file, or - for standard input")
    parser.add_argument("--jwks", required=True, help=_JWKS)


def _receipts(arguments: argparse.Namespace) -> int:
    keys, bad, good = sources.keys_of(arguments.jwks), 0, []
    for text in sources.receipts_of(arguments.file):
        try:
            receipt = Receipt.opened(keys, text)
        except SignatureError as error:
            bad += 1
            print(f"does not hold: {error}")
            continue
        good.append(receipt)
        print("\n  ".join([f"event {receipt.seq}: the signature holds", *receipt.words()]))
    broken = broken_links(good)
    for link in broken:
        print(f"the chain does not hold: {link}")
    known = {r.hash for r in good}
    gaps = sum(1 for r in good if r.before and r.before not in known)
    if good and not broken:
        begins = f"; {gaps} of them follow an event that is not among them" if gaps else ""
        print(f"the chain holds: each of {len(good)} receipt(s) carries its event's place in the person's chain{begins}")
    return 1 if bad or broken else 0


def _proof(arguments: argparse.Namespace) -> int:
    try:
        proven = check(orjson.loads(sources.text_of(arguments.file)), sources.keys_of(arguments.jwks))
    except (ProofError, SignatureError, orjson.JSONDecodeError) as error:
        print(f"does not hold: {error}")
        return 1
    print(f"{proven.kind} {proven.number} lies under seal {proven.seal.n} of {proven.seal.at}, as it was sealed:")
    for name, value in proven.row.items():
        print(f"  {name:<12} {value if not isinstance(value, list) else f'{len(value)} people'}")
    if arguments.subject is None:
        return 0
    mine = proven.concerns(arguments.subject)
    print(f"it is {'' if mine else 'NOT '}about {arguments.subject}")
    return 0 if mine else 1


def _verify(arguments: argparse.Namespace) -> int:
    if (arguments.department is None) == (arguments.export is None):
        raise LocalError("What is to be checked is not clear", "Name a DEPARTMENT, or a file with --export FILE --jwks FILE.")
    if arguments.export is not None:
        if not arguments.jwks:
            raise LocalError(
                "An export is checked against keys", "Add --jwks with a file or address of the department's /.well-known/jwks.json."
            )
        outcome = _checked(sources.text_of(arguments.export).splitlines(), sources.keys_of(arguments.jwks), arguments)
        return _told(outcome, arguments)
    kubectl = _kubectl(arguments)
    department = sources.Department.of(kubectl, arguments.department, arguments.client)
    keys = sources.keys_of(arguments.jwks) if arguments.jwks else department.keys
    if not len(keys):
        raise LocalError(f"The Department {department.name} has published no key", "Wait for its status.keys, or give --jwks.")
    # by key, not by site: a store that was made anew has another key, and its chain begins again
    arguments.anchor = arguments.anchor or paths.home() / "anchors" / f"{department.name}-{'-'.join(keys.ids)}.jws"
    if not arguments.anchor.exists():
        print(
            f"no seal under key {', '.join(keys.ids)} was seen here before: a chain that was made again before today does not show",
            file=sys.stderr,
        )
    return _told(_checked(department.lines(), keys, arguments), arguments, live=True)


def _kubectl(arguments: argparse.Namespace) -> Kubectl:
    from commonweal_local import sites, toolchain  # noqa: PLC0415

    kubeconfig = sites.find(arguments.site).kubeconfig if arguments.site else arguments.kubeconfig
    return Kubectl(toolchain.path_of("kubectl"), kubeconfig)


def _checked(lines: Iterable[str], keys: KeyRing, arguments: argparse.Namespace) -> Outcome:
    """Check the lines as they come, keeping them if that is asked for."""
    anchor = arguments.anchor
    verifier = Verifier(keys, anchor.read_text(encoding="utf-8").strip() if anchor is not None and anchor.exists() else None)
    if arguments.save is None:
        return verifier.all(lines)
    with arguments.save.open("w", encoding="utf-8") as kept:
        return verifier.all(_keeping(lines, kept))


def _keeping(lines: Iterable[str], kept: TextIO) -> Iterator[str]:
    for line in lines:
        kept.write(line + "\n")
        yield line


def _told(outcome: Outcome, arguments: argparse.Namespace, *, live: bool = False) -> int:
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
    if holds and arguments.anchor is not None and outcome.newest:
        paths.write(arguments.anchor, outcome.newest + "\n")
    return 0 if holds else 1


def _age(outcome: Outcome) -> float | None:
    return (datetime.now(UTC) - datetime.fromisoformat(outcome.newest_at)).total_seconds() if outcome.newest_at else None
