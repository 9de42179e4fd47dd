"""The journey from its first step to its last, through a site or through a stack of `commonweal dev`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from commonweal_cli.demo import learning, proofs
from commonweal_cli.demo.journey import STEPS, Site
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.report import Row
from commonweal_cli.demo.web import trust_of
from commonweal_cli.kubectl import Cluster


def walk(cluster: Cluster, issuer: str, password: str, tell: Callable[[Row], None] = lambda _: None) -> list[Row]:
    """Walk the journey and return what happened; people sign in at `issuer`, and `tell` hears of each row at once."""
    people = [(name, password) for name in PEOPLE]
    site = Site(cluster, SignIn(issuer, trust_of(cluster)), *people[0])
    rows = []
    for row in chain(*(step(site) for step in STEPS), proofs.proofs(site, people[1]), learning.decisions(site, people)):
        tell(row)
        rows.append(row)
    return rows


def summary(rows: list[Row]) -> str:
    """Return in one sentence how many rows are as they must be, and which are not."""
    wrong = [row.step for row in rows if not row.ok]
    return f"{len(rows) - len(wrong)} of {len(rows)} as they must be{'; not so: ' + '; '.join(wrong) if wrong else '.'}"
