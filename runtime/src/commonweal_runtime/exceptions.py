"""Every exception of this package: when it is raised, and who turns it into what. None is defined elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import orjson

from commonweal_api.reasons import Reason

TYPE_BASE = "https://commonweal.dev/problems/"
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(eq=False)
class ProblemError(Exception):
    """One refusal of a request, as problem details of RFC 9457: raise it, and the web application answers with it."""

    status: int
    reason: str
    title: str
    detail: str
    remedy: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE)

    @property
    def type_(self) -> str:
        """The URI of the problem's description."""
        return TYPE_BASE + _WORD.sub("-", self.reason).lower()

    def document(self) -> dict[str, str | int]:
        """Return the members of the problem document."""
        return {
            "type": self.type_,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            "remedy": self.remedy,
        }

    def body(self) -> bytes:
        """Return the problem document as JSON, for `MEDIA_TYPE`."""
        return orjson.dumps(self.document())

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.detail} {self.remedy}"


class CertificateMissingError(Exception):
    """A server has no certificate that it could present, or a store no authority to believe. The process ends with what to do."""


class StoreUnreachableError(Exception):
    """The store does not answer, or every connection is busy for too long. The data API makes a problem of status 503 of it."""


class PasswordExposedError(ConnectionError):
    """A server asked for a password in a way that shows it to whoever answers there; nothing was sent. As an OSError it counts as a server that is away, and a source says so."""

    def __init__(self, asked: str) -> None:
        super().__init__(asked)
        self.asked = asked


class StaleConnectionError(Exception):
    """The store had closed a connection that lay idle. Raised and caught where connections are kept: a new one is opened."""


class KeysUnavailableError(Exception):
    """No key of the issuer has ever been fetched. Whoever checks a token makes a problem of status 503 of it."""


class HeadTooLongError(Exception):
    """The head of a request is longer than allowed. Raised into the parser, which gives up; the connection answers 431 and closes."""


class SignInBusyError(Exception):
    """As many passwords wait to be checked as may. The issuer shows its page again and asks the person to try in a moment."""


class SignInShownError(Exception):
    """Shown to the person, who is sent nowhere: the application or its address is not known, so the address cannot be trusted."""


class AuthorizationError(Exception):
    """Told to the application: at its own address, or as the answer of the token endpoint (RFC 6749)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


class IdentityStoreError(Exception):
    """The issuer's store does not answer, or has no schema yet. The issuer answers 503: no session and no link is assumed meanwhile."""


class ProviderError(Exception):
    """The OpenID provider in front did not answer, or answered what must not be believed; the text is for the log. The issuer shows the person a page."""


class SignInError(Exception):
    """The issuer refused a sign-in; the text is its reason. The demonstration prints it and ends."""


class SignInLaterError(SignInError):
    """The issuer does not know the department yet, or no longer, or its store is away: what it was given takes a minute or so to reach it. The demonstration asks again."""


class InferenceRequestError(Exception):
    """A request for inference cannot be answered; the text names tensor and remedy. The models' application answers 400 with it."""


class SignatureError(Exception):
    """A signed text must not be believed; the text says why and what to do. Verification makes a finding of it; commands print it."""


class ProofError(Exception):
    """A proof does not hold, or cannot be made; the text says why. The data API makes a problem of it; commands print it."""


class UnsealError(Exception):
    """What came is not a question or an answer of a site of this department, or not to what was asked. The feed answers 401, and a page that is not understood counts as silence."""


class FeedError(Exception):
    """Why a site was not heard: a sentence for the log, without data. Caught in the feed, which asks again later."""


class TransferIncompleteError(Exception):
    """What has arrived is not what was sent; the text says where. The program in the pod prints it and ends; the old site goes on."""


class BrokenStreamError(Exception):
    """A stream of frames ended in the middle, or is not one. The program in the pod prints it and ends; `commonweal move` sends again."""


class StoreSchemaError(Exception):
    """The database was made by another release than this one; the text says what to do. Ends the keeper, whose log has it."""


class ReasonedError(Exception):
    """What knows its registered reason and the detail of its message. Raised as one of those below; `store.failures` takes the reason into the report."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class PlanRefusedError(ValueError):
    """An entry of the plan that the store must not carry out; the text says which field and what to do. The report says StoreRefused."""


class MappingInvalidError(PlanRefusedError):
    """An expression, mask or semantic that the store does not carry out; the text names field, construct and remedy. The report says MappingInvalid."""


class ExpressionRefusedError(Exception):
    """What in an expression is refused, and what to write instead. Becomes a MappingInvalidError, which names the field."""


class AgreementClosedError(ReasonedError):
    """Why an agreement stays closed: a registered reason and the detail of its message. Becomes the agreement's outcome in the report."""


class TableBusyError(Exception):
    """A load is changing the product's table. What waits for it is left out of this pass; the plan is carried out again right after the load."""


class SourceReadError(ReasonedError):
    """Why a source cannot be read: a registered reason and its detail, without the source's own text. Becomes the product's outcome in the report."""


class LineTooLongError(Exception):
    """A line of a CSV file, by its number, has no end where one has to be. The file's reader makes a SourceReadError of it that names the file."""

    line = 0


class TooSoonError(SourceReadError):
    """An HTTP API wants to be left alone for longer than a load waits: `seconds`. The reader remembers it for the loads to come, and the load ends."""

    def __init__(self, reason: Reason, detail: str, seconds: float) -> None:
        super().__init__(reason, detail)
        self.seconds = seconds


class PageTooLargeError(Exception):
    """An answer of an HTTP API is larger than may be in memory. The client turns it into a SourceReadError."""


class JsonRefusedError(ValueError):
    """A document is no JSON that can be read as one thing; the text says why, as the end of a sentence, without a value of it. The reader turns it into a SourceReadError."""


class UndividedError(Exception):
    """A source does not say the digests of its blocks; the text says why. Nothing else is wrong with it."""


class SourceChangedError(Exception):
    """The product was changed while its source was being read. The loader begins again with the new shape."""


class FillingEndedError(Exception):
    """A table that is filled by its first load needs its rows compared after all. The load begins again beside the table."""


class ValueMismatchError(ValueError):
    """A value does not fit the declared type. The loader puts the record into quarantine."""


class SignedOutError(Exception):
    """A page of the portal needs a person who is signed in, and nobody is, or no longer. The portal sends them to sign in."""


class FormRefusedError(Exception):
    """A form did not come from a page that the portal gave to this person. The portal shows a page that says so, and does nothing else."""


class DepartmentAnswerError(Exception):
    """A department, or the issuer, refused what the portal asked for a person; `reason` is the problem's. The portal shows the page of that reason."""

    def __init__(self, department: str, status: int, reason: str, retry: int = 0) -> None:
        super().__init__(f"{department}: {status} {reason}")
        self.department, self.status, self.reason, self.retry = department, status, reason, retry


class DepartmentSilentError(Exception):
    """A department, or the issuer, did not answer the portal, or with what cannot be read. The portal says that nothing is known of it for now."""

    def __init__(self, department: str) -> None:
        super().__init__(department)
        self.department = department
