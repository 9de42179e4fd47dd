"""The rules as ValidatingAdmissionPolicies: one that refuses, one that warns, and one that says who may exempt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commonweal_api.common import GROUP
from commonweal_api.lockin.exemptions import ANNOTATION, DAY, LONGEST_DAYS, REASON
from commonweal_api.lockin.findings import reason_of
from commonweal_api.lockin.places import PLACES, TEMPLATES
from commonweal_api.lockin.rules import Rule, rules

API = "admissionregistration.k8s.io/v1"
REFUSING, WARNING, EXEMPTING = "commonweal-lock-in", "commonweal-lock-in-warning", "commonweal-lock-in-exemptions"
LABELS = {"app.kubernetes.io/part-of": "commonweal"}
DEPARTMENT = "commonweal.dev/department"
SYSTEM_NAMESPACE = "commonweal-system"
# What no department writes by hand, and what changes too often to be looked at each time.
LEFT_OUT = (
    (["", "events.k8s.io"], ["events"]),
    ([""], ["endpoints"]),
    (["discovery.k8s.io"], ["endpointslices"]),
    (["coordination.k8s.io"], ["leases"]),
    (["apps"], ["controllerrevisions"]),
)
# Kubernetes' own controllers make objects from objects that were looked at when a person wrote them.
NOT_THE_CLUSTER = (
    "!(request.userInfo.username in ['system:apiserver', 'system:kube-controller-manager', 'system:kube-scheduler']"
    " || request.userInfo.username.startsWith('system:serviceaccount:kube-system:')"
    " || (has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups))"
)
NEVER = "9999-12-31T00:00:00Z"
# A finalizer must come off, whatever else is in the object.
NOT_GOING = "!has(object.metadata.deletionTimestamp)"


def manifests() -> list[dict[str, Any]]:
    """Return the policies, their bindings and the role of who may exempt, in the order in which they are written."""
    deny, warn = ([rule for rule in rules() if rule.action == action] for action in ("Deny", "Warn"))
    return [
        _policy(REFUSING, _variables(deny), [_validation(rule) for rule in deny]),
        *_bindings(REFUSING, ["Deny"]),
        _policy(WARNING, _variables(warn), [_validation(rule) for rule in warn]),
        *_bindings(WARNING, ["Warn", "Audit"]),
        _policy(EXEMPTING, _exempting_variables(), [_exempting()]),
        *_bindings(EXEMPTING, ["Deny"]),
        _role(),
    ]


def _role() -> dict[str, Any]:
    """Return the role of who may exempt. No department's administrator has it by itself: the platform team binds it."""
    rule = {"apiGroups": [GROUP], "resources": ["departments"], "verbs": ["exempt"]}
    metadata = {"name": "commonweal-exemptions", "labels": LABELS}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]}


def _policy(name: str, variables: Sequence[Mapping[str, str]], validations: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "scope": "Namespaced"}
    excluded = [{"apiGroups": groups, "apiVersions": ["*"], "operations": ["*"], "resources": resources} for groups, resources in LEFT_OUT]
    return {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                # The exact version that was sent is looked at, for a rule reads its API group.
                "matchPolicy": "Exact",
                "resourceRules": [
                    {**everything, "resources": ["*"]},
                    {**everything, "apiGroups": [""], "resources": ["pods/ephemeralcontainers"]},
                ],
                "excludeResourceRules": excluded,
            },
            "matchConditions": [
                {"name": "not-the-cluster-itself", "expression": NOT_THE_CLUSTER},
                {"name": "not-going-away", "expression": NOT_GOING},
            ],
            "variables": list(variables),
            "validations": list(validations),
        },
    }


def _bindings(policy: str, actions: Sequence[str]) -> list[dict[str, Any]]:
    """Return two: for departments' namespaces, and for the platform's own, which keeps to the same rules."""
    selectors = {
        policy: {"matchExpressions": [{"key": DEPARTMENT, "operator": "Exists"}]},
        f"{policy}-platform": {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM_NAMESPACE}},
    }
    return [
        {
            "apiVersion": API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name, "labels": LABELS},
            "spec": {"policyName": policy, "validationActions": list(actions), "matchResources": {"namespaceSelector": selector}},
        }
        for name, selector in selectors.items()
    ]


def _variables(chosen: Sequence[Rule]) -> list[dict[str, str]]:
    """Return the variables, each evaluated once and only when asked for: the object's parts, the places, what each rule finds, the exemptions."""
    used = [name for name in PLACES if any(name in rule.look for rule in chosen)]
    found = [{"name": _name(rule), "expression": _found(rule)} for rule in chosen]
    return [*_parts(), *({"name": name, "expression": PLACES[name].cel} for name in used), *found, *_exemptions()]


def _parts() -> list[dict[str, str]]:
    paths = sorted({path.rstrip(".") for path in TEMPLATES.values()})
    template, at = "dyn({})", "''"
    for path in paths:
        kinds = ", ".join(f"'{kind}'" for kind, where in TEMPLATES.items() if where.rstrip(".") == path)
        held = "object" + (f".{path}" if path else "")
        there = f" && {_all_there(path)}" if path else ""
        template = f"variables.kind in [{kinds}]{there} ? dyn({held}) : {template}"
        at = f"variables.kind in [{kinds}] ? '{path}{'.' if path else ''}' : {at}"
    parts = {
        "group": "object.apiVersion.contains('/') ? object.apiVersion.split('/')[0] : ''",
        "kind": "variables.group + '/' + object.kind",
        "at": at,
        "template": template,
        "pod": "has(variables.template.spec) ? variables.template.spec : dyn({})",
        "volumes": "has(variables.pod.volumes) ? variables.pod.volumes : []",
        "affinity": "has(variables.pod.affinity) ? variables.pod.affinity : dyn({})",
    }
    return [{"name": name, "expression": expression} for name, expression in parts.items()]


def _all_there(path: str) -> str:
    steps = path.split(".")
    return " && ".join(f"has(object.{'.'.join(steps[: n + 1])})" for n in range(len(steps)))


def _found(rule: Rule) -> str:
    """Return CEL for every value that the rule finds, each with its field."""
    parts = []
    for name in rule.look:
        place = PLACES[name]
        field = f"variables.at + {_quoted(f'{place.path}: ')}" if place.pod else _quoted(f"{place.path}: ")
        parts.append(f"variables.{name}.filter(v, {_finds(rule)}).map(v, {field} + v)")
    return " + ".join(parts)


def _finds(rule: Rule) -> str:
    if rule.allowed is not None:
        return f"!(v in {_list(rule.allowed)})"
    tests = [f"v in {_list(rule.equals)}"] if rule.equals else []
    tests += [_begins(rule.prefixes)] if rule.prefixes else []
    host = "v.split('/')[0]"
    tests += [f"{_list(rule.domains)}.exists(d, {host} == d || {host}.endsWith('.' + d))"] if rule.domains else []
    return " || ".join(tests)


def _begins(prefixes: Sequence[str]) -> str:
    """Return CEL for «v begins with one of these», in patterns: what a loop in a loop costs, the API server works out in the square of the time.

    Whoever may write an object says how many labels it has. A pattern costs by its length, so a short one lets few come to the long one.
    """
    heads, whole = sorted({prefix[:4] for prefix in prefixes}), prefixes
    return "(" + " && ".join(f"v.matches({_quoted('^(' + '|'.join(map(re.escape, words)) + ')')})" for words in (heads, whole)) + ")"


def _exemptions() -> list[dict[str, str]]:
    held = "object.metadata.annotations"
    changed = "object.metadata.managedFields.filter(m, has(m.time)).map(m, string(m.time))"
    created = "[string(object.metadata.creationTimestamp)]"
    # Who throws managedFields away with a change leaves no note of it: then no exemption holds.
    clock = f"request.operation == 'CREATE' ? {created}[0] : has(object.metadata.managedFields) ? ({created} + {changed}).max() : '{NEVER}'"
    entries = f"has({held}) && '{ANNOTATION}' in {held} ? {held}['{ANNOTATION}'].split(';').map(e, e.trim()) : []"
    latest = f"string(timestamp(variables.changed) + duration('{LONGEST_DAYS * 24}h')).substring(0, 10)"
    return [
        {"name": "exemptions", "expression": entries},
        # When the object was last changed, by the API server's clock: for a write that changes anything, now. CEL knows no other time.
        {"name": "changed", "expression": clock},
        {"name": "today", "expression": "variables.changed.substring(0, 10)"},
        {"name": "latest", "expression": latest},
    ]


def _validation(rule: Rule) -> dict[str, str]:
    found = f"variables.{_name(rule)}"
    begin = len(rule.id) + len(" until ")
    day = f"e.substring({begin}, {begin + len('2027-01-31')})"
    pattern = _quoted(f"^{rule.id} until {DAY}: {REASON}$")
    exempt = f"variables.exemptions.exists(e, e.matches({pattern}) && variables.today <= {day} && {day} <= variables.latest)"
    more = f"({found}.size() > 1 ? ' and ' + string({found}.size() - 1) + ' more' : '')"
    return {
        "expression": f"{found}.size() == 0 || {exempt}",
        "message": f"metadata: something here locks in: {reason_of(rule)}",
        "messageExpression": f"{found}.min() + {more} + {_quoted(f' locks in: {reason_of(rule)}')}",
        "reason": "Forbidden",
    }


def _exempting_variables() -> list[dict[str, str]]:
    def text(of: str) -> str:
        held = f"{of}.metadata.annotations"
        return f"has({held}) && '{ANNOTATION}' in {held} ? string({held}['{ANNOTATION}']) : ''"

    labels = "namespaceObject.metadata.labels"
    return [
        {"name": "now", "expression": text("object")},
        {"name": "before", "expression": f"request.operation == 'UPDATE' ? ({text('oldObject')}) : ''"},
        {"name": "department", "expression": f"has({labels}) && '{DEPARTMENT}' in {labels} ? {labels}['{DEPARTMENT}'] : ''"},
    ]


def _exempting() -> dict[str, str]:
    allowed = f"authorizer.group('{GROUP}').resource('departments').name(variables.department).check('exempt').allowed()"
    said = (
        f"metadata.annotations[{ANNOTATION}]: who may exempt holds the verb «exempt» on the Department; "
        "ask the platform team, who can bind the role commonweal-exemptions."
    )
    return {"expression": f"variables.now == '' || variables.now == variables.before || {allowed}", "message": said, "reason": "Forbidden"}


def _name(rule: Rule) -> str:
    head, *rest = rule.id.split("-")
    return "found" + "".join(word.capitalize() for word in (head, *rest))


def _list(words: Iterable[str]) -> str:
    return "[" + ", ".join(_quoted(word) for word in words) + "]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
