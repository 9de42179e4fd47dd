"""Take it with you: what every body holds about a person, as one file over all bodies or of one. Nothing is kept here; bodies are asked one after another."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department
from commonweal_runtime.portal.languages import Language, mark
from commonweal_runtime.portal.pages import File, Flow, Page, Result
from commonweal_runtime.portal.problems import said_of
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.asked import asked, one
from commonweal_runtime.portal.visitor import Visitor

SECTION, TAKE = "/account", "/take"
MOST_BYTES = 200 * 2**20  # of all bodies together; one body sends 16 MiB at most
READ_ME = {"en": "READ-ME.txt", "cy": "DARLLENWCH-FI.txt"}


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [
        frame.page(portal, TAKE, take),
        frame.page(portal, "/take/all", take_all),
        frame.page(portal, "/take/{department:str}", take_one),
    ]


async def take(visitor: Visitor) -> Result:
    """Show what can be taken."""
    known = await visitor.reached.departments.all()
    bodies = {name: visitor.language.words(known[name].display_name) for name in await asked(visitor)}
    return Page("take.html", {"bodies": bodies}, section=SECTION, back=SECTION)


async def take_one(visitor: Visitor) -> Result:
    """Give what one body holds. A body that is down is a page that says so, never an empty file."""
    department = await one(visitor)
    found = await visitor.ask(department.name, "GET", "/me/export")
    return File(orjson.dumps(found, option=orjson.OPT_INDENT_2), "application/json", f"{department.name}.json")


async def take_all(visitor: Visitor) -> Result:
    """Give what all bodies hold as one file, which grows while they are asked. A text in it says which did not answer, and why."""
    known = await visitor.reached.departments.all()
    departments = [known[name] for name in await asked(visitor)]
    return Flow(_zipped(visitor, departments), "application/zip", "my-information.zip")


async def _zipped(visitor: Visitor, departments: Sequence[Department]) -> AsyncIterator[bytes]:
    out = _Out()
    left, problems = MOST_BYTES, dict[str, str]()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for department in departments:
            content, reason = await _export(visitor, department, left)
            if content:
                left -= len(content)
                archive.writestr(f"{department.name}.json", content)
            else:
                problems[department.name] = reason
            yield out.taken()
        archive.writestr(READ_ME[visitor.language.code], read_me(departments, problems, visitor.language))
    yield out.taken()


async def _export(visitor: Visitor, department: Department, left: int) -> tuple[bytes, str]:
    """Return what a body holds, or nothing and why."""
    try:
        content = orjson.dumps(await visitor.ask(department.name, "GET", "/me/export"), option=orjson.OPT_INDENT_2)
    except DepartmentAnswerError as error:
        return b"", said_of(error.reason, error.status).title
    except DepartmentSilentError:
        return b"", said_of("Silent", 503).title
    return (content, "") if len(content) <= left else (b"", mark("The file would be too large. Take this body by itself"))


def read_me(departments: Sequence[Department], problems: Mapping[str, str], language: Language) -> str:
    """Return the text that says what is in the file, and what is not."""
    _ = language.gettext
    lines = [_(mark("This file holds what public bodies hold about you. There is one part for each body.")), ""]
    left_out = _(mark("NOT in this file."))
    for department in departments:
        name, problem = language.words(department.display_name).text, problems.get(department.name)
        lines.append(f"- {name}: {left_out} {_(problem)}" if problem else f"- {name}: {department.name}.json")
    lines += ["", _(mark("Keep this file safe. It holds facts about you that not everybody should see."))]
    return "\r\n".join(lines) + "\r\n"


class _Out(io.RawIOBase):
    """Takes what an archive writes, to be sent on piece by piece. It cannot go back, so that the archive writes nothing that it would have to change."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Take a piece."""
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        found = bytes(self._written)
        self._written.clear()
        return found
