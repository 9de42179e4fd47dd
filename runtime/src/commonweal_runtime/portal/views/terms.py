"""What the platform's own words for events, states and acts say to a person; English, marked for the catalogues."""

from __future__ import annotations

from collections.abc import Mapping

from commonweal_runtime.portal.languages import mark
from commonweal_runtime.portal.views.receipt import SAID as ANSWERS

SAID: Mapping[str, str] = {
    **ANSWERS,
    "Revoked": mark("Your yes was ended"),
    "Expired": mark("Your yes came to its end"),
    "Invalidated": mark("Your yes is no longer valid"),
    "Requested": mark("You were asked"),
    "RequestDeferred": mark("You put your answer off"),
    "Complained": mark("You complained"),
    "ComplaintAnswered": mark("Your complaint was answered"),
    "Linked": mark("You were linked to this body"),
    "LinkEnded": mark("Your link to this body ended"),
    "LinkDisputed": mark("You said that your link is wrong"),
    "LinkUnfrozen": mark("Your link to this body is open again"),
    "LinkApproved": mark("The body linked you after a check"),
    "LinkRefused": mark("The body could not link you"),
}
STATES: Mapping[str, str] = {
    "Open": mark("Waiting for an answer"),
    "Answered": mark("Answered"),
    "Upheld": mark("The body agrees with you"),
    "NotUpheld": mark("The body does not agree with you"),
}
TYPES: Mapping[str, str] = {
    "Attorney": mark("Attorney: decides for you, as in a power of attorney"),
    "Adviser": mark("Adviser: a friend, or a person from an advice centre"),
    "Parent": mark("Parent: set up by the body"),
}
ACTS: Mapping[str, str] = {
    "See": mark("See who used your information, and your agreements"),
    "Consent": mark("Say yes or no for you"),
    "Object": mark("Object or complain for you"),
    "Export": mark("See and take along your information itself"),
}


def word_of(table: Mapping[str, str], key: object) -> str:
    """Return the words for a key; the key itself where the platform has a newer one."""
    return table.get(str(key), str(key))
