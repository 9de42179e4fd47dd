"""An HTTP API as a source: which records are in its answers, how its pages follow each other, and how the store signs in."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import SourceColumn, Strict, cel, check, validations
from commonweal_api.secret_ref import SecretRef

# Without a query and a fragment: those are written in `query`, and a message can show the rest.
ADDRESS_PATTERN = r'^https://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[1-9][0-9]{0,4})?(/[!"$->@-~]{0,300})?$'
HEADER_NAME_PATTERN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
VISIBLE_PATTERN = r"^[!-~]([ -~]*[!-~])?$"
# What a request says by itself, and what would carry a secret into the manifest.
KEPT_HEADERS = (
    "accept-encoding", "authorization", "connection", "content-length", "content-type", "cookie", "expect", "forwarded", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "keep-alive", "proxy-authorization", "proxy-connection", "range", "te", "trailer",
    "transfer-encoding", "upgrade",
)  # fmt: skip

Address = Annotated[str, StringConstraints(pattern=ADDRESS_PATTERN, min_length=9, max_length=560)]
HeaderName = Annotated[str, StringConstraints(pattern=HEADER_NAME_PATTERN, min_length=1, max_length=63)]
Visible = Annotated[str, StringConstraints(pattern=VISIBLE_PATTERN, min_length=1, max_length=300)]
Parameter = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", min_length=1, max_length=63)]


class HttpHeader(Strict):
    name: HeaderName = Field(description="Name of the header.")
    value: Visible = Field(description="Its value; a secret belongs into the Secret, under auth.")


class HttpParameter(Strict):
    name: Parameter = Field(description="Name of the parameter; it is escaped as URLs need it.")
    value: Visible = Field(description="Its value; a secret belongs into the Secret, under auth.")


class PagingBy(StrEnum):
    NEXT_MEMBER = "NextMember"
    LINK_HEADER = "LinkHeader"
    CURSOR = "Cursor"
    PAGE = "Page"
    OFFSET = "Offset"


MEMBER = cel(
    "(self.by in ['NextMember', 'Cursor']) == has(self.member)",
    "spec.source.http.paging.member: name what holds the next page when by is NextMember or Cursor, and leave it out otherwise.",
)
PARAMETER = cel(
    "(self.by in ['Cursor', 'Page', 'Offset']) == has(self.parameter)",
    "spec.source.http.paging.parameter: name the query parameter when by is Cursor, Page or Offset, and leave it out otherwise.",
)
FIRST = cel("self.by == 'Page' || !has(self.first)", "spec.source.http.paging.first: only pages are counted; leave it out.")
SIZE = cel("has(self.size) == has(self.sizeParameter)", "spec.source.http.paging.size: set size and sizeParameter together, or neither.")


class HttpPaging(Strict, json_schema_extra=validations(MEMBER, PARAMETER, FIRST, SIZE)):
    """How the pages follow each other."""

    by: PagingBy = Field(
        description="NextMember: a member of the answer is the next page's URL. LinkHeader: the header Link with rel=next (RFC 8288) is. Cursor: a member"
        " of the answer goes into a query parameter. Page: pages are counted. Offset: records are counted. The last two end at an empty page, or at total."
    )
    member: SourceColumn | None = Field(
        default=None,
        description="JSON pointer or plain name of the answer's member with the next URL or the cursor; none or empty at the end.",
    )
    parameter: Parameter | None = Field(default=None, description="Query parameter of the cursor, of the page's number or of the offset.")
    first: int | None = Field(default=None, strict=True, ge=0, le=1, description="Number of the first page; 1 when left out.")
    size: int | None = Field(default=None, strict=True, ge=1, le=100_000, description="Records that a page is asked for.")
    size_parameter: Parameter | None = Field(default=None, description="Query parameter of the size.")
    total: SourceColumn | None = Field(
        default=None,
        description="JSON pointer or plain name of the answer's member with the number of all records; a load that read another number is not merged.",
    )

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        pointed, asked = self.by in {PagingBy.NEXT_MEMBER, PagingBy.CURSOR}, self.by in {PagingBy.CURSOR, PagingBy.PAGE, PagingBy.OFFSET}
        check(
            (pointed != (self.member is not None), MEMBER),
            (asked != (self.parameter is not None), PARAMETER),
            (self.by is not PagingBy.PAGE and self.first is not None, FIRST),
            ((self.size is None) != (self.size_parameter is None), SIZE),
        )
        return self


class AuthBy(StrEnum):
    BEARER = "Bearer"
    BASIC = "Basic"
    HEADER = "Header"
    CLIENT_CREDENTIALS = "ClientCredentials"


HEADER = cel(
    "(self.by == 'Header') == has(self.header)",
    "spec.source.http.auth.header: name the header that carries the key when by is Header, and leave it out otherwise.",
)
TOKEN_URL = cel(
    "(self.by == 'ClientCredentials') == has(self.tokenUrl)",
    "spec.source.http.auth.tokenUrl: name where tokens are given when by is ClientCredentials, and leave it out otherwise.",
)
SCOPE = cel(
    "self.by == 'ClientCredentials' || !has(self.scope)", "spec.source.http.auth.scope: only ClientCredentials has one; leave it out."
)


class HttpAuth(Strict, json_schema_extra=validations(HEADER, TOKEN_URL, SCOPE)):
    """How the store signs in, with what lies in the Secret."""

    by: AuthBy = Field(
        description="Bearer: the Secret's token. Basic: its username and password. Header: its token, in a header of its own. ClientCredentials: a token"
        " that tokenUrl gives for username and password, which are the client's id and secret (OAuth 2.0, RFC 6749 section 4.4)."
    )
    header: HeaderName | None = Field(default=None, description="Header that carries the token, such as X-API-Key; for Header only.")
    token_url: Address | None = Field(default=None, description="Where tokens are given; for ClientCredentials only.")
    scope: Visible | None = Field(default=None, description="Scope that is asked for; for ClientCredentials only.")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        given = self.by is AuthBy.CLIENT_CREDENTIALS
        check(
            ((self.by is AuthBy.HEADER) != (self.header is not None), HEADER),
            (given != (self.token_url is not None), TOKEN_URL),
            (not given and self.scope is not None, SCOPE),
        )
        return self


AUTH = cel("!has(self.auth) || has(self.credentials)", "spec.source.http.credentials: name the Secret that auth signs in with.")
HEADERS = cel(
    f"!has(self.headers) || self.headers.all(h, !(h.name.lowerAscii() in [{', '.join(map(repr, KEPT_HEADERS))}]))",
    "spec.source.http.headers[].name: a request says this by itself, or it would carry a secret; leave it out, and sign in by auth.",
)


class HttpSource(Strict, json_schema_extra=validations(AUTH, HEADERS)):
    """An HTTP API that answers with JSON. It is asked by GET, over TLS, and its certificate is checked."""

    url: Address = Field(description="URL of the first answer, without a query; all pages are of this host and port.")
    records: SourceColumn | None = Field(
        default=None,
        description="JSON pointer, such as /data/items, or plain name of the list of records; left out: the answer is the list.",
    )
    query: list[HttpParameter] = Field(default_factory=list, max_length=20, description="Query parameters of the first request.")
    headers: list[HttpHeader] = Field(default_factory=list, max_length=20, description="Headers of each request.")
    paging: HttpPaging | None = Field(default=None, description="How the pages follow each other; left out: one answer has everything.")
    auth: HttpAuth | None = Field(default=None, description="How the store signs in; left out: it does not.")
    credentials: SecretRef | None = Field(
        default=None,
        description="A Secret with what auth needs (token, or username and password), and ca.crt where no public authority signs.",
    )
    watermark: SourceColumn | None = Field(
        default=None,
        description="JSON pointer or plain name of a member of each answer that changes whenever a record does; while it stays, nothing is read again.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check(
            (self.auth is not None and self.credentials is None, AUTH),
            (any(h.name.lower() in KEPT_HEADERS for h in self.headers), HEADERS),
        )
        return self
