"""Signing and checking: the hash is made here from what was read, never taken from what somebody reports."""

from __future__ import annotations

import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from commonweal_api import ConsentPolicy, namespace_of, platform_namespace_of
from commonweal_api import agreement_signatures as jws
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec
from commonweal_api.jwk import Jwk
from commonweal_api.meaning import Meaning
from commonweal_api.versions import meaning_for
from commonweal_cli.exceptions import KubectlConflictError, KubectlError
from commonweal_cli.kubectl import Cluster
from commonweal_local.exceptions import LocalError

KIND, PRODUCTS, SECRET, ATTEMPTS = "consentpolicies.commonweal.dev", "dataproducts.commonweal.dev", "commonweal-signing", 5
AT_ONCE = 4


@dataclass(frozen=True)
class Agreement:
    """One agreement as it was read: `version` is the resourceVersion, empty when it comes from a file; `meaning` is None while nothing says what it is."""

    provider: str
    name: str
    spec: ConsentPolicySpec
    status: Mapping[str, Any]
    version: str
    meaning: Meaning | None = None

    @property
    def namespace(self) -> str:
        """The namespace in which it lies."""
        return namespace_of(self.provider)

    @property
    def hash(self) -> str:
        """What both parties sign. Raises LocalError while it is not known what the fields mean."""
        if self.spec.nonce is not None and (self.meaning is None or not self.meaning.whole(self.spec.fields)):
            raise LocalError(
                f"It is not known what every field of {self.provider}/{self.name} means",
                f"Put the DataProduct {self.spec.product.name} into the file beside it, or correct spec.fields; each must be one that the product offers.",
            )
        return jws.agreement_hash(self.provider, self.name, self.spec, self.meaning)

    @property
    def parties(self) -> tuple[str, ...]:
        """Provider and consumer; one department that agrees with itself is one party."""
        return tuple(dict.fromkeys((self.provider, self.spec.consumer.department)))

    def signed_by(self, party: str, keys: Mapping[str, Jwk]) -> bool:
        """Return whether the party has signed what stands here with the key that it publishes."""
        return any(verdict.good for verdict in verdicts(self, keys) if verdict.party == party)


@dataclass(frozen=True)
class Verdict:
    """What became of one party's signature."""

    party: str
    good: bool
    text: str


def agreement_of(manifest: Mapping[str, Any], product: Mapping[str, Any] | None = None) -> Agreement:
    """Return the agreement of a manifest; `product` is the DataProduct's, else its status says what its fields mean. Raises LocalError that names the field."""
    meta = manifest.get("metadata") or {}
    content = {key: manifest[key] for key in ("apiVersion", "kind", "spec") if key in manifest}
    try:
        policy = ConsentPolicy.model_validate({**content, "metadata": {k: meta[k] for k in ("name", "namespace") if k in meta}})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise LocalError(
            f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}", "Correct it; it is no ConsentPolicy as it is."
        ) from None
    provider = (policy.metadata.namespace or "").removeprefix(namespace_of(""))
    if not policy.metadata.namespace or namespace_of(provider) != policy.metadata.namespace:
        raise LocalError(
            "metadata.namespace: is no department's namespace", f"Write {namespace_of('<provider>')}: it is part of what is signed."
        )
    status = manifest.get("status") or {}
    meaning = _meant(policy.spec, product) if product is not None else _said(policy.spec, status)
    return Agreement(provider, policy.metadata.name, policy.spec, status, str(meta.get("resourceVersion", "")), meaning)


def read(kubectl: Cluster, name: str, namespace: str) -> Agreement:
    """Return an agreement of the cluster, with what its status says that its fields mean or, before there is one, what its product does.

    Whoever signs signs what they are shown: where a status says something else than is so, the signature is one over something else.
    """
    found = agreement_of(manifest := kubectl.get(KIND, name, namespace))
    if found.meaning is not None and found.status.get("observedGeneration") == manifest["metadata"].get("generation"):
        return found
    try:
        return agreement_of(manifest, kubectl.get(PRODUCTS, found.spec.product.name, namespace))
    except KubectlError:  # it is gone, or not to be read: then nothing can be signed, and the rest is said all the same
        return replace(found, meaning=None)


def _said(spec: ConsentPolicySpec, status: Mapping[str, Any]) -> Meaning | None:
    """Return what a status says that the fields mean, if it speaks of these fields."""
    try:
        found = Meaning.model_validate(status.get("meaning"))
    except ValidationError:
        return None
    return found if found.whole(spec.fields) else None


def _meant(spec: ConsentPolicySpec, product: Mapping[str, Any]) -> Meaning | None:
    """Return what the fields mean in the version of the product that the agreement would read now."""
    try:
        found = DataProductSpec.model_validate(product.get("spec"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise LocalError(f"DataProduct: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}", "Correct it.") from None
    return meaning_for(found, spec, datetime.now(UTC))


def renewed(agreement: Agreement) -> Agreement:
    """Return the agreement with a nonce of its own and nobody's signature: what was signed before is over as soon as it opens."""
    spec = agreement.spec.model_copy(update={"nonce": secrets.token_urlsafe(16), "signatures": []})
    return replace(agreement, spec=spec)


def revocations_with(agreement: Agreement, party: str, seed: bytes, at: int) -> list[dict[str, Any]]:
    """Return `spec.revocations` with the party's word that the agreement is over. Raises LocalError."""
    _is_party(agreement, party)
    nonce = agreement.spec.nonce
    if nonce is None:
        raise LocalError(
            "spec.nonce: is missing, so there is nothing that could be revoked",
            "Take spec.signatures out: what was signed without a nonce does not come back once it is closed.",
        )
    others = [r.wire() for r in agreement.spec.revocations or ()]
    if any((r["party"], r["nonce"]) == (party, nonce) for r in others):
        raise LocalError(f"spec.revocations: {party} has revoked {nonce} already", "Nothing is left to do; it cannot be taken out again.")
    stood = _stood(agreement)
    return [*others, {"party": party, "nonce": nonce, "hash": stood, "jws": jws.revoke(seed, jws.Revoked(nonce, stood, party, at))}]


def _stood(agreement: Agreement) -> str:
    """Return the hash of an agreement that is taken back; that of a signature when its product is gone, for who wants it over must not need one."""
    if agreement.meaning is not None and agreement.meaning.whole(agreement.spec.fields):
        return agreement.hash
    return next((s.hash for s in agreement.spec.signatures), "sha256:" + "0" * 64)


def revoke(kubectl: Cluster, agreement: Agreement, party: str, seed: bytes) -> None:
    """Put the party's revocation into the agreement of the cluster, again when somebody was faster. Raises LocalError."""
    _write(kubectl, agreement, lambda now: {"revocations": revocations_with(now, party, seed, int(time.time()))})


def _write(kubectl: Cluster, agreement: Agreement, spec_of: Callable[[Agreement], Mapping[str, Any]]) -> None:
    """Patch the agreement with the members of spec that `spec_of` makes of it as it stands, again when somebody was faster."""
    for left in reversed(range(ATTEMPTS)):
        patch = {"metadata": {"resourceVersion": agreement.version}, "spec": spec_of(agreement)}
        try:
            kubectl.patch(KIND, agreement.name, agreement.namespace, patch)
        except KubectlConflictError:
            if not left:
                raise
            agreement = read(kubectl, agreement.name, agreement.namespace)
        else:
            return


def seed_of(kubectl: Cluster, party: str) -> bytes:
    """Return the department's signing key, read with the caller's own rights."""
    return _seed_in(kubectl.get("secrets", SECRET, platform_namespace_of(party)), party)


def _seed_in(secret: Mapping[str, Any], party: str) -> bytes:
    try:
        seed = bytes.fromhex(b64decode(secret["data"]["seed"]).decode())
        jws.agreement_key(seed)
    except (KeyError, TypeError, ValueError):
        raise LocalError(
            f"Secret {SECRET} in {platform_namespace_of(party)}: its key `seed` is not 64 hexadecimal digits",
            "Have the platform team delete the Secret; the operator makes it again.",
        ) from None
    return seed


def published(kubectl: Cluster, parties: Sequence[str]) -> dict[str, Jwk]:
    """Return the keys with which the departments sign agreements, as their status publishes them."""
    found = ((party, key_in(kubectl.get("departments.commonweal.dev", party).get("status") or {})) for party in parties)
    return {party: key for party, key in found if key is not None}


def key_in(document: Mapping[str, Any]) -> Jwk | None:
    """Return the key for agreements out of a key set: a Department's status, or what `/.well-known/jwks.json` serves."""
    for entry in document.get("keys") or ():
        try:
            key = Jwk.model_validate(entry)
        except ValidationError:
            continue
        if key.purpose == "Agreement":
            return key
    return None


def signatures_with(agreement: Agreement, party: str, seed: bytes, at: int) -> list[dict[str, Any]]:
    """Return `spec.signatures` with the party's signature in it. What others signed over other terms stands in the way. Raises LocalError."""
    _is_party(agreement, party)
    others = [s for s in agreement.spec.signatures if s.party != party]
    for other in others:
        if other.hash != agreement.hash:
            raise LocalError(
                f"spec.signatures: {other.party} signed {other.hash}, and these terms are {agreement.hash}",
                "Take spec.signatures out of the ConsentPolicy, or sign with --renew, then have both sign again.",
            )
    mine = {"party": party, "hash": agreement.hash, "jws": jws.sign(seed, jws.Signed(agreement.hash, party, at))}
    return [*(s.wire() for s in others), mine]


def _is_party(agreement: Agreement, party: str) -> None:
    if party not in agreement.parties:
        raise LocalError(
            f"{party} is no party of this agreement", f"Its parties are {' and '.join(agreement.parties)}; name one with --as."
        )


def verdicts(agreement: Agreement, keys: Mapping[str, Jwk]) -> list[Verdict]:
    """Return what became of each party's signature, and of any that is nobody's."""
    signed = {s.party: s for s in agreement.spec.signatures}
    found = [_verdict(agreement, party, signed.get(party), keys.get(party)) for party in agreement.parties]
    strangers = [party for party in signed if party not in agreement.parties]
    return [*found, *(Verdict(party, good=False, text="is no party of this agreement") for party in strangers)]


def _verdict(agreement: Agreement, party: str, signature: Any, key: Jwk | None) -> Verdict:
    def bad(text: str) -> Verdict:
        return Verdict(party, good=False, text=text)

    if signature is None:
        return bad("has not signed")
    if signature.hash != agreement.hash:
        return bad(f"signed other terms: {signature.hash}")
    if key is None:
        return bad("its public key is not known")
    signed = jws.verify(signature.jws, [key])
    if signed is None:
        return bad(f"the signature was not made with its key {key.kid}; it says {jws.kid_of(signature.jws) or 'nothing of a key'}")
    if (signed.hash, signed.party) != (agreement.hash, party):
        return bad(f"the signature is by {signed.party} over {signed.hash}")
    return Verdict(
        party, good=True, text=f"signed on {datetime.fromtimestamp(signed.at, UTC):%Y-%m-%d %H:%M:%S} UTC with its key {key.kid}"
    )


def sign(kubectl: Cluster, shown: Agreement, seeds: Mapping[str, bytes], before: str | None) -> None:
    """Put the parties' signatures into the agreement of the cluster, again when somebody was faster. Raises LocalError when other terms stand there now.

    `before` is the nonce that stands there, which that of `shown` takes the place of.
    """

    def signed(agreement: Agreement) -> dict[str, Any]:
        if agreement.spec.nonce != shown.spec.nonce and agreement.spec.nonce == before:
            agreement = replace(agreement, spec=agreement.spec.model_copy(update={"nonce": shown.spec.nonce, "signatures": []}))
        if agreement.hash != shown.hash:
            raise LocalError("The agreement changed while you read it", "Repeat the command, and read it again.")
        for party, seed in seeds.items():
            agreement = _with(agreement, signatures_with(agreement, party, seed, int(time.time())))
        return {"nonce": shown.spec.nonce, "signatures": [s.wire() for s in agreement.spec.signatures]}

    _write(kubectl, shown, signed)


def sign_all(site: Cluster, namespaces: Sequence[str] = ()) -> list[str]:
    """Sign what a party has not signed yet in these namespaces (in all, when none is named), for both parties; return which, as `namespace/name`.

    For those who may read everybody's keys: a demonstration, a test. Signatures that hold are left as they are. Everything is read at once.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        offered, secrets = pool.submit(site.items, KIND), pool.submit(site.items, "secrets", SECRET)
        found = {secret["metadata"]["namespace"]: secret for secret in secrets.result()}
        meant = pool.submit(site.items, PRODUCTS)
        products = {(p["metadata"]["namespace"], p["metadata"]["name"]): p for p in meant.result()}
        wanted = [item for item in offered.result() if not namespaces or item["metadata"]["namespace"] in namespaces]
        agreements = [agreement_of(item, _about(item, products)) for item in wanted]
        return [name for name in pool.map(lambda agreement: _sign_for_both(site, agreement, found), agreements) if name]


def _sign_for_both(site: Cluster, agreement: Agreement, secrets: Mapping[str, Mapping[str, Any]]) -> str:
    """Sign for those parties that have not; return the agreement's name, or nothing when both had."""
    spaces = {party: platform_namespace_of(party) for party in agreement.parties}
    seeds = {p: _seed_in(secrets[space], p) if space in secrets else seed_of(site, p) for p, space in spaces.items()}
    keys = {party: jws.agreement_key(seed) for party, seed in seeds.items()}
    offered = agreement if agreement.spec.nonce is not None else renewed(agreement)
    lacking = {party: seed for party, seed in seeds.items() if not offered.signed_by(party, keys)}
    if not lacking:
        return ""
    if any(s.hash != offered.hash for s in offered.spec.signatures):
        offered, lacking = renewed(offered), seeds
    sign(site, offered, lacking, agreement.spec.nonce)
    return f"{agreement.namespace}/{agreement.name}"


def _about(item: Mapping[str, Any], products: Mapping[tuple[str, str], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the product that an agreement is about, unless its status says what it means: the store may hold a contract that is not the newest."""
    current = (item.get("status") or {}).get("observedGeneration") == item["metadata"].get("generation")
    if current and (item.get("status") or {}).get("meaning"):
        return None
    return products.get((item["metadata"]["namespace"], item["spec"]["product"]["name"]))


def _with(agreement: Agreement, signatures: Sequence[Mapping[str, Any]]) -> Agreement:
    spec = ConsentPolicySpec.model_validate(agreement.spec.wire() | {"signatures": list(signatures)})
    return replace(agreement, spec=spec)
