"""Reasons of a ModelService."""

from __future__ import annotations

from commonweal_api.reasons.names import ConditionType, Entry, Reason, no, wait, yes

_T, _R = ConditionType, Reason

MODELS: dict[Reason, Entry] = {
    _R.DATA_PRODUCTS_READY: yes(_T.DATA_PRODUCTS_READY, "Every product that the model reads exists and is served."),
    _R.AGREEMENTS_BOUND: yes(_T.AGREEMENTS_BOUND, "Every feature is covered by an agreement in force for the model's purpose."),
    _R.NO_AGREEMENT: no(
        _T.AGREEMENTS_BOUND,
        "No agreement lets this department read the product.",
        "Ask the department that owns the product for a ConsentPolicy whose spec.consumer.department is this one, or remove the feature.",
    ),
    _R.PURPOSE_NOT_AGREED: no(
        _T.AGREEMENTS_BOUND,
        "An agreement exists, but not for the model's purpose.",
        "Have spec.purpose of the ModelService added to spec.purposes of the ConsentPolicy.",
    ),
    _R.CLIENT_NOT_AGREED: no(
        _T.AGREEMENTS_BOUND,
        "An agreement exists, but the model runtime is not among its clients.",
        "Have the client «models» added to spec.consumer.clients of the ConsentPolicy.",
    ),
    _R.FIELD_NOT_AGREED: no(
        _T.AGREEMENTS_BOUND,
        "An agreement exists, but it does not list a field that the model reads.",
        "Remove the feature that the message names from spec.features, or have the field added to spec.fields of the ConsentPolicy.",
    ),
    _R.AGREEMENT_NOT_IN_FORCE: no(
        _T.AGREEMENTS_BOUND,
        "The agreement that covers a feature is not in force or not enforced.",
        "See the conditions of the ConsentPolicy that the message names.",
    ),
    _R.CALLERS_AGREED: yes(
        _T.CALLERS_AGREED,
        "Every caller of another department is named in agreements over all that the model reads. Callers of its own that none names are told decisions only.",
    ),
    _R.CALLER_NOT_AGREED: no(
        _T.CALLERS_AGREED,
        "No agreement in force names a caller of another department over all that the model reads; the runtime refuses it.",
        "Have the caller that the message names added to spec.consumer.clients of a ConsentPolicy for its department with the purpose and fields named there, or remove it from spec.callers.",
    ),
    _R.RUNTIME_READY: yes(_T.RUNTIME_READY, "The model runtime has taken up this generation and answers."),
    _R.RUNTIME_PENDING: wait(
        _T.RUNTIME_READY,
        "The model runtime has not taken up this generation yet.",
        "Wait; if it stays so, see ModelsReady of the Department.",
    ),
    _R.RUNTIME_REFUSED: no(
        _T.RUNTIME_READY,
        "The model runtime could not take up the model.",
        "See the message for the field that it names, correct it and apply again.",
    ),
}
