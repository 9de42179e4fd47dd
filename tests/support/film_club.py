"""A department with real data at one site of two: members and ratings of MovieLens-100k, a model, and an agreement by consent."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonweal_api import namespace_of
from commonweal_api.plan import audience_of
from commonweal_cli.demo import bring_up
from commonweal_cli.demo.heritage import HeritageMachine
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.web import Answer, Caller, trust_of
from commonweal_cli.kubectl import Kubectl
from commonweal_local import paths
from commonweal_runtime.models.sources import TIMEOUT
from support import movielens
from support.waiting import HANG, wait_for

CLUB, DATABASE = "film-club", "filmclub"
MANIFESTS = Path(__file__).parent / "film_club.yaml"
MODEL = "/v1/models/recommend"
READ_SECONDS = TIMEOUT.total or 0.0  # as long the model waits for what it may know of a person
# Six people of the demonstration are members of the club, so that they can sign in and say something.
MEMBERS = "".join(
    f"update {table} set user_ref = 'P00000{n}' where user_ref = '{n}';" for n in range(1, 7) for table in ("person", "rating")
)


async def fill(heritage: HeritageMachine) -> None:
    """Give the heritage machine the club's old database."""
    async with heritage.connection("postgres") as admin:
        if await admin.fetchval("select true from pg_database where datname = $1", DATABASE):
            return
        await admin.execute(f"create database {DATABASE}")
    async with heritage.connection(DATABASE) as connection:
        await movielens.load(connection, movielens.wheel(paths.cache() / "wheels"))
        await connection.execute(MEMBERS)


@dataclass
class Club:
    """The department as those who use it meet it, at one site."""

    cluster: Kubectl
    password: str
    people: dict[int, Caller] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """The data API's base."""
        return str(self.cluster.get("departments", CLUB)["status"]["dataApi"])

    def client(self, account: str, purpose: str) -> Caller:
        """Return a service of the club."""
        return Caller(
            self.api,
            self.cluster.token(namespace_of(CLUB), account, audience_of(CLUB)),
            {"Purpose": f"{CLUB}/{purpose}"},
            trust_of(self.cluster),
        )

    def model(self) -> Caller:
        """Return the research service, at the model."""
        token = self.cluster.token(namespace_of(CLUB), "research", audience_of(CLUB))
        return Caller(self.cluster.get("departments", CLUB)["status"]["models"], token, trust=trust_of(self.cluster))

    def members(self) -> list[str]:
        """Return every member's id, page by page."""
        research, found, after = self.client("research", "replay"), list[str](), ""
        while True:
            page = research.get(f"/v1/people/subjects?limit=1000{after}").body
            found += [item["subject"] for item in page["items"]]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    def ratings(self, members: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Return what these members thought of films, read under the agreement, one read each."""
        research = self.client("research", "replay")
        return {one: list(research.get(f"/v1/ratings/subjects/{one}").body["records"]) for one in members}

    def replay(self, offers: Iterable[movielens.Offer], name: str) -> list[float]:
        """Ask the model which film first, and reward it with what the person really thought. The same name gives the same choices to the same model."""
        model, rewards = self.model(), list[float]()
        for number, offer in enumerate(offers):
            actions = [{"id": film.item, "features": film.features} for film in offer.films]
            ranked = in_time(model, f"{name}-{number}", {"subjects": {CLUB: offer.subject}, "actions": actions})
            value = float(next(film.liked for film in offer.films if film.item == ranked["action"]))
            rewarded = model.call("POST", f"{MODEL}/reward", {"eventId": ranked["eventId"], "value": value}).body
            assert rewarded["learned"], dict(rewarded)
            rewards.append(value)
        return rewards

    def signed_in(self, number: int) -> Any:
        """Return the session of a person of the demonstration."""
        address = self.cluster.get("services", "identity", bring_up.SYSTEM)["status"]["loadBalancer"]["ingress"][0]["ip"]
        return SignIn(f"https://{address}", trust_of(self.cluster)).person(PEOPLE[number], self.password, CLUB)

    def me(self, number: int) -> Caller:
        """Return a person at the data API."""
        if number not in self.people:
            self.people[number] = Caller(self.api, self.signed_in(number).access_token, trust=trust_of(self.cluster))
        return self.people[number]

    def says(self, number: int, state: str) -> Answer:
        """Have a person decide about the newsletter."""
        return self.me(number).call("PUT", "/me/consents/newsletter-knows-people", {"state": state})

    def newsletter(self, subject: str) -> Answer:
        """Read by consent."""
        return self.client("newsletter", "newsletter").get(f"/v1/people/subjects/{subject}")

    def uses(self, number: int) -> set[int]:
        """Return the numbers of all uses that a person is shown, page by page."""
        found: set[int] = set()
        before = ""
        while True:
            page = self.me(number).get(f"/me/uses?limit=100{before}").body
            found |= {int(use["id"]) for use in page["items"]}
            if page["next"] is None:
                return found
            before = f"&before={page['next']}"


def in_time(model: Caller, event: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the model's choice for somebody whom it may know.

    Only one whom the model waited for in vain is answered as nobody in particular; a service then asks again, and the choice is another event.
    """
    tries = itertools.count()

    def asked_once() -> Mapping[str, Any] | None:
        ranked = model.call("POST", f"{MODEL}/rank", {"eventId": f"{event}-{next(tries)}", **asked})
        assert ranked.status == 200, dict(ranked.body)
        late = ranked.milliseconds >= 1000 * READ_SECONDS
        assert late or not ranked.body["baseline"], dict(ranked.body)
        return None if ranked.body["baseline"] else ranked.body

    return wait_for(f"a choice for {event} with what may be known", asked_once)


def found(brought: bring_up.Brought) -> tuple[Club, Club]:
    """Found the club at the first site, and return it there and at the second site, which is without it."""
    asyncio.run(fill(brought.heritage))
    here, there = (Club(cluster, brought.password) for cluster in brought.clusters)
    department, *rest = MANIFESTS.read_text().split("\n---\n")
    here.cluster.run("apply", "-f", "-", stdin=department)
    here.cluster.wait_for(("departments",), "NamespaceReady", HANG, lambda _: None)
    here.cluster.run("apply", "-f", "-", stdin="\n---\n".join(rest))
    bring_up.sign(here.cluster, lambda _: None, [namespace_of(CLUB)])
    here.cluster.wait_for(bring_up.KINDS, "Ready", HANG, lambda _: None)
    return here, there
