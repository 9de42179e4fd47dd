"""Signing and checking: the hash is made here from what was read, never taken from what somebody reports."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from commonweal_api import ConsentPolicy, namespace_of, platform_namespace_of
from commonweal_api import agreement_signatures as jws
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.jwk import Jwk
from commonweal_cli.exceptions import KubectlConflictError
from commonweal_cli.kubectl import Kubectl
from commonweal_local.exceptions import LocalError

KIND, SECRET, ATTEMPTS = "consentpolicies.commonweal.dev", "commonweal-signing", 5
AT_ONCE = 4


@dataclass(frozen=True)
class Agreement:
    """One agreement as it was read: `version` is the resourceVersion, empty when it comes from a file."""

    provider: str
    name: str
    spec: ConsentPolicySpec
    status: Mapping[str, Any]
    version: str

    @property
    def namespace(self) -> str:
        """The namespace in which it lies."""
        return namespace_of(self.provider)

    @property
    def hash(self) -> str:
        """What both parties sign."""
        return jws.agreement_hash(self.provider, self.name, self.spec)

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


def agreement_of(manifest: Mapping[str, Any]) -> Agreement:
    """Return the agreement of a manifest. Raises LocalError that names the field."""
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
    return Agreement(provider, policy.metadata.name, policy.spec, manifest.get("status") or {}, str(meta.get("resourceVersion", "")))


def read(kubectl: Kubectl, name: str, namespace: str) -> Agreement:
    """Return an agreement of the cluster."""
    return agreement_of(kubectl.get(KIND, name, namespace))


def seed_of(kubectl: Kubectl, party: str) -> bytes:
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


def published(kubectl: Kubectl, parties: Sequence[str]) -> dict[str, Jwk]:
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
    if party not in agreement.parties:
        raise LocalError(
            f"{party} is no party of this agreement", f"Its parties are {' and '.join(agreement.parties)}; name one with --as."
        )
    others = [s for s in agreement.spec.signatures if s.party != party]
    for other in others:
        if other.hash != agreement.hash:
            raise LocalError(
                f"spec.signatures: {other.party} signed {other.hash}, and these terms are {agreement.hash}",
                "Take spec.signatures out of the ConsentPolicy, then have both sign again.",
            )
    mine = {"party": party, "hash": agreement.hash, "jws": jws.sign(seed, jws.Signed(agreement.hash, party, at))}
    return [*(s.wire() for s in others), mine]


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


def sign(kubectl: Kubectl, shown: Agreement, seeds: Mapping[str, bytes]) -> None:
    """Put the parties' signatures into the agreement of the cluster, again when somebody was faster. Raises LocalError when other terms stand there now."""
    agreement = shown
    for left in reversed(range(ATTEMPTS)):
        if agreement.hash != shown.hash:
            raise LocalError("The agreement changed while you read it", "Repeat the command, and read it again.")
        signed = agreement
        for party, seed in seeds.items():
            signed = _with(signed, signatures_with(signed, party, seed, int(time.time())))
        signatures = [s.wire() for s in signed.spec.signatures]
        patch = {"metadata": {"resourceVersion": agreement.version}, "spec": {"signatures": signatures}}
        try:
            kubectl.patch(KIND, agreement.name, agreement.namespace, patch)
        except KubectlConflictError:
            if not left:
                raise
            agreement = read(kubectl, agreement.name, agreement.namespace)
        else:
            return


def sign_all(site: Kubectl, namespaces: Sequence[str] = ()) -> list[str]:
    """Sign what a party has not signed yet in these namespaces (in all, when none is named), for both parties; return which, as `namespace/name`.

    For those who may read everybody's keys: a demonstration, a test. Signatures that hold are left as they are. Everything is read at once.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        offered, secrets = pool.submit(site.items, KIND), pool.submit(site.items, "secrets", SECRET)
        found = {secret["metadata"]["namespace"]: secret for secret in secrets.result()}
        agreements = [agreement_of(item) for item in offered.result() if not namespaces or item["metadata"]["namespace"] in namespaces]
        return [name for name in pool.map(lambda agreement: _sign_for_both(site, agreement, found), agreements) if name]


def _sign_for_both(site: Kubectl, agreement: Agreement, secrets: Mapping[str, Mapping[str, Any]]) -> str:
    """Sign for those parties that have not; return the agreement's name, or nothing when both had."""
    spaces = {party: platform_namespace_of(party) for party in agreement.parties}
    seeds = {p: _seed_in(secrets[space], p) if space in secrets else seed_of(site, p) for p, space in spaces.items()}
    keys = {party: jws.agreement_key(seed) for party, seed in seeds.items()}
    lacking = {party: seed for party, seed in seeds.items() if not agreement.signed_by(party, keys)}
    if not lacking:
        return ""
    sign(site, agreement, lacking)
    return f"{agreement.namespace}/{agreement.name}"


def _with(agreement: Agreement, signatures: Sequence[Mapping[str, Any]]) -> Agreement:
    spec = ConsentPolicySpec.model_validate(agreement.spec.wire() | {"signatures": list(signatures)})
    return Agreement(agreement.provider, agreement.name, spec, agreement.status, agreement.version)
