"""What a consumer sends to link its references, and the form of a reference wherever it stands."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from commonweal_runtime.bodies import Body, once

LONGEST_REFERENCE = 200
MOST_LINKS = 1000
FORM = (
    f'Send {{"links": [{{"reference": "<yours>", "token": "<64 hexadecimal digits>"}}]}} with 1 to {MOST_LINKS} links, each reference once.'
)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("printable", "A reference has printable characters only")
    return text


Reference = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_REFERENCE), AfterValidator(_printable)]
Token = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Link(Body):
    """One reference, and the token of the identifier that it stands for."""

    reference: Reference = Field(json_schema_extra={"example": "case-4711"})
    token: Token = Field(json_schema_extra={"example": "0" * 64})


class LinksBody(Body):
    """The links of one request; all are taken, or none."""

    form = FORM

    links: list[Link] = Field(min_length=1, max_length=MOST_LINKS)

    @field_validator("links")
    @classmethod
    def _once(cls, links: list[Link]) -> list[Link]:
        if not once(link.reference for link in links):
            raise PydanticCustomError("twice", "A reference is given twice")
        return links
