"""The data APIs of all departments of the site, asked for a person: side by side, each within a deadline, so that one that is slow or down holds up no page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError, SignedOutError
from commonweal_runtime.portal.connection import Answer, Connection, moved_to, refusal
from commonweal_runtime.portal.issuer import Issuer, Tokens
from commonweal_runtime.portal.visits import Acting, Session

DIRECTORY_SECONDS = 30.0
LATE_SECONDS = 30.0  # how long an answer that came too late for its page waits for the next one
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Department:
    """A department as the directory has it."""

    name: str
    display_name: Any
    contact: str
    data_api: str
    models: str = ""
    keys: Sequence[Mapping[str, Any]] = ()


class State(StrEnum):
    """How a department answered."""

    ANSWERED = "answered"
    SLOW = "slow"
    DOWN = "down"
    REFUSED = "refused"
    SIGNED_OUT = "signed out"


@dataclass(frozen=True, slots=True)
class Reply:
    """What one department answered to a question to all. `value` is there if it answered, `reason` if it refused."""

    department: Department
    state: State
    value: Any = None
    reason: str = ""


@dataclass
class _Late:
    task: asyncio.Task[Any]
    since: float = field(default=0.0)


class Departments:
    """All departments of the site."""

    def __init__(self, connection: Connection, issuer: Issuer, tokens: Tokens, *, deadline: float, clock: Callable[[], float]) -> None:
        self._connection, self._issuer, self._tokens, self._deadline, self._clock = connection, issuer, tokens, deadline, clock
        self._directory: tuple[float, str, Mapping[str, Department]] | None = None
        self._late: dict[_Key, _Late] = {}
        self._moved: dict[str, str] = {}

    async def all(self) -> Mapping[str, Department]:
        """Return the departments by name. While the issuer is away, those that it named last; DepartmentSilentError if it never did."""
        now, held = self._clock(), self._directory
        if held is not None and now - held[0] < DIRECTORY_SECONDS:
            return held[2]
        try:
            answer = await self._issuer.directory(held[1] if held else "")
            if answer.status == 200:
                held = now, answer.headers.get("etag", ""), read_directory(answer.json("issuer"))
        except (DepartmentSilentError, DepartmentAnswerError):
            if held is None:
                raise
        if held is None:
            raise DepartmentSilentError("issuer")
        self._directory = now, held[1], held[2]
        return held[2]

    async def one(self, name: str) -> Department:
        """Return the department called so; DepartmentAnswerError if the directory has none."""
        found = (await self.all()).get(name)
        if found is None:
            raise DepartmentAnswerError(name, 404, "NoSuchDepartment")
        return found

    async def public(self, name: str, path: str, **more: Any) -> Any:
        """Return the JSON of an address that everybody may ask."""
        department = await self.one(name)
        return self._read(department, await self._call(department, "GET", path, {}, **more))

    async def ask(self, session: Session, name: str, method: str, path: str, acting: Acting | None = None, **more: Any) -> Any:
        """Return the JSON that a department answers a person. What was late of it is forgotten if this may change it."""
        department = await self.one(name)
        if method != "GET":
            self.forget(session, name)
        return await self._asked(session, department, method, path, acting, **more)

    async def gather(
        self, session: Session | None, path: str, among: Sequence[str] | None = None, acting: Acting | None = None
    ) -> list[Reply]:
        """Ask all departments, or those named, in the order of the directory; none is waited for longer than the deadline.

        What comes later is kept for a moment and given to the next page that asks the same, so that reloading fills it in.
        """
        found = [d for d in (await self.all()).values() if among is None or d.name in among]
        keys = {d.name: _key(session, d, path, acting) for d in found}
        tasks = {d.name: self._task(session, d, path, acting) for d in found}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=self._deadline)
        replies = [self._reply(keys[d.name], d, tasks[d.name]) for d in found]
        if any(reply.state is State.SIGNED_OUT for reply in replies):
            raise SignedOutError
        return replies

    def forget(self, session: Session, name: str) -> None:
        """Forget what came late from a department: it may have changed."""
        for key in [key for key in self._late if key[:2] == (session.holder, name)]:
            self._late.pop(key).task.cancel()

    # ----------------------------------------------------------------------------------------------------------------

    def _task(self, session: Session | None, department: Department, path: str, acting: Acting | None) -> asyncio.Task[Any]:
        self._sweep()
        late = self._late.get(_key(session, department, path, acting))
        if late is not None:
            return late.task
        return asyncio.create_task(self._asked(session, department, "GET", path, acting))

    def _reply(self, key: _Key, department: Department, task: asyncio.Task[Any]) -> Reply:
        if not task.done():
            self._late.setdefault(key, _Late(task, self._clock()))
            return Reply(department, State.SLOW)
        self._late.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or isinstance(error, DepartmentSilentError):
            return Reply(department, State.DOWN)
        if isinstance(error, DepartmentAnswerError):
            return Reply(department, State.DOWN if error.status >= 500 else State.REFUSED, reason=error.reason)
        if isinstance(error, SignedOutError):
            return Reply(department, State.SIGNED_OUT)
        return Reply(department, State.ANSWERED, value=task.result())

    def _sweep(self) -> None:
        now = self._clock()
        for key in [key for key, late in self._late.items() if now - late.since > LATE_SECONDS]:
            task = self._late.pop(key).task
            task.cancel()
            if task.done() and not task.cancelled():
                task.exception()  # looked at, so that nothing is said of it

    async def _asked(
        self, session: Session | None, department: Department, method: str, path: str, acting: Acting | None = None, **more: Any
    ) -> Any:
        headers = {}
        if session is not None:
            headers["Authorization"] = f"Bearer {await self._tokens.of(session, department.name)}"
        if acting is not None and acting.department == department.name:
            headers["On-Behalf-Of"] = acting.subject
        answer = await self._call(department, method, path, headers, **more)
        if answer.status == 401 and session is not None:
            self._tokens.forget_at(session, department.name)
        return self._read(department, answer)

    async def _call(self, department: Department, method: str, path: str, headers: Mapping[str, str], **more: Any) -> Answer:
        """Ask a department; one that has moved is asked once more where it says that it lives now."""
        base = self._moved.get(department.data_api, department.data_api)
        answer = await self._connection.ask(department.name, method, f"{base}{path}", headers=headers, **more)
        onward = moved_to(answer, path)
        if onward is None:
            return answer
        self._moved[department.data_api] = onward.removesuffix(path)
        return await self._connection.ask(department.name, method, onward, headers=headers, **more)

    @staticmethod
    def _read(department: Department, answer: Answer) -> Any:
        if answer.status >= 300:
            raise refusal(department.name, answer)
        return answer.json(department.name)


def read_directory(document: Any) -> dict[str, Department]:
    """Return the departments of a directory by name; what is no department of one is left out."""
    listed = document.get("departments", []) if isinstance(document, dict) else []
    found = {}
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("name"), str) and isinstance(entry.get("dataApi"), str):
            found[entry["name"]] = Department(
                entry["name"],
                entry.get("displayName") or entry["name"],
                str(entry.get("contact") or ""),
                entry["dataApi"].rstrip("/"),
                str(entry.get("models") or ""),
                tuple(entry.get("keys") or ()),
            )
    return found


def _key(session: Session | None, department: Department, path: str, acting: Acting | None) -> _Key:
    about = acting.subject if acting is not None and acting.department == department.name else ""
    return session.holder if session is not None else "", department.name, f"{about} {path}"
