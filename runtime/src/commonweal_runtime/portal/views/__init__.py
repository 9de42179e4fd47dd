"""The pages, by what they are about. Each module returns its routes; a new one joins the list here."""

from __future__ import annotations

from typing import Any

from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views import (
    account,
    adding,
    agreements,
    answering,
    bodies,
    checking,
    complaints,
    erasing,
    people,
    receipt,
    receipts,
    register,
    start,
    taking,
    uses,
)

MODULES = (
    start,
    bodies,
    adding,
    agreements,
    answering,
    receipt,
    uses,
    checking,
    receipts,
    account,
    people,
    taking,
    erasing,
    complaints,
    register,
)


def routes(portal: Portal) -> list[Any]:
    """Return the routes of all pages."""
    return [route for module in MODULES for route in module.routes(portal)]
