"""A department with real data at one site of two: members and ratings of MovieLens-100k, a model, and an agreement by consent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonweal_api import namespace_of
from commonweal_api.plan import audience_of
from commonweal_local import paths
from commonweal_local.demo import bring_up
from commonweal_local.demo.cluster import Cluster
from commonweal_local.demo.heritage import HeritageMachine
from commonweal_local.demo.person import SignIn
from commonweal_local.demo.web import Answer, Caller
from support import movielens

CLUB, DATABASE = "film-club", "filmclub"
MANIFESTS = Path(__file__).parents[1] / "e2e" / "manifests"
PATIENCE = 300.0
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
        schema = movielens.SCHEMA.replace("create role archive_reader", "create role club_reader").replace(
            "to archive_reader", "to club_reader"
        )
        await movielens.load(connection, movielens.wheel(paths.cache() / "wheels"), schema)
        await connection.execute(MEMBERS)


def manifests() -> list[str]:
    """The film archive under another name, and an agreement by consent: the Department first."""
    text = (MANIFESTS / "movielens.yaml").read_text() + "\n---\n" + (MANIFESTS / "film-club.yaml").read_text()
    for was, now in (
        ("film-archive", CLUB),
        ("movielens", DATABASE),
        ("archive_reader", "club_reader"),
        ("Film Archive,", "Film Club, registrars: [research],"),
    ):
        text = text.replace(was, now)
    return text.split("\n---\n")


@dataclass
class Club:
    """The department as those who use it meet it, at one site."""

    cluster: Cluster
    password: str
    people: dict[int, Caller] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """The data API's base."""
        return str(self.cluster.one("departments", CLUB)["status"]["dataApi"])

    def client(self, account: str, purpose: str) -> Caller:
        """Return a service of the club."""
        return Caller(self.api, self.cluster.token(namespace_of(CLUB), account, audience_of(CLUB)), {"Purpose": f"{CLUB}/{purpose}"})

    def model(self) -> Caller:
        """Return the research service, at the model."""
        token = self.cluster.token(namespace_of(CLUB), "research", audience_of(CLUB))
        return Caller(self.cluster.one("departments", CLUB)["status"]["models"], token)

    def signed_in(self, number: int) -> Any:
        """Return the session of a person of the demonstration."""
        address = self.cluster.one("services", "identity", bring_up.SYSTEM)["status"]["loadBalancer"]["ingress"][0]["ip"]
        return SignIn(f"http://{address}").person(bring_up.PEOPLE[number], self.password, CLUB)

    def me(self, number: int) -> Caller:
        """Return a person at the data API."""
        if number not in self.people:
            self.people[number] = Caller(self.api, self.signed_in(number).access_token)
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


def found(brought: bring_up.Brought) -> tuple[Club, Club]:
    """Found the club at the first site, and return it there and at the second site, which is without it."""
    asyncio.run(fill(brought.heritage))
    here, there = (Club(cluster, brought.password) for cluster in brought.clusters)
    department, *rest = manifests()
    here.cluster.run("apply", "-f", "-", stdin=department)
    here.cluster.wait_for(("departments",), "NamespaceReady", PATIENCE, lambda _: None)
    here.cluster.run("apply", "-f", "-", stdin="\n---\n".join(rest))
    here.cluster.sign(namespace_of(CLUB))
    here.cluster.wait_for(bring_up.KINDS, "Ready", PATIENCE, lambda _: None)
    return here, there
