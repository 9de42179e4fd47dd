"""Reasons of the pages about uses, rights, the account and links, in plain words with what to do next; `problems` has those of every page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from commonweal_runtime.portal.languages import mark


class Said(NamedTuple):
    """A heading, what is so, and what to do."""

    title: str
    text: str
    remedy: str


_NO_RECORD = Said(
    mark("We cannot find this record"),
    mark("The body has no such record, or it is not about you."),
    mark("Go back to the list and choose it there."),
)
_NOT_LET = Said(
    mark("You cannot see this here"),
    mark("You act for another person, and they have not let you see this."),
    mark("Ask the person, or stop acting for them."),
)
_NO_LINK = Said(
    mark("This body cannot be added here"),
    mark("It does not let people add it in this way, or not for you."),
    mark("Contact the body. It can look into it."),
)
_LATE = Said(
    mark("This took too long"),
    mark("What the body gave you to go on with is no longer valid. Nothing was changed."),
    mark("Start again from the page of the body."),
)
_OVER = Said(
    mark("You are signed out"),
    mark("Your sign-in is over, or it was ended on another device."),
    mark("Sign in again."),
)
MORE: Mapping[str, Said] = MappingProxyType(
    {
        "NoSuchRecord": _NO_RECORD,
        "NotPermitted": _NOT_LET,
        "ActingElsewhere": Said(
            mark("You act for another person at another body"),
            mark("While you act for them, only that one body is open."),
            mark("Stop acting first, then open this page again."),
        ),
        "ProofBroken": Said(
            mark("This record does not match its seal"),
            mark("It may have been changed after it was written."),
            mark("Complain to the body. It has to explain this."),
        ),
        "NothingToDecide": Said(
            mark("There is nothing to answer here"),
            mark("This agreement does not ask for your yes, or it has ended. Nothing was changed."),
            mark("Read the agreement to see how things stand."),
        ),
        "LinkNotOffered": _NO_LINK,
        "LinkNotPossible": _NO_LINK,
        "NotLinked": Said(
            mark("You have not added this body"),
            mark("It cannot be removed, and it shows nothing about you."),
            mark("Add the body first, if you want to see what it holds."),
        ),
        "LinkEnded": Said(
            mark("Your link to this body has ended"),
            mark("You have removed this body. It shows nothing about you any more."),
            mark("Add the body again, if you want to see what it holds."),
        ),
        "LinkTaken": Said(
            mark("You have added this body before"),
            mark("Your sign-in is linked to another record of this body. Nothing was changed."),
            mark("Remove the body first, or contact it."),
        ),
        "LinkTokenInvalid": _LATE,
        "TicketVoid": _LATE,
        "CodeWrong": Said(
            mark("The code is wrong"),
            mark("It is not the code that the body sent, or it is too old."),
            mark("Look for the newest message. If that fails, start again from the page of the body."),
        ),
        "CodeNotSent": Said(
            mark("The code could not be sent"),
            mark("The body could not send you a code. Nothing was changed."),
            mark("Try again in a few minutes."),
        ),
        "SignInTooWeak": Said(
            mark("You need a stronger sign-in for this body"),
            mark("The body asks for more proof of who you are than your sign-in gives."),
            mark("Sign in again in a stronger way, or contact the body."),
        ),
        "PreferencesChanged": Said(
            mark("Your choices have changed since"),
            mark("They were changed on another device. What you sent was not saved."),
            mark("Load the page again and change it once more."),
        ),
        "SessionEnded": _OVER,
        "invalid_token": _OVER,
        "DepartmentUnknown": Said(
            mark("We do not know this body"),
            mark("There is no public body of this name here. It may have been removed."),
            mark("Choose a body from the list."),
        ),
        "DirectoryMissing": Said(
            mark("The list of public bodies is not ready yet"),
            mark("This service has just been started. Nothing is shared meanwhile."),
            mark("Try again in a minute."),
        ),
    }
)
