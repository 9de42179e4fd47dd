"""What stands in the header of every page of a person who is signed in, in its order. Whoever adds a part of the portal adds its line here."""

from __future__ import annotations

from typing import NamedTuple

from commonweal_runtime.portal.languages import mark


class Item(NamedTuple):
    """One part of the portal: its address, which all of its pages begin with, and what it is called."""

    href: str
    text: str


HOME = "/"
ITEMS = (
    Item(HOME, mark("Home")),
    Item("/bodies", mark("Public bodies")),
    Item("/agreements", mark("Agreements")),
    Item("/uses", mark("Who used it")),
    Item("/receipts", mark("Receipts")),
    Item("/account", mark("Your account")),
)
