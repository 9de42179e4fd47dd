"""What may be open in a department's store: a list that always fits, and that is carried out before anything else.

The plan says all that a store shall hold, so it is large, and it can be late, unreadable or left out. What is taken away must not wait for it: an agreement
that is not listed here, or is listed with other terms, is closed at once, whatever the plan says. The list alone opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.negotiation import Digest
from commonweal_api.plan import StorePlan
from commonweal_api.signatures import digest

STORE_CLOSINGS, CLOSINGS_KEY = "commonweal-store-closings", "closings.json"
MOST_OPEN = 1000  # as many agreements as spec.quota.objects of a Department can allow
Uid = Annotated[str, StringConstraints(max_length=64)]


class StoreClosings(BaseModel):
    """By the uid of each agreement that may be open, the digest of its terms. What is not in it is closed.

    A member that this release does not know is passed over: a newer operator must be able to close what an older keeper has opened.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    open: Mapping[Uid, Digest] = Field(default_factory=dict, max_length=MOST_OPEN)

    def admits(self, uid: str, spec: ConsentPolicySpec) -> bool:
        """Return whether the agreement may be open with these terms."""
        return self.open.get(uid) == digest_of_terms(spec)


def digest_of_terms(spec: ConsentPolicySpec) -> str:
    """Return the digest of what an agreement says, without its signatures.

    Defaults are left out of it: a field that a later release adds must not close what was agreed before. Of an agreement without a nonce the end is
    left out too: the store ends it earlier than it says, and its signatures forbid a later one.
    """
    left_out: dict[str, Any] = {"signatures": True} | ({"validity": {"until"}} if spec.nonce is None else {})
    return digest(spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=left_out))


def closings_of(plan: StorePlan) -> StoreClosings:
    """Return the list of all that the plan opens; a dry run opens nothing. Of more than `MOST_OPEN` the last by name stay closed."""
    opened = sorted((a for a in plan.agreements if not a.dry_run), key=lambda a: a.name)
    return StoreClosings(open={a.uid: digest_of_terms(a.spec) for a in opened[:MOST_OPEN]})


def understood(text: str) -> StoreClosings:
    """Return the list that a text holds; one that cannot be read, or is missing, opens nothing."""
    try:
        return StoreClosings.model_validate_json(text)
    except ValidationError:
        return StoreClosings()


def without_closed(plan: StorePlan, closings: StoreClosings) -> StorePlan:
    """Return the plan without the agreements that may not be open; a dry run stays, for it opens nothing."""
    return plan.model_copy(update={"agreements": [a for a in plan.agreements if a.dry_run or closings.admits(a.uid, a.spec)]})
