"""Reasons of every kind, and those of a Department."""

from __future__ import annotations

from commonweal_api.reasons.names import EVERY, ConditionType, Entry, Reason, no, wait, yes

_T, _R = ConditionType, Reason

PLATFORM: dict[Reason, Entry] = {
    _R.ALL_READY: yes(_T.READY, "Everything that it needs is in place and it works."),
    _R.INVALID_SPEC: no(
        EVERY,
        "The stored object breaks a rule of the API, so nothing is done with it and access is closed.",
        "Correct the field that the message names and apply it again.",
    ),
    _R.DELETING: no(
        EVERY, "It is being deleted; access is closed already.", "Wait until it is gone; what blocks it is named in the message."
    ),
    _R.DEPARTMENT_NOT_READY: wait(
        EVERY,
        "The department that this object belongs to is not ready.",
        "See `kubectl describe department`, and correct that first.",
    ),
    # Department
    _R.NAMESPACE_ACTIVE: yes(_T.NAMESPACE_READY, "The namespace, its quota, its access rules and its network policies are in place."),
    _R.NAMESPACE_PENDING: wait(
        _T.NAMESPACE_READY, "The namespace is being made.", "Wait; if it stays so, see the operator's log for what the API server answers."
    ),
    _R.NAMESPACE_TERMINATING: no(
        _T.NAMESPACE_READY,
        "The namespace is being deleted, so nothing can be made in it.",
        "Wait until it is gone (`kubectl get namespace` shows what remains); it is then made again.",
    ),
    _R.NAME_CONFLICT: no(
        _T.NAMESPACE_READY,
        "A namespace of this name exists and does not belong to Commonweal; it is left alone.",
        "Rename the department (metadata.name), or move what is in that namespace and delete it.",
    ),
    _R.QUOTA_EXCEEDED: no(
        (_T.STORE_READY, _T.DATA_API_READY, _T.MODELS_READY),
        "The department's quota leaves no room for its own pods.",
        "Raise spec.quota of the Department, or remove what uses it up.",
    ),
    _R.STORE_RUNNING: yes(_T.STORE_READY, "The department's PostgreSQL answers and its keeper has carried out the plan."),
    _R.STORE_STARTING: wait(_T.STORE_READY, "The department's PostgreSQL is starting.", "Wait; the message names the pod and its state."),
    _R.STORE_FAILING: no(
        _T.STORE_READY,
        "The department's PostgreSQL or its keeper does not stay up.",
        "See `kubectl logs store-0 --all-containers` in the department's namespace.",
    ),
    _R.DATA_API_RUNNING: yes(_T.DATA_API_READY, "The data API answers."),
    _R.DATA_API_STARTING: wait(_T.DATA_API_READY, "The data API is starting.", "Wait; the message names the pod and its state."),
    _R.DATA_API_FAILING: no(
        _T.DATA_API_READY, "The data API does not stay up.", "See `kubectl logs deployment/data-api` in the department's namespace."
    ),
    _R.MODELS_RUNNING: yes(_T.MODELS_READY, "The model runtime answers."),
    _R.MODELS_STARTING: wait(_T.MODELS_READY, "The model runtime is starting.", "Wait; the message names the pod and its state."),
    _R.MODELS_FAILING: no(
        _T.MODELS_READY, "The model runtime does not stay up.", "See `kubectl logs deployment/models` in the department's namespace."
    ),
}
