"""The journey through one site: what must be possible, what must be refused, and what the person sees of it.

Each step returns rows of the table; nothing here knows how a site was made.
"""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from commonweal_api import namespace_of
from commonweal_api.plan import audience_of
from commonweal_cli.agreements import sign_all
from commonweal_cli.demo.person import SignIn
from commonweal_cli.demo.report import Row
from commonweal_cli.demo.web import Answer, Caller, trust_of
from commonweal_cli.kubectl import Cluster

REGISTRY, TAX, BENEFITS = "companies-registry", "tax-authority", "benefits-department"
CHECK = "benefits-department/check-self-employment"
ONCE = "benefits-department/one-off-check"
REGISTER = "tax-authority/register-business"
INCOME = "benefits-department/check-income"


@dataclass
class Site:
    """A site to walk through, and the person who walks."""

    cluster: Cluster
    sign_in: SignIn
    username: str
    password: str

    def __post_init__(self) -> None:
        departments = {d["metadata"]["name"]: d["status"] for d in self.cluster.items("departments")}
        self.apis = {name: status["dataApi"] for name, status in departments.items()}
        self.trust = trust_of(self.cluster)
        self._callers: dict[tuple[str, str, str], Caller] = {}
        self._people: dict[str, Caller] = {}

    def caller(self, base: str, token: str | None = None) -> Caller:
        """Return who asks at `base` and trusts the authority that the site trusts."""
        return Caller(base, token, trust=self.trust)

    def service(self, department: str, client: str, provider: str) -> Caller:
        """Return the caller that is a service of `department` and asks `provider`'s data API."""
        key = (department, client, provider)
        if key not in self._callers:
            token = self.cluster.token(namespace_of(department), client, audience_of(provider))
            self._callers[key] = self.caller(self.apis[provider], token)
        return self._callers[key]

    def me(self, provider: str) -> Caller:
        """Return the caller that is the person, signed in for `provider`."""
        if provider not in self._people:
            session = self.sign_in.person(self.username, self.password, provider)
            self._people[provider] = self.caller(self.apis[provider], session.access_token)
        return self._people[provider]

    def subject(self, provider: str, username: str | None = None, password: str | None = None) -> str:
        """Return the pairwise id under which `provider` knows the person."""
        return self.sign_in.person(username or self.username, password or self.password, provider).subject


def expect(step: str, expected: str, answer: Answer, ok: bool, got: str | None = None) -> Row:
    """Return the row of one HTTP call."""
    return Row(step, expected, got or answer.brief(), ok, answer.milliseconds)


def consented_read(site: Site) -> Iterator[Row]:
    """Nothing without consent; after it, exactly the agreed fields."""
    app, person = site.service(BENEFITS, "benefits-app", REGISTRY), site.subject(REGISTRY)
    path = f"/v1/companies/subjects/{person}"
    site.me(REGISTRY).call("PUT", "/me/consents/benefits-checks-company", {"state": "Withdrawn"})
    before = app.get(path, Purpose=CHECK)
    yield expect("Benefits reads a person who has not consented", "404", before, before.status == 404)
    absent = app.get(f"/v1/companies/subjects/{uuid.UUID(int=uuid.uuid4().int)}", Purpose=CHECK)
    same = absent.status == before.status and absent.body == before.body
    yield expect("Benefits reads a person who does not exist", "the same answer", absent, same)
    given = site.me(REGISTRY).call("PUT", "/me/consents/benefits-checks-company", {"state": "Given"})
    yield expect("the person consents", "200", given, given.status == 200)
    read = app.get(path, Purpose=CHECK)
    fields = sorted(read.body.get("record", {}))
    yield expect(
        "Benefits reads the consenting person",
        "exactly the agreed fields",
        read,
        fields == ["companyName", "trading"],
        ", ".join(fields) or read.brief(),
    )


def refusals(site: Site) -> Iterator[Row]:
    """What no agreement covers is refused, with a reason."""
    app, path = site.service(BENEFITS, "benefits-app", REGISTRY), f"/v1/companies/subjects/{site.subject(REGISTRY)}"
    for step, caller, query, purpose, reason in (
        ("a field that is not in the agreement", app, "?fields=companyName,postcode", CHECK, "FieldNotAgreed"),
        ("another purpose than agreed", app, "", "benefits-department/marketing", "PurposeNotAgreed"),
        ("no purpose at all", app, "", None, "PurposeMissing"),
        ("another department's purpose", site.service(TAX, "tax-app", REGISTRY), "", CHECK, "PurposeNotAgreed"),
        ("a department without an agreement", site.service(REGISTRY, "default", TAX), "", INCOME, "NoAgreement"),
        ("no token", site.caller(site.apis[REGISTRY]), "", CHECK, "TokenMissing"),
    ):
        where = path if caller.base == site.apis[REGISTRY] else f"/v1/registrations/subjects/{site.subject(TAX)}"
        answer = caller.get(where + query, **({} if purpose is None else {"Purpose": purpose}))
        status = 401 if reason == "TokenMissing" else 403
        yield expect(step, f"{status} {reason}", answer, answer.status == status and answer.reason == reason)


def other_bases(site: Site) -> Iterator[Row]:
    """A public task needs no consent but honours an objection; a legal obligation leaves none."""
    app, path = site.service(TAX, "tax-app", REGISTRY), f"/v1/companies/subjects/{site.subject(REGISTRY)}"
    site.me(REGISTRY).call("PUT", "/me/objections/tax-registers-business", {"state": "Lifted"})
    read = app.get(path, Purpose=REGISTER)
    yield expect("Tax reads for its public task, no consent needed", "200", read, read.status == 200)
    objected = site.me(REGISTRY).call("PUT", "/me/objections/tax-registers-business", {"state": "Objected"})
    closed = app.get(path, Purpose=REGISTER)
    yield expect("the person objects, Tax reads again", "404", closed, objected.status == 200 and closed.status == 404)
    site.me(REGISTRY).call("PUT", "/me/objections/tax-registers-business", {"state": "Lifted"})
    refused = site.me(TAX).call("PUT", "/me/objections/benefits-checks-income", {"state": "Objected"})
    yield expect(
        "the person objects to a legal obligation", "refused with a reason", refused, 400 <= refused.status < 500 and bool(refused.reason)
    )
    law = site.service(BENEFITS, "benefits-app", TAX).get(f"/v1/registrations/subjects/{site.subject(TAX)}", Purpose=INCOME)
    yield expect(
        "Benefits reads under a legal obligation", "exactly turnoverBand", law, list(law.body.get("record", {})) == ["turnoverBand"]
    )
    many = site.service(TAX, "tax-app", BENEFITS).get(
        f"/v1/claims/subjects/{site.subject(BENEFITS)}", Purpose="tax-authority/assess-credit"
    )
    yield expect("Tax reads a person's claims", "several records", many, many.status == 200 and len(many.body.get("records", [])) > 0)


def withdrawal(site: Site) -> Iterator[Row]:
    """The read after a withdrawal's answer is refused."""
    app, path = site.service(BENEFITS, "benefits-app", REGISTRY), f"/v1/companies/subjects/{site.subject(REGISTRY)}"
    open_ = app.get(path, Purpose=CHECK)
    gone = site.me(REGISTRY).call("PUT", "/me/consents/benefits-checks-company", {"state": "Withdrawn"})
    yield expect("the person withdraws the consent", "200", gone, open_.status == 200 and gone.status == 200)
    after = app.get(path, Purpose=CHECK)
    yield expect("the very next read", "404", after, after.status == 404)


def short_agreement(until: datetime) -> dict[str, Any]:
    """Return an agreement that runs out at `until`."""
    text = "A check that is allowed for a few seconds only, to show that agreements end."
    purpose = {"key": ONCE, "iri": "dpv:IdentityVerification", "text": text}
    client = {"department": BENEFITS, "clients": ["benefits-app"]}
    return trial(f"one-off-check-{until:%H%M%S}", client, purpose, "status", until)


def trial(name: str, consumer: dict[str, Any], purpose: dict[str, str], field: str, until: datetime, **more: Any) -> dict[str, Any]:
    """Return an agreement of this demonstration on one field of the registry's companies; `more` are further members of its spec."""
    return {
        "apiVersion": "commonweal.dev/v1alpha1", "kind": "ConsentPolicy",
        "metadata": {"name": name, "namespace": namespace_of(REGISTRY)},
        "spec": {
            "product": {"name": "companies"}, "consumer": consumer, "purposes": [purpose], "fields": [field],
            "basis": {"type": "PublicTask", "legalPower": "An example power for this demonstration"}, "subjects": {"objection": "Honoured"},
            "validity": {"from": "2026-01-01T00:00:00Z", "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}, **more,
        },
    }  # fmt: skip


def expiry(site: Site, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Row]:
    """An agreement ends by the database's clock, whoever is asleep."""
    app, path = site.service(BENEFITS, "benefits-app", REGISTRY), f"/v1/companies/subjects/{site.subject(REGISTRY)}"
    until = now().replace(microsecond=0) + timedelta(seconds=15)
    manifest = short_agreement(until)
    site.cluster.apply_object(manifest)
    try:
        offered = app.get(path, Purpose=ONCE)
        yield expect("an agreement that the consumer has not signed", "403 PurposeNotAgreed", offered, offered.reason == "PurposeNotAgreed")
        sign_all(site.cluster, [namespace_of(REGISTRY)])
        read = poll(lambda: app.get(path, Purpose=ONCE), lambda answer: answer.status == 200, until.timestamp() - now().timestamp() - 0.5)
        yield expect("an agreement of a few seconds is read", "200", read, read.status == 200)
        late = poll(lambda: app.get(path, Purpose=ONCE), lambda answer: answer.status != 200, 18)
        ok = late.status == 403 and late.reason == "AgreementExpired" and now() >= until
        yield expect("the same after it ran out", "403 AgreementExpired", late, ok)
    finally:
        site.cluster.delete("consentpolicy", manifest["metadata"]["name"], namespace_of(REGISTRY))


def poll(ask: Callable[[], Answer], done: Callable[[Answer], bool], seconds: float) -> Answer:
    """Ask until `done` or the time is over; return the last answer. Nobody there is an answer to wait out, too, until the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        try:
            answer = ask()
            if late or done(answer):
                return answer
        except (OSError, http.client.HTTPException):
            if late:
                raise
        time.sleep(0.1)


def uses(site: Site) -> Iterator[Row]:
    """The person's list shows each read, also the one made just now."""
    before = site.me(REGISTRY).get("/me/uses")
    app = site.service(TAX, "tax-app", REGISTRY)
    read = app.get(f"/v1/companies/subjects/{site.subject(REGISTRY)}", Purpose=REGISTER)
    after = site.me(REGISTRY).get("/me/uses")
    new = [u for u in after.body["items"] if u not in before.body["items"]]
    purpose = new[0]["purpose"]["key"] if new else ""
    ok = read.status == 200 and len(new) == 1 and purpose == REGISTER
    got = f"the newest: by {new[0]['consumer']} for {purpose}" if new else "nothing new"
    yield expect("the person looks at the list of uses", "each read, at once", after, ok, got)


STEPS: tuple[Callable[[Site], Iterator[Row]], ...] = (consented_read, refusals, other_bases, withdrawal, expiry, uses)
