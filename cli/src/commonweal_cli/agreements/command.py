"""`commonweal agreement sign|verify|show|revoke`: what a steward types."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from commonweal_api import namespace_of
from commonweal_api.agreement_signatures import agreement_key
from commonweal_api.common import shown
from commonweal_api.jwk import Jwk
from commonweal_cli.agreements import signing
from commonweal_cli.agreements.signing import Agreement
from commonweal_cli.agreements.words import in_words
from commonweal_cli.conventions import DONE, FAILED, output_option, show
from commonweal_cli.exceptions import KubectlForbiddenError
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.where import cluster_options, login
from commonweal_local import toolchain
from commonweal_local.exceptions import LocalError


@dataclass(frozen=True)
class Place:
    """Which agreement is meant, and which cluster is asked."""

    agreement: str
    namespace: str | None
    kubeconfig: Path | None

    @property
    def kubectl(self) -> Kubectl:
        """To ask the cluster with; only then is the program looked for."""
        return Kubectl(toolchain.path_of("kubectl"), self.kubeconfig)


@click.group()
def agreement() -> None:
    """Agreements between two departments: signed by both, or nothing opens."""


def about_one(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command the words that name an agreement; its function is called with the Place as its first argument."""

    @click.argument("agreement", metavar="NAME|FILE")
    @click.option("-n", "--namespace", metavar="NAMESPACE", help="the provider's namespace, dept-<provider>")
    @cluster_options()
    @functools.wraps(function)
    def run(agreement: str, namespace: str | None, site: str | None, kubeconfig: Path | None, **others: Any) -> int:
        with login(site, kubeconfig) as file:
            return function(Place(agreement, namespace, file), **others)

    return run


@agreement.command("sign")
@click.option("--as", "party", required=True, metavar="DEPARTMENT", help="for which party you sign")
@click.option("--renew", is_flag=True, help="begin again: another nonce, and no signature but yours")
@about_one
def sign(place: Place, party: str, *, renew: bool) -> int:
    """Sign an agreement for a department, with its Secret commonweal-signing."""
    kubectl, found = place.kubectl, _agreement(place)
    agreement = signing.renewed(found) if renew or found.spec.nonce is None else found
    _print(agreement)
    seed = signing.seed_of(kubectl, party)
    if agreement.signed_by(party, {party: agreement_key(seed)}):
        print(f"\n{party} has signed this already.")
        return DONE
    if agreement.version:
        try:
            signing.sign(kubectl, agreement, {party: seed}, found.spec.nonce)
        except KubectlForbiddenError as refusal:
            print(f"\nYou may not change it yourself: {shown(refusal.what)}")
        else:
            print(f"\nSigned as {party}. `commonweal agreement show {agreement.name} -n {agreement.namespace}` says how it stands.")
            return DONE
    signatures = signing.signatures_with(agreement, party, seed, int(time.time()))
    _hand_over(agreement, {"nonce": agreement.spec.nonce, "signatures": signatures})
    return DONE


@agreement.command("revoke")
@click.option("--as", "party", required=True, metavar="DEPARTMENT", help="for which party you take it back")
@about_one
def revoke(place: Place, party: str) -> int:
    """Take an agreement back for ever, with your department's Secret commonweal-signing; the other party cannot undo it."""
    kubectl, agreement = place.kubectl, _agreement(place)
    _told(agreement)
    seed = signing.seed_of(kubectl, party)
    if agreement.version:
        try:
            signing.revoke(kubectl, agreement, party, seed)
        except KubectlForbiddenError as refusal:
            print(f"\nYou may not change it yourself: {shown(refusal.what)}")
        else:
            print(f"\nRevoked as {party}. It closes now, and its nonce never opens again.")
            return DONE
    _hand_over(agreement, {"revocations": signing.revocations_with(agreement, party, seed, int(time.time()))})
    return DONE


def _print(agreement: Agreement) -> None:
    """Print all that the hash covers, and the hash."""
    print(in_words(agreement.provider, agreement.name, agreement.spec, agreement.meaning))
    print(f"  {'hash:':<11} {agreement.hash}")


def _told(agreement: Agreement) -> None:
    """Print as much as is known: where a product is missing, there is no hash yet."""
    try:
        _print(agreement)
    except LocalError as lack:
        print(f"  {'hash:':<11} not known. {shown(str(lack))}")


def _hand_over(agreement: Agreement, spec: dict[str, Any]) -> None:
    print(f"\nHand this to {agreement.provider}, whose steward runs it:\n")
    patch = yaml.safe_dump({"spec": spec}, sort_keys=False, width=2000)
    print(f"kubectl patch consentpolicy {agreement.name} -n {agreement.namespace} --type merge --patch-file /dev/stdin <<'END'\n{patch}END")


@agreement.command("verify")
@click.option(
    "--jwks",
    multiple=True,
    metavar="DEPARTMENT=FILE",
    help="its key set, as served at /.well-known/jwks.json; then no cluster is asked",
)
@output_option
@about_one
def verify(place: Place, jwks: tuple[str, ...], output: str) -> int:
    """Check who has signed what; exit code 0 when both signatures hold."""
    agreement = _agreement(place)
    keys = _keys_of(jwks) if jwks else signing.published(place.kubectl, agreement.parties)
    found = signing.verdicts(agreement, keys)
    document = {
        "provider": agreement.provider,
        "name": agreement.name,
        "hash": agreement.hash,
        "signatures": [{"party": verdict.party, "good": verdict.good, "text": verdict.text} for verdict in found],
    }
    lines = [f"  {'good' if verdict.good else 'BAD ':<5} {verdict.party}: {verdict.text}" for verdict in found]
    show(output, document, lambda: iter([f"Agreement {agreement.provider}/{agreement.name}, {agreement.hash}", *lines]))
    return DONE if all(verdict.good for verdict in found) else FAILED


@agreement.command("show")
@about_one
def say(place: Place) -> int:
    """Say what is agreed, what its fields mean, and how far the parties are."""
    agreement = _agreement(place)
    _told(agreement)
    print(f"  {'signed by:':<11} {', '.join(s.party for s in agreement.spec.signatures) or 'no party'}")
    print(f"  {'state:':<11} {agreement.status.get('negotiation', 'not known: the operator has not seen it')}, mode {agreement.spec.mode}")
    for condition in agreement.status.get("conditions") or ():
        if condition["status"] != "True":
            print(f"  {condition['type'] + ':':<18} {shown(condition['reason'])}: {shown(condition.get('message', ''))}")
    return DONE


def _agreement(place: Place) -> Agreement:
    """Return the agreement of a file, or of the cluster."""
    path = Path(place.agreement)
    if path.is_file():
        return _agreement_in(path, place.namespace)
    if not place.namespace:
        raise LocalError(f"There is no file {path}, and no namespace to look for an agreement of that name", "Add -n dept-<provider>.")
    return signing.read(place.kubectl, place.agreement, place.namespace)


def _agreement_in(path: Path, namespace: str | None) -> Agreement:
    try:
        found = [d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if isinstance(d, Mapping)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LocalError(
            f"{path}: {error}",
            "Name a file with one ConsentPolicy, as `kubectl get consentpolicy NAME -o yaml` writes it, and the DataProduct beside it if it has no status.",
        ) from None
    documents = [d for d in found if d.get("kind") == "ConsentPolicy"]
    if len(documents) != 1:
        raise LocalError(f"{path}: holds {len(documents)} ConsentPolicies", "Name a file with exactly one.")
    (manifest,) = documents
    meta = {"namespace": namespace} | dict(manifest.get("metadata") or {})
    # What a file says of a version is not the cluster's word: it is only read and handed over.
    wanted = ((manifest.get("spec") or {}).get("product") or {}).get("name")
    product = next((d for d in found if d.get("kind") == "DataProduct" and (d.get("metadata") or {}).get("name") == wanted), None)
    return signing.agreement_of(
        {**manifest, "metadata": {k: v for k, v in meta.items() if k != "resourceVersion" and v is not None}}, product
    )


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
