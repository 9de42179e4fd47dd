"""The stable reasons of conditions: what each says, where it stands, and what to do.

A reason once published keeps its meaning; scripts and dashboards match on it. Operator, keeper and model runtime write no reason that is not
here, and `docs/reference/reasons.md` is made from this table. `Ready` is True with `AllReady`; otherwise it carries status, reason and message of the
first condition that is not True, so that one column answers «why does it not work?».
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class ConditionType(StrEnum):
    """Every condition type. Each kind shows those listed for it in `CONDITIONS_OF`, in that order, which is the order of causes."""

    NAMESPACE_READY = "NamespaceReady"
    STORE_READY = "StoreReady"
    DATA_API_READY = "DataApiReady"
    MODELS_READY = "ModelsReady"
    SOURCE_REACHABLE = "SourceReachable"
    LOADED = "Loaded"
    SERVING = "Serving"
    PRODUCT_RESOLVED = "ProductResolved"
    FIELDS_PERMITTED = "FieldsPermitted"
    CONSUMER_KNOWN = "ConsumerKnown"
    IN_FORCE = "InForce"
    ENFORCED = "Enforced"
    DATA_PRODUCTS_READY = "DataProductsReady"
    AGREEMENTS_BOUND = "AgreementsBound"
    RUNTIME_READY = "RuntimeReady"
    READY = "Ready"


_T = ConditionType
CONDITIONS_OF: dict[str, tuple[ConditionType, ...]] = {
    "Department": (_T.NAMESPACE_READY, _T.STORE_READY, _T.DATA_API_READY, _T.MODELS_READY, _T.READY),
    "DataProduct": (_T.SOURCE_REACHABLE, _T.LOADED, _T.SERVING, _T.READY),
    "ConsentPolicy": (_T.PRODUCT_RESOLVED, _T.FIELDS_PERMITTED, _T.CONSUMER_KNOWN, _T.IN_FORCE, _T.ENFORCED, _T.READY),
    "ModelService": (_T.DATA_PRODUCTS_READY, _T.AGREEMENTS_BOUND, _T.RUNTIME_READY, _T.READY),
}


class Reason(StrEnum):
    """Every reason that a condition of ours may carry."""

    # every kind
    ALL_READY = "AllReady"
    INVALID_SPEC = "InvalidSpec"
    DELETING = "Deleting"
    DEPARTMENT_NOT_READY = "DepartmentNotReady"
    # Department
    NAMESPACE_ACTIVE = "NamespaceActive"
    NAMESPACE_PENDING = "NamespacePending"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    NAME_CONFLICT = "NameConflict"
    QUOTA_EXCEEDED = "QuotaExceeded"
    STORE_RUNNING = "StoreRunning"
    STORE_STARTING = "StoreStarting"
    STORE_FAILING = "StoreFailing"
    DATA_API_RUNNING = "DataApiRunning"
    DATA_API_STARTING = "DataApiStarting"
    DATA_API_FAILING = "DataApiFailing"
    MODELS_RUNNING = "ModelsRunning"
    MODELS_STARTING = "ModelsStarting"
    MODELS_FAILING = "ModelsFailing"
    # DataProduct
    SOURCE_REACHABLE = "SourceReachable"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    CREDENTIALS_MISSING = "CredentialsMissing"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    DATABASE_MISSING = "DatabaseMissing"
    TABLE_MISSING = "TableMissing"
    COLUMN_MISSING = "ColumnMissing"
    COLUMN_TYPE_MISMATCH = "ColumnTypeMismatch"
    LOADED = "Loaded"
    LOAD_PENDING = "LoadPending"
    LOAD_FAILED = "LoadFailed"
    ROWS_REFUSED = "RowsRefused"
    SERVING = "Serving"
    STORE_PENDING = "StorePending"
    STORE_REFUSED = "StoreRefused"
    # ConsentPolicy
    PRODUCT_RESOLVED = "ProductResolved"
    PRODUCT_NOT_FOUND = "ProductNotFound"
    PRODUCT_NOT_READY = "ProductNotReady"
    FIELDS_PERMITTED = "FieldsPermitted"
    FIELD_NOT_OFFERED = "FieldNotOffered"
    MASK_AND_RAW_TOGETHER = "MaskAndRawTogether"
    CONSUMER_KNOWN = "ConsumerKnown"
    CONSUMER_NOT_FOUND = "ConsumerNotFound"
    IN_FORCE = "InForce"
    NOT_YET_IN_FORCE = "NotYetInForce"
    EXPIRED = "Expired"
    ENFORCED = "Enforced"
    # ModelService
    DATA_PRODUCTS_READY = "DataProductsReady"
    AGREEMENTS_BOUND = "AgreementsBound"
    NO_AGREEMENT = "NoAgreement"
    PURPOSE_NOT_AGREED = "PurposeNotAgreed"
    CLIENT_NOT_AGREED = "ClientNotAgreed"
    FIELD_NOT_AGREED = "FieldNotAgreed"
    AGREEMENT_NOT_IN_FORCE = "AgreementNotInForce"
    RUNTIME_READY = "RuntimeReady"
    RUNTIME_PENDING = "RuntimePending"
    RUNTIME_REFUSED = "RuntimeRefused"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one reason means: the condition types that may carry it besides `Ready`, the status it goes with, a sentence and the remedy."""

    types: tuple[ConditionType, ...]
    status: Literal["True", "False", "Unknown"]
    sentence: str
    remedy: str

    def text(self, detail: str = "") -> str:
        """Return sentence, detail and remedy as one message; empty parts are left out."""
        return " ".join(part for part in (self.sentence, detail, self.remedy) if part)


def _yes(type_: ConditionType, sentence: str) -> Entry:
    return Entry((type_,), "True", sentence, "")


def _no(types: ConditionType | tuple[ConditionType, ...], sentence: str, remedy: str) -> Entry:
    return Entry((types,) if isinstance(types, ConditionType) else types, "False", sentence, remedy)


def _wait(types: ConditionType | tuple[ConditionType, ...], sentence: str, remedy: str) -> Entry:
    return Entry((types,) if isinstance(types, ConditionType) else types, "Unknown", sentence, remedy)


_EVERY = tuple(t for t in ConditionType if t is not ConditionType.READY)
_R = Reason

REASONS: dict[Reason, Entry] = {
    _R.ALL_READY: _yes(_T.READY, "Everything that it needs is in place and it works."),
    _R.INVALID_SPEC: _no(
        _EVERY,
        "The stored object breaks a rule of the API, so nothing is done with it and access is closed.",
        "Correct the field that the message names and apply it again.",
    ),
    _R.DELETING: _no(
        _EVERY, "It is being deleted; access is closed already.", "Wait until it is gone; what blocks it is named in the message."
    ),
    _R.DEPARTMENT_NOT_READY: _wait(
        _EVERY,
        "The department that this object belongs to is not ready.",
        "See `kubectl describe department`, and correct that first.",
    ),
    # Department
    _R.NAMESPACE_ACTIVE: _yes(_T.NAMESPACE_READY, "The namespace, its quota, its access rules and its network policies are in place."),
    _R.NAMESPACE_PENDING: _wait(
        _T.NAMESPACE_READY, "The namespace is being made.", "Wait; if it stays so, see the operator's log for what the API server answers."
    ),
    _R.NAMESPACE_TERMINATING: _no(
        _T.NAMESPACE_READY,
        "The namespace is being deleted, so nothing can be made in it.",
        "Wait until it is gone (`kubectl get namespace` shows what remains); it is then made anew.",
    ),
    _R.NAME_CONFLICT: _no(
        _T.NAMESPACE_READY,
        "A namespace of this name exists and does not belong to Commonweal; it is left alone.",
        "Rename the department (metadata.name), or move what is in that namespace and delete it.",
    ),
    _R.QUOTA_EXCEEDED: _no(
        (_T.STORE_READY, _T.DATA_API_READY, _T.MODELS_READY),
        "The department's quota leaves no room for its own pods.",
        "Raise spec.quota of the Department, or remove what uses it up.",
    ),
    _R.STORE_RUNNING: _yes(_T.STORE_READY, "The department's PostgreSQL answers and its keeper has carried out the plan."),
    _R.STORE_STARTING: _wait(_T.STORE_READY, "The department's PostgreSQL is starting.", "Wait; the message names the pod and its state."),
    _R.STORE_FAILING: _no(
        _T.STORE_READY,
        "The department's PostgreSQL or its keeper does not stay up.",
        "See `kubectl logs store-0 --all-containers` in the department's namespace.",
    ),
    _R.DATA_API_RUNNING: _yes(_T.DATA_API_READY, "The data API answers."),
    _R.DATA_API_STARTING: _wait(_T.DATA_API_READY, "The data API is starting.", "Wait; the message names the pod and its state."),
    _R.DATA_API_FAILING: _no(
        _T.DATA_API_READY, "The data API does not stay up.", "See `kubectl logs deployment/data-api` in the department's namespace."
    ),
    _R.MODELS_RUNNING: _yes(_T.MODELS_READY, "The model runtime answers."),
    _R.MODELS_STARTING: _wait(_T.MODELS_READY, "The model runtime is starting.", "Wait; the message names the pod and its state."),
    _R.MODELS_FAILING: _no(
        _T.MODELS_READY, "The model runtime does not stay up.", "See `kubectl logs deployment/models` in the department's namespace."
    ),
    # DataProduct
    _R.SOURCE_REACHABLE: _yes(_T.SOURCE_REACHABLE, "The source answers and has the table and every column that spec.fields names."),
    _R.SOURCE_UNREACHABLE: _no(
        _T.SOURCE_REACHABLE,
        "The source does not answer.",
        "Check spec.source.postgres.host and port, and that the network lets the department's store reach it.",
    ),
    _R.CREDENTIALS_MISSING: _no(
        _T.SOURCE_REACHABLE,
        "The Secret with the source's login is missing, or lacks a key.",
        "Create the Secret that spec.source.postgres.credentials.name names, with the keys username and password.",
    ),
    _R.CREDENTIALS_REFUSED: _no(
        _T.SOURCE_REACHABLE,
        "The source refuses the login.",
        "Correct username and password in the Secret that spec.source.postgres.credentials.name names, and let that login read the table.",
    ),
    _R.DATABASE_MISSING: _no(
        _T.SOURCE_REACHABLE, "The source has no such database.", "Correct spec.source.postgres.database, or create the database."
    ),
    _R.TABLE_MISSING: _no(
        _T.SOURCE_REACHABLE,
        "The source has no such table, or its login may not see it.",
        "Correct spec.source.postgres.schema and table, or grant SELECT on the table.",
    ),
    _R.COLUMN_MISSING: _no(
        _T.SOURCE_REACHABLE,
        "The source's table lacks a column.",
        "Correct the column that the message names in spec.fields or spec.subject, or add it to the table.",
    ),
    _R.COLUMN_TYPE_MISMATCH: _no(
        _T.SOURCE_REACHABLE,
        "A column of the source cannot be read as the type that the field declares.",
        "Correct spec.fields[].type of the field that the message names.",
    ),
    _R.LOADED: _yes(_T.LOADED, "The source has been read and its records are in the store."),
    _R.LOAD_PENDING: _wait(_T.LOADED, "The source has not been read yet.", "Wait; it is read as soon as the source can be reached."),
    _R.LOAD_FAILED: _no(
        _T.LOADED,
        "Reading the source broke off; what was loaded before is kept.",
        "See the message for what the source answered; it is tried again by itself.",
    ),
    _R.ROWS_REFUSED: _no(
        _T.LOADED,
        "Some records of the source break the contract and are not served.",
        "Correct the records in the source (a required field is empty, or a key stands twice), or the field in spec.fields.",
    ),
    _R.SERVING: _yes(_T.SERVING, "Consumers with an agreement can read the product."),
    _R.STORE_PENDING: _wait(
        (_T.SERVING, _T.SOURCE_REACHABLE, _T.LOADED, _T.ENFORCED),
        "The store has not carried out this generation yet.",
        "Wait; if it stays so, see StoreReady of the Department.",
    ),
    _R.STORE_REFUSED: _no(
        (_T.SERVING, _T.ENFORCED),
        "The store could not carry it out, so access stays closed.",
        "See the message for what PostgreSQL answered, correct the field that it names, and apply again.",
    ),
    # ConsentPolicy
    _R.PRODUCT_RESOLVED: _yes(_T.PRODUCT_RESOLVED, "The product exists in this namespace."),
    _R.PRODUCT_NOT_FOUND: _no(
        (_T.PRODUCT_RESOLVED, _T.DATA_PRODUCTS_READY),
        "No such DataProduct.",
        "Correct the product's name in spec, or apply the DataProduct; names are looked up in its department's namespace only.",
    ),
    _R.PRODUCT_NOT_READY: _no(
        (_T.PRODUCT_RESOLVED, _T.DATA_PRODUCTS_READY),
        "The DataProduct exists but is not ready.",
        "See the conditions of the DataProduct that the message names.",
    ),
    _R.FIELDS_PERMITTED: _yes(_T.FIELDS_PERMITTED, "The product offers every field that the agreement lists."),
    _R.FIELD_NOT_OFFERED: _no(
        _T.FIELDS_PERMITTED,
        "The agreement lists a field that the product does not offer.",
        "Remove the field that the message names from spec.fields, or publish it in the DataProduct.",
    ),
    _R.MASK_AND_RAW_TOGETHER: _no(
        _T.FIELDS_PERMITTED,
        "The agreement grants a mask and the raw field that it masks, which makes the mask pointless.",
        "Keep one of the two that the message names in spec.fields.",
    ),
    _R.CONSUMER_KNOWN: _yes(_T.CONSUMER_KNOWN, "The consuming department exists on this site."),
    _R.CONSUMER_NOT_FOUND: _no(
        _T.CONSUMER_KNOWN,
        "The consuming department does not exist on this site.",
        "Correct spec.consumer.department, or have the platform team create the Department.",
    ),
    _R.IN_FORCE: _yes(_T.IN_FORCE, "The agreement holds now."),
    _R.NOT_YET_IN_FORCE: _no(_T.IN_FORCE, "The agreement begins later.", "Wait until spec.validity.from, or bring that date forward."),
    _R.EXPIRED: _no(_T.IN_FORCE, "The agreement has ended; every read is refused.", "Extend spec.validity.until, or delete the agreement."),
    _R.ENFORCED: _yes(_T.ENFORCED, "The store grants exactly what the agreement says."),
    # ModelService
    _R.DATA_PRODUCTS_READY: _yes(_T.DATA_PRODUCTS_READY, "Every product that the model reads exists."),
    _R.AGREEMENTS_BOUND: _yes(_T.AGREEMENTS_BOUND, "Every feature is covered by an agreement in force for the model's purpose."),
    _R.NO_AGREEMENT: _no(
        _T.AGREEMENTS_BOUND,
        "No agreement lets this department read the product.",
        "Ask the department that owns the product for a ConsentPolicy whose spec.consumer.department is this one, or remove the feature.",
    ),
    _R.PURPOSE_NOT_AGREED: _no(
        _T.AGREEMENTS_BOUND,
        "An agreement exists, but not for the model's purpose.",
        "Have spec.purpose of the ModelService added to spec.purposes of the ConsentPolicy.",
    ),
    _R.CLIENT_NOT_AGREED: _no(
        _T.AGREEMENTS_BOUND,
        "An agreement exists, but the model runtime is not among its clients.",
        "Have the client «models» added to spec.consumer.clients of the ConsentPolicy.",
    ),
    _R.FIELD_NOT_AGREED: _no(
        _T.AGREEMENTS_BOUND,
        "An agreement exists, but it does not list a field that the model reads.",
        "Remove the feature that the message names from spec.features, or have the field added to spec.fields of the ConsentPolicy.",
    ),
    _R.AGREEMENT_NOT_IN_FORCE: _no(
        _T.AGREEMENTS_BOUND,
        "The agreement that covers a feature is not in force or not enforced.",
        "See the conditions of the ConsentPolicy that the message names.",
    ),
    _R.RUNTIME_READY: _yes(_T.RUNTIME_READY, "The model runtime has taken up this generation and answers."),
    _R.RUNTIME_PENDING: _wait(
        _T.RUNTIME_READY,
        "The model runtime has not taken up this generation yet.",
        "Wait; if it stays so, see ModelsReady of the Department.",
    ),
    _R.RUNTIME_REFUSED: _no(
        _T.RUNTIME_READY,
        "The model runtime could not take up the model.",
        "See the message for the field that it names, correct it and apply again.",
    ),
}


def entry_of(reason: str) -> Entry:
    """Return what a reason means; KeyError names a reason that is not registered."""
    try:
        return REASONS[Reason(reason)]
    except ValueError:
        raise KeyError(f"{reason}: not a registered reason; add it to commonweal_api.reasons") from None
