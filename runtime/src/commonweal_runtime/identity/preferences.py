"""How a person may be contacted. Kept beside the issuer, which alone knows an account at several departments; sealed, like all that is kept of an account."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Literal, NamedTuple
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator

from commonweal_runtime.bodies import Body, parse
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.stored import Store
from commonweal_runtime.identity.vault import Vault
from commonweal_runtime.problems import invalid_request

MOST_DAYS = 366
_Time = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Channels(Body):
    """Ways to reach a person."""

    email: bool
    text: bool
    letter: bool
    app: bool


class QuietHours(Body):
    """When not to; over midnight where `to` is earlier than `from`. Local time at the department."""

    begins: _Time = Field(alias="from")
    ends: _Time = Field(alias="to")


class Topics(Body):
    """What about."""

    deadlines: bool
    offers: bool
    changes: bool


class Preferences(Body):
    """All of it; a PUT replaces all of it."""

    form: ClassVar[str] = "Send all members, as GET /me/preferences answers them."

    channels: Channels
    language: Literal["en", "cy"]
    quiet_hours: QuietHours | None
    topics: Topics
    paused_until: date | None

    @field_validator("quiet_hours")
    @classmethod
    def _some_time(cls, hours: QuietHours | None) -> QuietHours | None:
        if hours is not None and hours.begins == hours.ends:
            raise ValueError("from and to must differ; send null for no quiet hours")
        return hours


DEFAULT = Preferences(
    channels=Channels(email=True, text=False, letter=True, app=False),
    language="en",
    quietHours=None,
    topics=Topics(deadlines=True, offers=False, changes=True),
    pausedUntil=None,
)


class Kept(NamedTuple):
    """Preferences as JSON, with their version; 0 are the defaults, which nobody has changed."""

    body: bytes
    version: int

    @property
    def etag(self) -> str:
        """The version as HTTP names it."""
        return f'"{self.version}"'


class PreferenceBook:
    """The preferences of all accounts. Without If-Match the last one who writes wins; with it, a change made meanwhile is not lost."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store, self._vault, self._clock = store, vault, clock

    async def of(self, account: UUID) -> Kept:
        """Return an account's preferences."""
        found = await self._store.preferences(account)
        text = None if found is None else self._vault.open(found[1], "preferences", account)
        return Kept(_json(DEFAULT), 0) if found is None else Kept(text.encode() if text is not None else _json(DEFAULT), found[0])

    async def put(self, account: UUID, body: bytes, if_match: str | None) -> Kept:
        """Keep them; raises the ProblemError that names what is wrong, or of status 412 where they are not what the caller saw."""
        wanted, today = parse(Preferences, body), datetime.fromtimestamp(self._clock(), UTC).date()
        if wanted.paused_until is not None and not 0 <= (wanted.paused_until - today).days <= MOST_DAYS:
            raise invalid_request(
                "pausedUntil: it is past, or more than a year away.", "Send a day from today to a year from now, or null."
            )
        text = _json(wanted)
        sealed = self._vault.seal(text.decode(), "preferences", account)
        version = await self._store.put_preferences(account, sealed, _expected(if_match))
        if version is None:
            raise _changed_meanwhile()
        return Kept(text, version)


def _json(preferences: Preferences) -> bytes:
    return preferences.model_dump_json(by_alias=True).encode()


def _expected(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    number = if_match.removeprefix('"').removesuffix('"')
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 18 else -1


def _changed_meanwhile() -> ProblemError:
    return ProblemError(
        412,
        "PreferencesChanged",
        "Changed meanwhile",
        "The preferences are not those of the If-Match header.",
        "Read them again, then send what is to be kept with the new ETag.",
    )
