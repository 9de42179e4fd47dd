"""Reasons of every kind, and those of a Department."""

from __future__ import annotations

from commonweal_api.reasons.names import EVERY, ConditionType, Entry, Reason, no, wait, yes

_T, _R = ConditionType, Reason

PLATFORM: dict[Reason, Entry] = {
    _R.ALL_READY: yes(_T.READY, "Everything that it needs is in place and it works."),
    _R.INVALID_SPEC: no(
        EVERY,
        "The stored object breaks a rule of the API, so it counts as absent.",
        "Correct the field that the message names and apply it again.",
    ),
    _R.DEPARTMENT_NOT_READY: wait(
        EVERY,
        "There is no valid Department for the namespace of this object.",
        "Create or correct the Department (`kubectl describe department`), or move the object to the namespace of one.",
    ),
    _R.ENDING: no(
        EVERY,
        "The Department has been deleted, so access is closed; it is removed when that is confirmed everywhere and its parties have been told.",
        "Wait. For what cannot answer any more, run `kubectl annotate department NAME commonweal.dev/confirm-unreachable=NAME`.",
    ),
    # Department
    _R.CONTINUING: yes(_T.CONTINUES, "Neither the department nor another with which it has agreements or models is ending."),
    _R.PARTY_ENDING: no(
        (_T.CONTINUES, _T.CONSUMER_KNOWN, _T.DATA_PRODUCTS_READY),
        "A department with which there are agreements or models is ending: access between the two is closed, and its data is about to be removed.",
        "Ask the department that the message names; take out agreements, features and callers that name it.",
    ),
    _R.COMPLAINTS_IN_TIME: yes(_T.COMPLAINTS_ANSWERED, "No complaint of a person is overdue."),
    _R.COMPLAINTS_OVERDUE: no(
        _T.COMPLAINTS_ANSWERED,
        "Complaints of people are not answered within the department's own term (spec.complaints.days). Ready does not depend on it.",
        "As a registrar, ask `GET /v1/complaints?state=Open` of the data API and answer each by `PUT /v1/complaints/{id}`.",
    ),
    _R.LINKING_READY: yes(_T.LINKING_READY, "People can link their sign-in to their record, and no case waits for a registrar."),
    _R.LINK_CASES_OPEN: yes(
        _T.LINKING_READY,
        "People can link their sign-in to their record, and cases wait: one of spec.registrars lists them with `GET /v1/cases` of the data API and decides each.",
    ),
    _R.MATCHING_PRODUCT_UNSUITABLE: no(
        _T.LINKING_READY,
        "People cannot link their sign-in: the product of spec.matching is not one of the department's, or is read where it lies.",
        "Write the name of one of its DataProducts with spec.serve.mode Replica in spec.matching.product, or create it.",
    ),
    _R.MATCHING_FIELD_UNSUITABLE: no(
        _T.LINKING_READY,
        "People cannot link their sign-in: spec.matching names a field that its product does not have, or whose type cannot be compared.",
        "Name raw fields of the product of type String, Integer or Date, and for spec.matching.code one of type String.",
    ),
    _R.MAIL_SERVER_MISSING: no(
        _T.LINKING_READY,
        "People cannot link their sign-in: spec.matching.code asks for a code by e-mail, and the platform has no mail server.",
        "Have the platform team set mail.server and mail.sender of the chart, or remove spec.matching.code.",
    ),
    _R.NAMESPACE_ACTIVE: yes(_T.NAMESPACE_READY, "Both namespaces, their quotas, access rules and network policies are in place."),
    _R.NAMESPACE_PENDING: wait(
        _T.NAMESPACE_READY,
        "Something that the namespace needs is not in place yet.",
        "Wait, or do what the message says; if it stays so, see the operator's log for what the API server answers.",
    ),
    _R.NAMESPACE_TERMINATING: no(
        _T.NAMESPACE_READY,
        "The namespace, or an object in it that the department needs, is still being deleted.",
        "Wait until it is gone (`kubectl describe namespace` shows what remains); it is then made again.",
    ),
    _R.LAYOUT_OUTDATED: no(
        _T.NAMESPACE_READY,
        "The department's store lies in its own namespace, as it did before the platform had one for each department; it serves on, and is told what is revoked.",
        "Have the platform team run `commonweal department split NAME --site SITE`; until then nothing else of the department is brought up to date.",
    ),
    _R.NAME_CONFLICT: no(
        _T.NAMESPACE_READY,
        "An object of a name that the department needs exists and does not belong to it; it is left alone.",
        "Rename or delete that object, and the department's own is made; if it is the namespace, you can also rename the department (metadata.name).",
    ),
    _R.QUOTA_EXCEEDED: no(
        (_T.DATA_API_READY, _T.MODELS_READY),
        "The quota of the platform's namespace for the department leaves no room for a pod.",
        "See what else runs there (`kubectl get pods -n dept-NAME-platform`), and remove what the operator did not make.",
    ),
    _R.PLAN_COMPLETE: yes(_T.PLAN_COMPLETE, "The plans of store and models hold all that is valid and agreed."),
    _R.PLAN_TOO_LARGE: no(
        _T.PLAN_COMPLETE,
        "All that is valid and agreed does not fit into the department's plans, so some of it is neither loaded nor open. What was taken away is closed all the same.",
        "Shorten texts and expressions, delete what is no longer needed, or move products to a department of their own.",
    ),
    _R.STORE_RUNNING: yes(_T.STORE_READY, "The department's PostgreSQL answers, and its keeper reports."),
    _R.STORE_STARTING: wait(
        _T.STORE_READY,
        "The department's PostgreSQL or its keeper is not ready yet.",
        "Wait; if it stays so, see `kubectl logs store-0 --all-containers` in the platform's namespace for it, dept-NAME-platform.",
    ),
    _R.DATA_API_RUNNING: yes(_T.DATA_API_READY, "The data API answers."),
    _R.DATA_API_STARTING: wait(
        _T.DATA_API_READY,
        "The data API is not ready yet.",
        "Wait; if it stays so, see `kubectl describe pods` in the platform's namespace for it, dept-NAME-platform.",
    ),
    _R.DATA_API_FAILING: no(
        _T.DATA_API_READY,
        "The data API does not stay up.",
        "See `kubectl logs deployment/data-api` in the platform's namespace for it, dept-NAME-platform.",
    ),
    _R.MODELS_RUNNING: yes(_T.MODELS_READY, "The model runtime answers."),
    _R.MODELS_NOT_NEEDED: yes(_T.MODELS_READY, "There is no ModelService, so no model runtime runs."),
    _R.MODELS_STARTING: wait(
        _T.MODELS_READY,
        "The model runtime is not ready yet.",
        "Wait; if it stays so, see `kubectl describe pods` in the platform's namespace for it, dept-NAME-platform.",
    ),
    _R.MODELS_FAILING: no(
        _T.MODELS_READY,
        "The model runtime does not stay up.",
        "See `kubectl logs deployment/models` in the platform's namespace for it, dept-NAME-platform.",
    ),
}
