"""Every SQLSTATE that the store's own SQL raises: the one register, from which doors take their codes and `docs/reference/sqlstates.md` is made.

A code once published keeps its meaning. A refusal carries no data of a person. How it is told to whoever asked is `problems.problem_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

PREFIX = "CW"
UNAVAILABLE = "503 StoreUnavailable"


class SqlState(StrEnum):
    """The codes; PostgreSQL's own never begin with CW."""

    PURPOSE_NOT_AGREED = "CW001"
    CLIENT_NOT_AGREED = "CW002"
    NOT_IN_FORCE = "CW003"
    WRONG_ISOLATION = "CW004"
    FIELD_NOT_AGREED = "CW005"
    SUBJECT_LIMIT = "CW006"
    REQUEST_LIMIT = "CW007"
    CONSENTS_STALE = "CW008"
    QUALITY_STOPPED = "CW009"
    ANSWERS_PENDING = "CW010"
    TICKET_INVALID = "CW011"
    SOURCE_UNAVAILABLE = "CW012"
    DEPARTMENT_MOVING = "CW013"
    DEPARTMENT_MOVED = "CW014"
    SAYING_LIMIT = "CW015"
    LINK_FROZEN = "CW016"
    LINK_ENDED = "CW017"
    INVALID_VALUE = "CW400"
    NOT_PERMITTED = "CW403"
    NOT_FOUND = "CW404"
    NOT_POSSIBLE = "CW409"
    FEED_OF_ANOTHER_SITE = "CW470"
    FEED_RESTARTED = "CW471"
    FEED_INCOMPLETE = "CW472"

    @property
    def label(self) -> str:
        """Its name as pages write it."""
        return "".join(word.capitalize() for word in self.name.split("_"))


@dataclass(frozen=True, slots=True)
class Entry:
    """What one code means, which problems it becomes over HTTP (status and reason), and what helps. Without a problem nobody asked over HTTP."""

    meaning: str
    problems: tuple[str, ...]
    remedy: str


def ours(state: str | None) -> SqlState | None:
    """Return the code as one of ours, or None for PostgreSQL's own."""
    return SqlState(state) if state in _KNOWN else None


_KNOWN = frozenset(SqlState)
REGISTER: Mapping[SqlState, Entry] = MappingProxyType({
    SqlState.PURPOSE_NOT_AGREED: Entry(
        "A read names no purpose of the agreement.",
        ("403 PurposeNotAgreed",),
        "Send one of `spec.purposes`, or have yours added to the agreement.",
    ),
    SqlState.CLIENT_NOT_AGREED: Entry(
        "A read names a client that the agreement does not list.",
        ("403 NoAgreement",),
        "Have the client added to `spec.consumer.clients`.",
    ),
    SqlState.NOT_IN_FORCE: Entry(
        "The agreement has not begun, or has ended.",
        ("403 AgreementExpired",),
        "Have `spec.validity` of the agreement changed.",
    ),
    SqlState.WRONG_ISOLATION: Entry(
        "A transaction other than READ COMMITTED: its snapshot could be older than a withdrawal.",
        (UNAVAILABLE,),
        "Read in READ COMMITTED, as the data API does.",
    ),
    SqlState.FIELD_NOT_AGREED: Entry(
        "A read asks for a field that the agreement does not list.",
        ("403 FieldNotAgreed",),
        "Ask for fields of `spec.fields` only, or have the field added.",
    ),
    SqlState.SUBJECT_LIMIT: Entry(
        "A person's record was read as often as agreed (`spec.limits.perSubject`, `once`). The message is the seconds to wait; 0: waiting does not help.",
        ("429 FrequencyLimit",),
        "Use what was read, or wait as long as `Retry-After` says.",
    ),
    SqlState.REQUEST_LIMIT: Entry(
        "The agreement's requests, or its new links of a day, are used up (`spec.limits.requests`). The message is the seconds to wait.",
        ("429 RateLimit",),
        "Wait as long as `Retry-After` says.",
    ),
    SqlState.CONSENTS_STALE: Entry(
        "What people said at another site has not come for longer than `maxStalenessSeconds`.",
        ("503 ConsentFeedStale",),
        "Try again later; the platform team looks at the link between the sites.",
    ),
    SqlState.QUALITY_STOPPED: Entry(
        "A quality check with `onFail: StopServing` failed, or could not run.",
        ("503 QualityStopped",),
        "The product's owner looks at `QualityPassed` of the DataProduct.",
    ),
    SqlState.ANSWERS_PENDING: Entry(
        "Answers that depend on the day are not all renewed for today yet.",
        ("503 AnswersPending",),
        "Try again in a few seconds.",
    ),
    SqlState.TICKET_INVALID: Entry(
        "A ticket that does not exist, is another agreement's, was issued in this transaction, was used before, or is older than five seconds.",
        (UNAVAILABLE,),
        "Ask again: the ticket of a Strict product holds once.",
    ),
    SqlState.SOURCE_UNAVAILABLE: Entry(
        "The source of a Live product does not answer in time, or answers with an error, whose text is not passed on.",
        ("503 SourceUnavailable",),
        "Try again in a few seconds; the product's owner looks at `SourceReachable` of the DataProduct.",
    ),
    SqlState.DEPARTMENT_MOVING: Entry(
        "The department is moving to another site: what people say is taken, nothing is read.",
        ("503 DepartmentMoving",),
        "Try again in a few seconds.",
    ),
    SqlState.DEPARTMENT_MOVED: Entry(
        "The department lives at another site. The message is the address of its data API there.",
        ("421 DepartmentMoved",),
        "Send the request to the address in `Location`, with a token of that site.",
    ),
    SqlState.SAYING_LIMIT: Entry(
        "A person's consent to one agreement was given, or an objection lifted, a hundred times within a day, or a hundred delegations or ten complaints of a person were made."
        " The message is the seconds to wait. Withdrawing, objecting and ending are always taken.",
        ("429 SayingLimit",),
        "Wait as long as `Retry-After` says; whatever closes can be said at any time.",
    ),
    SqlState.LINK_FROZEN: Entry(
        "The link between a sign-in and a record is disputed, so nothing is shown or taken under it.",
        ("403 LinkFrozen",),
        "Wait for the department's registrar, who decides under `/v1/cases`.",
    ),
    SqlState.LINK_ENDED: Entry(
        "The link between a sign-in and a record has been ended.",
        ("403 LinkEnded",),
        "Sign in again, and link the sign-in again with `POST /me/link`.",
    ),
    SqlState.INVALID_VALUE: Entry(
        "A value that is not valid; the message names it and says what to write.",
        ("400 InvalidRequest",),
        "Send what the message says.",
    ),
    SqlState.NOT_PERMITTED: Entry(
        "No delegation in force covers it, or the client is no registrar of the department.",
        ("403 NotDelegated", "403 NotRegistrar", "403 NotPermitted"),
        "Have the person delegate it, or the client added to `spec.registrars` of the Department.",
    ),
    SqlState.NOT_FOUND: Entry(
        "There is no such agreement in force, product, delegation, use, event or complaint, or the agreement has no linkage.",
        ("404 NotFound", "404 NoSuchRecord", "403 LinkageNotAgreed"),
        "Take names and ids from `/me/consents`, `/me/delegations`, `/me/uses`; have `spec.linkage` added to the agreement.",
    ),
    SqlState.NOT_POSSIBLE: Entry(
        "The basis, or the state that something is in, leaves nothing to decide; the message says which.",
        ("409 NothingToDecide", "409 DelegationNotPossible", "409 ErasureNotPossible"),
        "See the agreement's state under `/me/consents`; the department's contact is in `/openapi.json`.",
    ),
    SqlState.FEED_OF_ANOTHER_SITE: Entry(
        "A page of consents is of another site than the one that was asked.",
        (),
        "Correct `spec.consentFeed.sites`: each name goes with that site's own url.",
    ),
    SqlState.FEED_RESTARTED: Entry(
        "The other site's list begins again, for its store was made again, and the page does not start at its beginning.",
        (),
        "Nothing: the keeper reads the list from its beginning.",
    ),
    SqlState.FEED_INCOMPLETE: Entry(
        "A page of consents does not continue where the last one ended.",
        (),
        "Nothing: the keeper asks again from where it stands. If it stays so, compare the clocks and versions of both sites.",
    ),
})  # fmt: skip


def sqlstates_page() -> str:
    """Return the reference page of the register."""
    rows = (
        f"| `{state}` | {state.label} | {entry.meaning} | {', '.join(entry.problems) or '-'} | {entry.remedy} |"
        for state, entry in REGISTER.items()
    )
    return "\n".join([
        "<!-- Made by `python -m commonweal_runtime.generate`; change the register, not this page. -->",
        "",
        "# SQLSTATEs of the store",
        "",
        "What the store's own SQL raises: the doors of agreements, the functions of people, registrars and consumers, and the consent feed.",
        "The register is `commonweal_runtime.store.sqlstates`. Over HTTP a refusal is a problem (RFC 9457) with status and reason;",
        f"any code that is not listed is PostgreSQL's own and becomes {UNAVAILABLE}, without its text, which can hold data.",
        "",
        "| SQLSTATE | name | meaning | HTTP | remedy |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ])  # fmt: skip
