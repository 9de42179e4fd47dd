"""The lawful bases, and what each leaves to the person: one table, from which rules, refusals and documentation are made.

After the Information Commissioner's table of bases and rights (UK GDPR Articles 6, 17, 20 and 21; the Data (Use and Access) Act 2025 for the last one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class BasisType(StrEnum):
    """The lawful bases of UK GDPR Article 6 that a public body can have."""

    CONSENT = "Consent"
    PUBLIC_TASK = "PublicTask"
    LEGAL_OBLIGATION = "LegalObligation"
    VITAL_INTERESTS = "VitalInterests"
    CONTRACT = "Contract"
    RECOGNISED_LEGITIMATE_INTEREST = "RecognisedLegitimateInterest"


class Interest(StrEnum):
    """The five conditions of a recognised legitimate interest; a department's own tasks are none of them."""

    PUBLIC_TASK_DISCLOSURE = "PublicTaskDisclosure"
    NATIONAL_SECURITY = "NationalSecurity"
    EMERGENCY = "Emergency"
    CRIME = "Crime"
    SAFEGUARDING = "Safeguarding"


class Erasure(StrEnum):
    """When a person may have the copies erased that an agreement left with the consumer."""

    ON_REQUEST = "OnRequest"
    WHEN_ENDED = "WhenEnded"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class Rights:
    """What one basis needs and leaves.

    `grant`: nothing is read before the person has given consent. `objection`: a person's objection closes the record. `most_days`: longest validity of an
    agreement, None for the general five years. `condition`: one of `Interest` must be named. `flagged`: each use is marked for review in the audit. `words`
    and `welsh` are what people are told of it.
    """

    words: str
    welsh: str
    grant: bool
    objection: bool
    erasure: Erasure
    portability: bool
    most_days: int | None = None
    condition: bool = False
    flagged: bool = False


_B, _E = BasisType, Erasure
RIGHTS: Mapping[BasisType, Rights] = MappingProxyType(
    {
        _B.CONSENT: Rights(
            "You choose. Nothing is read before you say yes, and you can change your mind at any time.",
            "Chi sy'n dewis. Ni chaiff dim ei ddarllen cyn i chi gytuno, a gallwch newid eich meddwl ar unrhyw adeg.",
            grant=True,
            objection=True,
            erasure=_E.ON_REQUEST,
            portability=True,
        ),
        _B.PUBLIC_TASK: Rights(
            "The law gives this body a task that needs it. You can object, and your record is then closed to it.",
            "Mae'r gyfraith yn rhoi tasg i'r corff hwn y mae arno angen yr wybodaeth ar ei chyfer. Gallwch wrthwynebu, ac yna bydd eich cofnod ar gau iddo.",
            grant=False,
            objection=True,
            erasure=_E.NONE,
            portability=False,
        ),
        _B.LEGAL_OBLIGATION: Rights(
            "The law says that this must be shared, so there is nothing for you to choose.",
            "Mae'r gyfraith yn dweud bod rhaid rhannu'r wybodaeth hon, felly nid oes dim i chi ei ddewis.",
            grant=False,
            objection=False,
            erasure=_E.NONE,
            portability=False,
        ),
        _B.VITAL_INTERESTS: Rights(
            "It may be read to protect a person's life. This lasts 30 days at most, and each use is marked for review.",
            "Gellir ei darllen i ddiogelu bywyd person. Mae hyn yn para am 30 diwrnod ar y mwyaf, a chaiff pob defnydd ei nodi i'w adolygu.",
            grant=False,
            objection=False,
            erasure=_E.ON_REQUEST,
            portability=False,
            most_days=30,
            flagged=True,
        ),
        _B.CONTRACT: Rights(
            "It is needed for something that you have agreed with this body.",
            "Mae ei hangen ar gyfer rhywbeth yr ydych wedi cytuno arno â'r corff hwn.",
            grant=False,
            objection=False,
            erasure=_E.WHEN_ENDED,
            portability=True,
        ),
        _B.RECOGNISED_LEGITIMATE_INTEREST: Rights(
            "The law allows it for one reason of its own, such as an emergency or a crime. You can object, and your record is then closed to it.",
            "Mae'r gyfraith yn ei ganiatáu am un rheswm penodol, megis argyfwng neu drosedd. Gallwch wrthwynebu, ac yna bydd eich cofnod ar gau i'r corff hwn.",
            grant=False,
            objection=True,
            erasure=_E.ON_REQUEST,
            portability=False,
            condition=True,
        ),
    }
)


def bases(holds: Callable[[Rights], bool]) -> tuple[BasisType, ...]:
    """Return the bases whose rights fulfil `holds`, in the order of the table."""
    return tuple(basis for basis, rights in RIGHTS.items() if holds(rights))
