"""Which bodies a page asks, under which ids, and by which keys what they sign is checked.

While a person acts for another one at a body, pages show that body alone: what is about the one is never shown beside what is about the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError
from commonweal_runtime.portal.departments import Department, Reply
from commonweal_runtime.portal.pages import Page
from commonweal_runtime.portal.visitor import Visitor


async def asked(visitor: Visitor) -> Sequence[str]:
    """Return the bodies that have something about the person: where they act for another one, else all that they are linked to."""
    if visitor.visit.acting is not None:
        return [visitor.visit.acting.department]
    try:
        return await linked(visitor)
    except (
        DepartmentSilentError,
        DepartmentAnswerError,
    ):  # while the issuer's store is away, every body is asked: one without a link has nothing
        return list(await visitor.reached.departments.all())


async def linked(visitor: Visitor) -> Sequence[str]:
    """Return the bodies that the person is linked to, in the order of the directory."""
    found = await visitor.issuer("GET", "/me/links")
    names = {entry["department"] for entry in found["links"] if entry.get("state") == "Linked"}
    return [name for name in await visitor.reached.departments.all() if name in names]


async def one(visitor: Visitor) -> Department:
    """Return the body of the address; DepartmentAnswerError for one that there is not, or where somebody acts for another person elsewhere."""
    name = visitor.params["department"]
    if visitor.visit.acting is not None and visitor.visit.acting.department != name:
        raise DepartmentAnswerError(name, 403, "ActingElsewhere")
    return await visitor.reached.departments.one(name)


async def own(visitor: Visitor, path: str, among: Sequence[str]) -> list[Reply]:
    """Ask bodies about the person themselves, whether or not they act for another one."""
    return await visitor.reached.departments.gather(visitor.session, path, among)


async def person_at(visitor: Visitor, department: str) -> str:
    """Return the id by which a body knows who its answers are about. It is read from our own token for the body, which only the body has to check."""
    acting = visitor.visit.acting
    if acting is not None and acting.department == department:
        return acting.subject
    token = await visitor.reached.tokens.of(visitor.session, department)
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])


async def keys_of(visitor: Visitor, department: Department) -> Sequence[Mapping[str, Any]]:
    """Return a body's public keys: those of the site's directory, which the body does not write itself, else those that it publishes."""
    if department.keys:
        return department.keys
    found = await visitor.reached.departments.public(department.name, "/.well-known/jwks.json")
    keys = found.get("keys") if isinstance(found, dict) else None
    return keys if isinstance(keys, list) else []


def stop_first(visitor: Visitor, back: str) -> Page | None:
    """Return the page that says to stop acting first, for what is about the person alone; None for who acts for themselves."""
    return Page("acting_first.html", {"onward": visitor.path}, section="/account", back=back) if visitor.visit.acting else None
