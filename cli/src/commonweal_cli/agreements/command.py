"""`commonweal agreement sign|verify|show`: what a steward types."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from commonweal_api import namespace_of
from commonweal_api.agreement_signatures import agreement_key
from commonweal_api.jwk import Jwk
from commonweal_cli.agreements import signing
from commonweal_cli.agreements.signing import Agreement
from commonweal_cli.agreements.words import in_words
from commonweal_cli.exceptions import KubectlForbiddenError
from commonweal_cli.kubectl import Kubectl
from commonweal_local import toolchain
from commonweal_local.exceptions import LocalError


def main(argv: Sequence[str]) -> int:
    """Run one command; 0 when it did what was asked, and for `verify` when both signatures hold. Raises LocalError."""
    arguments = _parser().parse_args(argv)
    done: int = arguments.run(arguments)
    return done


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="commonweal agreement", description="Agreements between two departments: signed by both, or nothing opens."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sign = _command(commands, "sign", "sign an agreement for a department, with its Secret commonweal-signing", _sign)
    sign.add_argument("--as", dest="party", required=True, metavar="DEPARTMENT", help="for which party you sign")
    verify = _command(commands, "verify", "check who has signed what; 0 when both signatures hold", _verify)
    verify.add_argument(
        "--jwks",
        action="append",
        default=[],
        metavar="DEPARTMENT=FILE",
        help="its key set, as served at /.well-known/jwks.json; then no cluster is asked",
    )
    _command(commands, "show", "say how far the parties are", _show)
    return parser


def _command(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("agreement", metavar="NAME|FILE", help="a ConsentPolicy of the namespace, or a file with one")
    parser.add_argument("-n", "--namespace", help="the provider's namespace, dept-<provider>")
    parser.add_argument("--kubeconfig", type=Path, help="log in with this file (default: as kubectl does)")
    parser.set_defaults(run=run)
    return parser


def _sign(arguments: argparse.Namespace) -> int:
    kubectl, party = _kubectl(arguments), arguments.party
    agreement = _agreement(arguments)
    print(in_words(agreement.provider, agreement.name, agreement.spec))
    print(f"  {'hash:':<11} {agreement.hash}")
    seed = signing.seed_of(kubectl, party)
    if agreement.signed_by(party, {party: agreement_key(seed)}):
        print(f"\n{party} has signed this already.")
        return 0
    if agreement.version:
        try:
            signing.sign(kubectl, agreement, {party: seed})
        except KubectlForbiddenError as refusal:
            print(f"\nYou may not change it yourself: {refusal.what}")
        else:
            print(f"\nSigned as {party}. `commonweal agreement show {agreement.name} -n {agreement.namespace}` says how it stands.")
            return 0
    _hand_over(agreement, signing.signatures_with(agreement, party, seed, int(time.time())))
    return 0


def _hand_over(agreement: Agreement, signatures: list[dict[str, Any]]) -> None:
    print(f"\nHand this to {agreement.provider}, whose steward runs it:\n")
    patch = yaml.safe_dump({"spec": {"signatures": signatures}}, sort_keys=False, width=2000)
    print(f"kubectl patch consentpolicy {agreement.name} -n {agreement.namespace} --type merge --patch-file /dev/stdin <<'END'\n{patch}END")


def _verify(arguments: argparse.Namespace) -> int:
    agreement = _agreement(arguments)
    keys = _keys_of(arguments.jwks) if arguments.jwks else signing.published(_kubectl(arguments), agreement.parties)
    found = signing.verdicts(agreement, keys)
    print(f"Agreement {agreement.provider}/{agreement.name}, {agreement.hash}")
    for verdict in found:
        print(f"  {'good' if verdict.good else 'BAD ':<5} {verdict.party}: {verdict.text}")
    return 0 if all(verdict.good for verdict in found) else 1


def _show(arguments: argparse.Namespace) -> int:
    agreement = _agreement(arguments)
    print(in_words(agreement.provider, agreement.name, agreement.spec))
    print(f"  {'hash:':<11} {agreement.hash}")
    print(f"  {'signed by:':<11} {', '.join(s.party for s in agreement.spec.signatures) or 'no party'}")
    print(f"  {'state:':<11} {agreement.status.get('negotiation', 'not known: the operator has not seen it')}, mode {agreement.spec.mode}")
    for condition in agreement.status.get("conditions") or ():
        if condition["status"] != "True":
            print(f"  {condition['type'] + ':':<18} {condition['reason']}: {condition.get('message', '')}")
    return 0


def _agreement(arguments: argparse.Namespace) -> Agreement:
    """Return the agreement of a file, or of the cluster."""
    path = Path(arguments.agreement)
    if path.is_file():
        return _agreement_in(path, arguments.namespace)
    if not arguments.namespace:
        raise LocalError(f"There is no file {path}, and no namespace to look for an agreement of that name", "Add -n dept-<provider>.")
    return signing.read(_kubectl(arguments), arguments.agreement, arguments.namespace)


def _agreement_in(path: Path, namespace: str | None) -> Agreement:
    try:
        documents = [
            d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if isinstance(d, Mapping) and d.get("kind") == "ConsentPolicy"
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LocalError(
            f"{path}: {error}", "Name a file with one ConsentPolicy, as `kubectl get consentpolicy NAME -o yaml` writes it."
        ) from None
    if len(documents) != 1:
        raise LocalError(f"{path}: holds {len(documents)} ConsentPolicies", "Name a file with exactly one.")
    (manifest,) = documents
    meta = {"namespace": namespace} | dict(manifest.get("metadata") or {})
    # What a file says of a version is not the cluster's word: it is only read and handed over.
    return signing.agreement_of({**manifest, "metadata": {k: v for k, v in meta.items() if k != "resourceVersion" and v is not None}})


def _keys_of(sets: Sequence[str]) -> dict[str, Jwk]:
    found = {}
    for text in sets:
        party, _, file = text.partition("=")
        try:
            document = json.loads(Path(file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LocalError(f"--jwks {text}: {error}", "Write DEPARTMENT=FILE, with a JSON key set in the file.") from None
        key = signing.key_in(document) if isinstance(document, Mapping) else None
        if key is None:
            raise LocalError(
                f"--jwks {text}: holds no key with the purpose Agreement",
                f"Fetch /.well-known/jwks.json of the data API of {namespace_of(party)}.",
            )
        found[party] = key
    return found


def _kubectl(arguments: argparse.Namespace) -> Kubectl:
    return Kubectl(toolchain.path_of("kubectl"), arguments.kubeconfig)
