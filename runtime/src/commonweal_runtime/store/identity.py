"""Under which uids this store knows the objects of its plan: those of the site where it was made, however often it has moved since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commonweal_api.closings import StoreClosings
from commonweal_api.plan import Outcome, StorePlan
from commonweal_runtime.store.versions import MARK


@dataclass(frozen=True, slots=True)
class Identities:
    """`known` maps the uid of an object at this site to the one under which the store has it. An object that is not in it is known by its own."""

    known: Mapping[str, str] = field(default_factory=dict)

    def plan(self, plan: StorePlan) -> StorePlan:
        """Return the plan in the store's uids."""
        return plan.model_copy(
            update={
                "products": [p.model_copy(update={"uid": self.known.get(p.uid, p.uid)}) for p in plan.products],
                "agreements": [a.model_copy(update={"uid": self.known.get(a.uid, a.uid)}) for a in plan.agreements],
            }
        )

    def closings(self, closings: StoreClosings) -> StoreClosings:
        """Return the list of what may be open in the store's uids."""
        return StoreClosings(open={self.known.get(uid, uid): terms for uid, terms in closings.open.items()})

    def outcomes(self, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """Return outcomes in the site's uids, earlier versions of products included."""
        here = {known: uid for uid, known in self.known.items()}

        def told(outcome: Outcome) -> Outcome:
            uid, mark, major = outcome.uid.partition(MARK)
            return outcome.model_copy(update={"uid": f"{here.get(uid, uid)}{mark}{major}"})

        return {name: told(outcome) for name, outcome in outcomes.items()}


async def identities(connection: Any) -> Identities:
    """Read them; empty in a store that has never moved."""
    return Identities({row["here"]: row["known"] for row in await connection.fetch("select here, known from move.identity")})
