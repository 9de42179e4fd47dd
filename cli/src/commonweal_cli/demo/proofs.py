"""The part of the journey in which nobody need be believed: receipts, proofs, the sealed audit, limits, and somebody who acts for the person."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from commonweal_api import namespace_of
from commonweal_cli.agreements import sign_all
from commonweal_cli.audit.command import verify_department
from commonweal_cli.demo.journey import BENEFITS, CHECK, REGISTRY, TAX, Site, expect, poll, trial
from commonweal_cli.demo.report import Row
from commonweal_runtime.audit.proofs import check
from commonweal_runtime.audit.receipts import Receipt
from commonweal_runtime.exceptions import ProofError, SignatureError
from commonweal_runtime.seal_key import KeyRing

CONSENT = "/me/consents/benefits-checks-company"
CENSUS = "tax-authority/count-once"


def keys_of(site: Site) -> KeyRing:
    """Return the public keys that the registry tells everybody."""
    return KeyRing(site.caller(site.apis[REGISTRY]).get("/.well-known/jwks.json").body.get("keys", []))


def receipt(site: Site) -> Iterator[Row]:
    """What a person says is acknowledged with a signature that holds without asking anybody."""
    said = site.me(REGISTRY).call("PUT", CONSENT, {"state": "Given"})
    try:
        words = Receipt.opened(keys_of(site), str(said.body.get("receipt", ""))).words()
        ok, got = words[0].startswith(("Given", "Renewed")), words[0]
    except SignatureError as error:
        ok, got = False, str(error)
    yield expect("the receipt of a consent, checked offline", "the signature holds", said, said.status == 200 and ok, got)


def inclusion(site: Site) -> Iterator[Row]:
    """A use is proven to stand in the sealed audit, as it was sealed, about this person."""
    app, person = site.service(BENEFITS, "benefits-app", REGISTRY), site.subject(REGISTRY)
    read = app.get(f"/v1/companies/subjects/{person}", Purpose=CHECK)
    use = site.me(REGISTRY).get("/me/uses?limit=1").body["items"][0]["id"]
    proof = poll(lambda: site.me(REGISTRY).get(f"/me/uses/{use}/proof"), lambda answer: answer.status == 200, 10)
    try:
        proven = check(proof.body, keys_of(site))
        ok, got = proven.concerns(UUID(person)), f"use {proven.number} under seal {proven.seal.n}"
    except (ProofError, SignatureError) as error:
        ok, got = False, str(error) if proof.status == 200 else proof.brief()
    yield expect("the proof of that use, checked offline", "it lies under a signed seal", proof, read.status == 200 and ok, got)


def whole_audit(site: Site) -> Iterator[Row]:
    """Chain, signatures and every row of the registry's audit hold: what `commonweal audit verify` says."""
    started, said = time.perf_counter(), io.StringIO()
    with redirect_stdout(said):
        code = verify_department(site.cluster, REGISTRY)
    lines = said.getvalue().strip().splitlines()
    took = (time.perf_counter() - started) * 1e3
    yield Row("the registry's whole audit, row by row", "everything as it was sealed", (lines or [""])[0 if code else -1], code == 0, took)


def adviser(site: Site, friend: tuple[str, str]) -> Iterator[Row]:
    """Somebody acts for the person when the person has said so, in what the person named, and no longer."""
    session = site.sign_in.person(*friend, REGISTRY)
    other, person = site.caller(site.apis[REGISTRY], session.access_token), site.subject(REGISTRY)
    behalf = {"On-Behalf-Of": person}
    refused = other.get("/me/uses", **behalf)
    yield expect("another person looks at the person's uses", "403", refused, refused.status == 403)
    until = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
    made = site.me(REGISTRY).call(
        "POST", "/me/delegations", {"delegate": session.subject, "type": "Adviser", "acts": ["See"], "until": until}
    )
    seen = other.get("/me/uses", **behalf)
    yield expect("the person makes them adviser, they look again", "200", seen, made.status in (200, 201) and seen.status == 200)
    acted = other.call("PUT", CONSENT, {"state": "Withdrawn"}, **behalf)
    yield expect("the adviser withdraws a consent, which they may only see", "403", acted, acted.status == 403)
    ended = site.me(REGISTRY).call("DELETE", f"/me/delegations/{made.body.get('id', '')}", None)
    after = other.get("/me/uses", **behalf)
    yield expect("the person ends it, they look again", "403", after, ended.status == 200 and after.status == 403)


def limited(site: Site) -> Iterator[Row]:
    """What an agreement allows once is given once: counted in the database, in the statement that reads."""
    app, path = site.service(TAX, "tax-app", REGISTRY), f"/v1/companies/subjects/{site.subject(REGISTRY)}"
    manifest = once()
    site.cluster.apply_object(manifest)
    try:
        sign_all(site.cluster, [namespace_of(REGISTRY)])
        first = poll(lambda: app.get(path, Purpose=CENSUS), lambda answer: answer.status == 200, 30)
        yield expect("a read that is agreed once for each person", "200", first, first.status == 200)
        again = app.get(path, Purpose=CENSUS)
        yield expect("the same once more", "429 FrequencyLimit", again, again.status == 429 and again.reason == "FrequencyLimit")
    finally:
        site.cluster.delete("consentpolicy", manifest["metadata"]["name"], namespace_of(REGISTRY))


def once() -> dict[str, Any]:
    """Return an agreement under which each person may be read one time."""
    text = "A count in which each person may be looked at one time only, to show that limits hold."
    purpose = {"key": CENSUS, "iri": "dpv:ServiceProvision", "text": text}
    client = {"department": TAX, "clients": ["tax-app"]}
    name = f"count-once-{time.time_ns() // 1_000_000 % 10**9}"
    return trial(name, client, purpose, "sector", datetime(2030, 1, 1, tzinfo=UTC), limits={"once": True})


def export(site: Site) -> Iterator[Row]:
    """The person takes out all that is held about them, and everybody sees how often the registry's data is used."""
    everything = site.me(REGISTRY).get("/me/export")
    held = sorted(k for k, v in everything.body.items() if v)
    yield expect("the person takes out everything held about them", "200", everything, everything.status == 200, ", ".join(held)[:60])
    public = site.caller(site.apis[REGISTRY]).get("/v1/transparency")
    counted = sum(agreement["uses"] for agreement in public.body.get("agreements", []))
    ok = public.status == 200 and counted > 0
    yield expect("anybody sees how often data was used, and by which department", "uses counted", public, ok, f"{counted} uses counted")


def proofs(site: Site, friend: tuple[str, str]) -> Iterator[Row]:
    """Walk through all of it."""
    yield from receipt(site)
    yield from inclusion(site)
    yield from limited(site)
    yield from adviser(site, friend)
    yield from export(site)
    yield from whole_audit(site)
