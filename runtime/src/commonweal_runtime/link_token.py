"""The link token: a department's word to the people's issuer that whoever is signed in there is the person of one of its records.

It is signed with the department's seal key, which its data API publishes, and names the sign-in by the two ids that the issuer made for this department:
`for` the one under which it was asked, and `sid` the session. So it is of no use to another sign-in, in another session, or at another department.
"""

from __future__ import annotations

import uuid
from uuid import UUID

from commonweal_api.people_issuer import IDENTITY
from commonweal_api.plan import audience_of
from commonweal_runtime.seal_key import SealKey

LINK = "link+jwt"
SECONDS = 300


def signed(department: str, subject: UUID, asking: UUID, session: str, now: float, key: SealKey) -> str:
    """Return a link token that is good for five minutes from `now`; no two are the same."""
    claims = {
        "iss": audience_of(department),
        "aud": IDENTITY,
        "sub": str(subject),
        "for": str(asking),
        "sid": session,
        "jti": str(uuid.uuid4()),
        "iat": int(now),
        "exp": int(now) + SECONDS,
    }
    return key.sign(LINK, claims)
