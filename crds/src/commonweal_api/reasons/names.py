"""Names of conditions and reasons, and what an entry of the register holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class ConditionType(StrEnum):
    """Every condition type. Each kind shows those listed for it in `CONDITIONS_OF`, in that order, which is the order of causes.

    PushdownSafe is shown by products that are read Live, SlaMet by those with an sla, LinkingReady by departments with spec.matching; else they are left out.
    """

    NAMESPACE_READY = "NamespaceReady"
    PLAN_COMPLETE = "PlanComplete"
    STORE_READY = "StoreReady"
    DATA_API_READY = "DataApiReady"
    MODELS_READY = "ModelsReady"
    CONTINUES = "Continues"
    COMPLAINTS_ANSWERED = "ComplaintsAnswered"
    LINKING_READY = "LinkingReady"
    MAPPING_VALID = "MappingValid"
    COMPATIBLE = "Compatible"
    SOURCE_REACHABLE = "SourceReachable"
    PUSHDOWN_SAFE = "PushdownSafe"
    LOADED = "Loaded"
    QUALITY_PASSED = "QualityPassed"
    SLA_MET = "SlaMet"
    SERVING = "Serving"
    PRODUCT_RESOLVED = "ProductResolved"
    FIELDS_PERMITTED = "FieldsPermitted"
    CONSUMER_KNOWN = "ConsumerKnown"
    COUNTER_SIGNED = "CounterSigned"
    IN_FORCE = "InForce"
    ENFORCED = "Enforced"
    DATA_PRODUCTS_READY = "DataProductsReady"
    AGREEMENTS_BOUND = "AgreementsBound"
    CALLERS_AGREED = "CallersAgreed"
    RUNTIME_READY = "RuntimeReady"
    READY = "Ready"


_T = ConditionType
CONDITIONS_OF: dict[str, tuple[ConditionType, ...]] = {
    "Department": (
        _T.NAMESPACE_READY, _T.PLAN_COMPLETE, _T.STORE_READY, _T.DATA_API_READY, _T.MODELS_READY, _T.CONTINUES, _T.COMPLAINTS_ANSWERED,
        _T.LINKING_READY, _T.READY,
    ),
    "DataProduct": (
        _T.MAPPING_VALID, _T.COMPATIBLE, _T.SOURCE_REACHABLE, _T.PUSHDOWN_SAFE, _T.LOADED, _T.QUALITY_PASSED, _T.SLA_MET, _T.SERVING, _T.READY,
    ),
    "ConsentPolicy": (
        _T.PRODUCT_RESOLVED, _T.FIELDS_PERMITTED, _T.CONSUMER_KNOWN, _T.COUNTER_SIGNED, _T.IN_FORCE, _T.ENFORCED, _T.READY,
    ),
    "ModelService": (_T.DATA_PRODUCTS_READY, _T.AGREEMENTS_BOUND, _T.CALLERS_AGREED, _T.RUNTIME_READY, _T.READY),
}  # fmt: skip


class Reason(StrEnum):
    """Every reason that a condition of ours may carry."""

    # every kind
    ALL_READY = "AllReady"
    INVALID_SPEC = "InvalidSpec"
    DEPARTMENT_NOT_READY = "DepartmentNotReady"
    ENDING = "Ending"
    # Department
    NAMESPACE_ACTIVE = "NamespaceActive"
    NAMESPACE_PENDING = "NamespacePending"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    LAYOUT_OUTDATED = "LayoutOutdated"
    NAME_CONFLICT = "NameConflict"
    QUOTA_EXCEEDED = "QuotaExceeded"
    PLAN_COMPLETE = "PlanComplete"
    PLAN_TOO_LARGE = "PlanTooLarge"
    STORE_RUNNING = "StoreRunning"
    STORE_STARTING = "StoreStarting"
    DATA_API_RUNNING = "DataApiRunning"
    DATA_API_STARTING = "DataApiStarting"
    DATA_API_FAILING = "DataApiFailing"
    MODELS_RUNNING = "ModelsRunning"
    MODELS_NOT_NEEDED = "ModelsNotNeeded"
    MODELS_STARTING = "ModelsStarting"
    MODELS_FAILING = "ModelsFailing"
    CONTINUING = "Continuing"
    PARTY_ENDING = "PartyEnding"
    COMPLAINTS_IN_TIME = "ComplaintsInTime"
    COMPLAINTS_OVERDUE = "ComplaintsOverdue"
    LINKING_READY = "LinkingReady"
    LINK_CASES_OPEN = "LinkCasesOpen"
    MATCHING_PRODUCT_UNSUITABLE = "MatchingProductUnsuitable"
    MATCHING_FIELD_UNSUITABLE = "MatchingFieldUnsuitable"
    MAIL_SERVER_MISSING = "MailServerMissing"
    # DataProduct
    MAPPING_VALID = "MappingValid"
    MAPPING_INVALID = "MappingInvalid"
    COMPATIBLE = "Compatible"
    BREAKING_CHANGE = "BreakingChange"
    SOURCE_REACHABLE = "SourceReachable"
    SOURCE_UNSUPPORTED = "SourceUnsupported"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    CREDENTIALS_MISSING = "CredentialsMissing"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    PASSWORD_EXPOSED = "PasswordExposed"  # noqa: S105 - a reason
    SOURCE_UNPROVEN = "SourceUnproven"
    DATABASE_MISSING = "DatabaseMissing"
    TABLE_MISSING = "TableMissing"
    COLUMN_MISSING = "ColumnMissing"
    COLUMN_TYPE_MISMATCH = "ColumnTypeMismatch"
    FILE_MISSING = "FileMissing"
    FILE_UNREADABLE = "FileUnreadable"
    BUCKET_MISSING = "BucketMissing"
    VOLUME_MISSING = "VolumeMissing"
    LOCATION_REFUSED = "LocationRefused"
    ANSWER_REFUSED = "AnswerRefused"
    ADDRESS_REFUSED = "AddressRefused"
    PUSHDOWN_SAFE = "PushdownSafe"
    PUSHDOWN_UNSAFE = "PushdownUnsafe"
    LOADED = "Loaded"
    LOAD_PENDING = "LoadPending"
    LOAD_FAILED = "LoadFailed"
    ROWS_REFUSED = "RowsRefused"
    LOSS_REFUSED = "LossRefused"
    KEYS_CLASH = "KeysClash"
    QUALITY_PASSED = "QualityPassed"
    NO_CHECKS = "NoChecks"
    QUALITY_FAILED = "QualityFailed"
    QUALITY_NOT_RUN = "QualityNotRun"
    QUALITY_PENDING = "QualityPending"
    QUALITY_STOPPED = "QualityStopped"
    SLA_MET = "SlaMet"
    SLA_MISSED = "SlaMissed"
    SLA_PENDING = "SlaPending"
    SERVING = "Serving"
    STORE_PENDING = "StorePending"
    STORE_REFUSED = "StoreRefused"
    # ConsentPolicy
    PRODUCT_RESOLVED = "ProductResolved"
    PRODUCT_NOT_FOUND = "ProductNotFound"
    PRODUCT_NOT_READY = "ProductNotReady"
    VERSION_UNKNOWN = "VersionUnknown"
    FIELDS_PERMITTED = "FieldsPermitted"
    FIELD_NOT_OFFERED = "FieldNotOffered"
    MASK_AND_RAW_TOGETHER = "MaskAndRawTogether"
    LINKAGE_FIELD_UNKNOWN = "LinkageFieldUnknown"
    LINKAGE_NOT_LIVE = "LinkageNotLive"
    PERSON_KEY_GIVEN = "PersonKeyGiven"
    CONSUMER_KNOWN = "ConsumerKnown"
    CONSUMER_NOT_FOUND = "ConsumerNotFound"
    COUNTER_SIGNED = "CounterSigned"
    AWAITING_SIGNATURE = "AwaitingSignature"
    SIGNATURE_INVALID = "SignatureInvalid"
    SIGNED_OTHER_TERMS = "SignedOtherTerms"
    SIGNED_BY_STRANGER = "SignedByStranger"
    PARTY_KEY_UNKNOWN = "PartyKeyUnknown"
    MEANING_CHANGED = "MeaningChanged"
    SIGNED_BEFORE = "SignedBefore"
    REVOKED = "Revoked"
    REVOCATION_INVALID = "RevocationInvalid"
    IN_FORCE = "InForce"
    NOT_YET_IN_FORCE = "NotYetInForce"
    EXPIRED = "Expired"
    ENFORCED = "Enforced"
    DRY_RUN = "DryRun"
    NONCE_ENDED = "NonceEnded"
    NONCE_USED = "NonceUsed"
    LAPSED = "Lapsed"
    # ModelService
    DATA_PRODUCTS_READY = "DataProductsReady"
    AGREEMENTS_BOUND = "AgreementsBound"
    NO_AGREEMENT = "NoAgreement"
    PURPOSE_NOT_AGREED = "PurposeNotAgreed"
    CLIENT_NOT_AGREED = "ClientNotAgreed"
    FIELD_NOT_AGREED = "FieldNotAgreed"
    AGREEMENT_NOT_IN_FORCE = "AgreementNotInForce"
    CALLERS_AGREED = "CallersAgreed"
    CALLER_NOT_AGREED = "CallerNotAgreed"
    RUNTIME_READY = "RuntimeReady"
    RUNTIME_PENDING = "RuntimePending"
    RUNTIME_REFUSED = "RuntimeRefused"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one reason means: the condition types that may carry it besides `Ready`, the status it goes with, a sentence and the remedy.

    The sentence is true of every case in which the reason is given; what is particular to one case is the detail.
    """

    types: tuple[ConditionType, ...]
    status: Literal["True", "False", "Unknown"]
    sentence: str
    remedy: str

    def text(self, detail: str = "") -> str:
        """Return sentence, detail and remedy as one message; empty parts are left out."""
        return " ".join(part for part in (self.sentence, detail, self.remedy) if part)


def yes(type_: ConditionType, sentence: str) -> Entry:
    """Return the entry of a reason that goes with True."""
    return Entry((type_,), "True", sentence, "")


def no(types: ConditionType | tuple[ConditionType, ...], sentence: str, remedy: str) -> Entry:
    """Return the entry of a reason that goes with False."""
    return Entry((types,) if isinstance(types, ConditionType) else types, "False", sentence, remedy)


def wait(types: ConditionType | tuple[ConditionType, ...], sentence: str, remedy: str) -> Entry:
    """Return the entry of a reason that goes with Unknown."""
    return Entry((types,) if isinstance(types, ConditionType) else types, "Unknown", sentence, remedy)


EVERY = tuple(t for t in ConditionType if t is not ConditionType.READY)
