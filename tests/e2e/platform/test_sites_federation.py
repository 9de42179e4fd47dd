"""One department on two real sites: what a person says at one holds at the other, and a link that is cut closes what rests on consent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from commonweal_cli.demo import bring_up
from commonweal_cli.demo.journey import BENEFITS, CHECK, REGISTER, REGISTRY, TAX, Site, poll
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.web import Answer, trust_of
from commonweal_cli.kubectl import Kubectl
from commonweal_local import sites
from support.waiting import HANG

pytestmark = pytest.mark.sites
STALENESS = 8
CONSENT = "/me/consents/benefits-checks-company"


def site_of(cluster: Kubectl, password: str) -> Site:
    address = cluster.get("services", "identity", bring_up.SYSTEM)["status"]["loadBalancer"]["ingress"][0]["ip"]
    return Site(cluster, SignIn(f"https://{address}", trust_of(cluster)), PEOPLE[2], password)


def amend(cluster: Kubectl, feed: object) -> None:
    patch = [{"op": "add" if feed else "remove", "path": "/spec/consentFeed", **({"value": feed} if feed else {})}]
    cluster.run("patch", "department", REGISTRY, "--type=json", "-p", json.dumps(patch))
    cluster.wait_for(bring_up.KINDS, "Ready", HANG, lambda _: None)


@pytest.fixture(scope="module")
def pair(brought: bring_up.Brought) -> Iterator[tuple[Site, Site]]:
    """The Companies Registry on both sites, each told of both in the same words."""
    here, there = (site_of(cluster, brought.password) for cluster in brought.clusters)
    listed = [{"name": each.cluster.name, "url": each.apis[REGISTRY]} for each in (here, there)]
    feed = {"sites": listed, "maxStalenessSeconds": STALENESS}
    for each in (here, there):
        amend(each.cluster, feed)
    yield here, there
    for each in (here, there):
        amend(each.cluster, None)


def consented(site: Site) -> Answer:
    """Ask for what rests on consent."""
    return site.service(BENEFITS, "benefits-app", REGISTRY).get(f"/v1/companies/subjects/{site.subject(REGISTRY)}", Purpose=CHECK)


def by_law(site: Site) -> Answer:
    """Ask for what rests on a public task."""
    return site.service(TAX, "tax-app", REGISTRY).get(f"/v1/companies/subjects/{site.subject(REGISTRY)}", Purpose=REGISTER)


def test_what_a_person_says_at_one_site_holds_at_the_other_within_the_bound(pair: tuple[Site, Site]) -> None:
    here, there = pair
    assert here.subject(REGISTRY) == there.subject(REGISTRY)
    assert here.me(REGISTRY).call("PUT", CONSENT, {"state": "Given"}).status == 200
    assert poll(lambda: consented(there), lambda answer: answer.status == 200, HANG).status == 200
    assert here.me(REGISTRY).call("PUT", CONSENT, {"state": "Withdrawn"}).status == 200
    said = time.monotonic()
    gone = poll(lambda: consented(there), lambda answer: answer.status == 404, HANG)
    took = time.monotonic() - said
    print(f"withdrawn at {here.cluster.name}, refused at {there.cluster.name} after {took:.2f} s")
    assert gone.status == 404
    assert took < STALENESS


def test_a_cut_link_closes_what_rests_on_consent_and_nothing_else_and_mends_by_itself(pair: tuple[Site, Site]) -> None:
    here, there = pair
    assert there.me(REGISTRY).call("PUT", CONSENT, {"state": "Given"}).status == 200
    for site in pair:
        assert poll(lambda site=site: consented(site), lambda answer: answer.status == 200, HANG).status == 200
    sites.cut(there.cluster.name, between=True)
    try:
        for site in pair:
            closed = poll(lambda site=site: consented(site), lambda answer: answer.status != 200, HANG)
            assert (closed.status, closed.reason) == (503, "ConsentFeedStale")
            assert by_law(site).status == 200
        assert there.me(REGISTRY).call("PUT", CONSENT, {"state": "Withdrawn"}).status == 200
    finally:
        sites.reconnect(there.cluster.name)
    mended = poll(lambda: consented(here), lambda answer: answer.status != 503, HANG)
    assert mended.status == 404, "the withdrawal made during the cut arrives before anything opens again"
    assert here.me(REGISTRY).call("PUT", CONSENT, {"state": "Given"}).status == 200
    assert poll(lambda: consented(there), lambda answer: answer.status == 200, HANG).status == 200
