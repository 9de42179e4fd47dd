"""Who asks for a page, with what a view may do for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_runtime.exceptions import FormRefusedError, SignedOutError
from commonweal_runtime.portal.departments import Departments, Reply
from commonweal_runtime.portal.issuer import Issuer, Tokens
from commonweal_runtime.portal.languages import Language
from commonweal_runtime.portal.visits import Cookies, Session, Visit


@dataclass(frozen=True, slots=True)
class Reached:
    """What the portal reaches: the issuer, people's tokens, and the departments."""

    issuer: Issuer
    tokens: Tokens
    departments: Departments


@dataclass
class Visitor:
    """One request. A view may replace `visit`: what it holds then is kept by the browser."""

    reached: Reached
    visit: Visit
    language: Language
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    cookies: Cookies

    def wrap(self, text: str) -> str:
        """Return a text as a page may carry it to its next form, sealed for this person."""
        return self.cookies.wrap(self.visit, text)

    def unwrap(self, wrapped: str) -> str:
        """Return the text that a form brings back; FormRefusedError for what was not given to this person a while ago."""
        text = self.cookies.unwrap(self.visit, wrapped)
        if text is None:
            raise FormRefusedError
        return text

    @property
    def session(self) -> Session:
        """Who is signed in; SignedOutError when nobody is."""
        if self.visit.session is None:
            raise SignedOutError
        return self.visit.session

    async def ask(self, department: str, method: str, path: str, **more: Any) -> Any:
        """Ask one department for the person, or for whom they act there. Raises DepartmentAnswerError, DepartmentSilentError or SignedOutError."""
        return await self.reached.departments.ask(self.session, department, method, path, self.visit.acting, **more)

    async def gather(self, path: str, among: Sequence[str] | None = None) -> list[Reply]:
        """Ask all departments side by side, or those named. While the person acts for another one, all are the one where that holds: the two never mix."""
        if among is None and self.visit.acting is not None:
            among = [self.visit.acting.department]
        return await self.reached.departments.gather(self.session, path, among, self.visit.acting)

    async def issuer(self, method: str, path: str, **more: Any) -> Any:
        """Ask the issuer's own API for the person."""
        return await self.reached.issuer.ask(self.session, method, path, **more)
