"""A person at the portal without a screen: signs in at the real issuer, reads pages, and sends forms with the token that their page carries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape

import httpx

from support.portal import PASSWORD, PortalSite

_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')
_TICKET = re.compile(r'name="ticket" value="([^"]+)"')


class Visitor:
    """One person's browser."""

    def __init__(self, site: PortalSite, http: httpx.Client) -> None:
        self.site, self.http = site, http

    def sign_in(self, name: str) -> None:
        """Sign in at the issuer."""
        asked = self.http.get("/sign-in")
        page = self.http.get(asked.headers["location"])
        ticket = _TICKET.search(page.text)
        assert ticket, page.text
        form = {"ticket": unescape(ticket[1]), "username": name, "password": PASSWORD}
        answer = self.http.post(f"{self.site.issuer}/authorize", data=form)
        assert answer.status_code == 303, answer.text
        assert self.http.get(answer.headers["location"]).status_code == 303

    def get(self, path: str, status: int = 200, **headers: str) -> httpx.Response:
        """Return a page."""
        found = self.http.get(path, headers=headers)
        assert found.status_code == status, (path, found.status_code, found.text)
        return found

    def token(self, path: str) -> str:
        """Return the form token of a page."""
        found = _TOKEN.search(self.get(path).text)
        assert found
        return found[1]

    def send(
        self, path: str, fields: Mapping[str, str | list[str]], *, page: str = "", token: str = "", origin: str = ""
    ) -> httpx.Response:
        """Send the form of a page, with its token."""
        form = {**fields, "form_token": token or self.token(page or path)}
        return self.http.post(path, data=form, headers={"Origin": origin or self.site.url})


@contextmanager
def visiting(site: PortalSite, name: str = "") -> Iterator[Visitor]:
    """A person's browser while the block runs; signed in where a name is given."""
    with site.http() as http:
        visitor = Visitor(site, http)
        if name:
            visitor.sign_in(name)
        yield visitor
