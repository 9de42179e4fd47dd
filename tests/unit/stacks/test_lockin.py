"""The rules, the lint, exemptions and the score, without a cluster."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pulumi_policy.proxy import UNKNOWN_OBJECT_VALUE, UNKNOWN_STRING_VALUE, unknown_checking_proxy
from pydantic import ValidationError

from commonweal_api.lockin import ANNOTATION, Finding, lint, rules, score
from commonweal_api.lockin.exemptions import Exemption, exemption
from commonweal_api.lockin.findings import Found
from commonweal_api.lockin.places import PLACES, TEMPLATES, host_of
from commonweal_api.lockin.rules import FILE, RuleFile
from commonweal_cli.main import main
from commonweal_stacks.lockin import judged, known
from contract.lockin.corpus import manifests

TODAY = date(2026, 11, 22)
REPOSITORY = Path(__file__).resolve().parents[3]


def pod(**spec: Any) -> dict[str, Any]:
    containers = {"containers": [{"name": "c", "image": "registry.example.org/a"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "dept-tax"}, "spec": containers | spec}


def found(obj: dict[str, Any]) -> list[str]:
    return [finding.rule.id for finding in lint([obj], today=TODAY)]


def test_every_place_is_looked_at_by_some_rule() -> None:
    assert {name for rule in rules() for name in rule.look} == set(PLACES)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"look": ["nowhere"]}, "nowhere is no place"),
        ({"allowed": ["x"]}, "give either what is found"),
        ({"prefixes": []}, "give either what is found"),
        ({"weight": 51}, "weight"),
        ({"why": "two\nlines"}, "why"),
        ({"remedy": "use {{ .Values.x }}"}, "remedy"),
    ],
)
def test_a_rule_that_could_not_work_is_refused(change: dict[str, Any], says: str) -> None:
    whole = yaml.safe_load(FILE.read_text())
    rule = next(r for r in whole["rules"] if r["id"] == "site-balancer")
    with pytest.raises(ValidationError, match=says):
        RuleFile.model_validate({"rules": [rule | change]})
    with pytest.raises(ValidationError, match="given twice"):
        RuleFile.model_validate({"rules": [rule, rule]})


@pytest.mark.parametrize("kind", TEMPLATES)
def test_pods_are_looked_at_wherever_they_come_from(kind: str) -> None:
    group, _, name = kind.partition("/")
    content: dict[str, Any] = {"spec": {"nodeSelector": {"agentpool": "a"}}}
    for step in reversed(TEMPLATES[kind].rstrip(".").split(".") if TEMPLATES[kind] else []):
        content = {step: content}
    obj = {"apiVersion": f"{group}/v1" if group else "v1", "kind": name, "metadata": {"name": "x"}, **content}
    (finding,) = lint([obj], today=TODAY)
    assert finding.values == (f"{TEMPLATES[kind]}spec.nodeSelector: agentpool",)


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("nginx", "docker.io"),
        ("user/nginx:1", "docker.io"),
        ("localhost/a", "localhost"),
        ("h:5000/a", "h"),
        ("GCR.io/a/b", "gcr.io"),
        ("registry-1.docker.io/a", "docker.io"),
        ("nginx:1.2", "docker.io"),
    ],
)
def test_the_host_of_an_image_is_the_one_that_would_be_asked(image: str, host: str) -> None:
    assert host_of(image) == host


def test_a_domain_is_not_found_in_another_that_ends_alike() -> None:
    assert found(pod(containers=[{"image": "notgcr.io/a"}])) == []
    assert found(pod(containers=[{"image": "eu.gcr.io/a"}])) == ["cloud-images"]


def test_lists_are_opened() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [pod(nodeSelector={"agentpool": "x"}), "no object"]}
    assert found(listed) == ["cloud-nodes"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "metadata", "template", "volumes", "csi", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(kind=st.sampled_from(sorted(TEMPLATES)), content=st.dictionaries(st.sampled_from(["spec", "metadata", "template"]), _json))
def test_malformed_objects_are_no_error(kind: str, content: dict[str, Any]) -> None:
    group, _, name = kind.partition("/")
    lint([{"apiVersion": f"{group}/v1" if group else "v1", "kind": name, **content}], today=TODAY)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("cloud-nodes until 2026-11-22: ends with this day", True),
        ("cloud-nodes until 2026-11-21: ended yesterday", False),
        ("cloud-nodes until 2027-11-23: the longest that there is", True),
        ("cloud-nodes until 2027-11-24: one day too many", False),
        ("cloud-nodes until 2026-11-21: ended yesterday; cloud-nodes until 2026-12-31: and was renewed", True),
        ("cloud-images until 2026-12-31: another rule's", None),
        ("cloud-nodes until 2026-12-31: why", None),
        ("cloud-nodes until tomorrow: a long enough reason", None),
        ("cloud-nodes", None),
        (7, None),
    ],
)
def test_exemptions_are_read_as_the_policies_read_them(text: Any, holds: bool | None) -> None:
    read = exemption({ANNOTATION: text}, "cloud-nodes", TODAY)
    assert (read.holds(TODAY) if read is not None else None) is holds


def test_days_left_are_counted_over_months() -> None:
    assert Exemption("r", "2027-02-28", "").days_left(TODAY) == (date(2027, 2, 28) - TODAY).days
    assert Exemption("r", "2026-11-20", "").days_left(TODAY) == -2


def _finding(number: int, name: str, until: str = "") -> Finding:
    rule = rules()[number % len(rules())]
    return Finding(rule, Found("Pod", "dept-tax", name), ("spec: x",), Exemption(rule.id, until, "for the test") if until else None)


_findings = st.lists(st.builds(_finding, st.integers(0, 30), st.text(max_size=3)), max_size=20)


@given(findings=_findings, more=_findings, innocent=st.integers(0, 1000))
def test_another_finding_never_raises_the_score(findings: list[Finding], more: list[Finding], innocent: int) -> None:
    before = score(findings, objects=len(findings), today=TODAY)
    after = score(more + findings, objects=innocent, today=TODAY)
    assert 0 <= after.score <= before.score <= 100
    assert (before.score == 100) == (not findings)
    assert score(findings[::-1], objects=innocent, today=TODAY).score == before.score


def test_a_rule_costs_its_weight_once_and_then_half_of_what_it_did() -> None:
    weight = rules()[0].weight
    costs = [100 - score([_finding(0, str(n)) for n in range(times)], objects=9, today=TODAY).score for times in (1, 2, 3, 40)]
    assert costs == [weight, weight * 3 // 2, -(-weight * 7 // 4), 2 * weight]


def test_exempt_findings_stand_apart() -> None:
    held, ended, plain = _finding(0, "a", "2026-12-31"), _finding(1, "b", "2026-11-01"), _finding(2, "c")
    shown = score([held, ended, plain], objects=3, today=TODAY)
    assert (shown.exempt, shown.open, shown.ended) == ((held,), (ended, plain), (ended,))
    assert shown.without_exemptions == shown.score - held.rule.weight
    (listed,) = shown.document(TODAY)["exempt"]
    assert listed["exemption"] == {"until": "2026-12-31", "daysLeft": 39, "reason": "for the test"}


def test_the_pack_refuses_and_warns_in_the_words_of_the_lint() -> None:
    weak, strong = (
        pod(nodeSelector={"kubernetes.io/hostname": "n"}),
        pod(nodeSelector={"agentpool": "x"}, containers=[{"image": "gcr.io/a"}]),
    )
    assert list(judged(weak, "Deny", today=TODAY)) == []
    assert [words.partition(" locks in")[0] for words in judged(weak, "Warn", today=TODAY)] == ["spec.nodeSelector: kubernetes.io/hostname"]
    found = [words.partition(" locks in")[0] for words in judged(strong, "Deny", today=TODAY)]
    assert found == ["spec.nodeSelector: agentpool", "spec.containers[].image: gcr.io"]


def test_the_pack_passes_what_is_exempt_and_what_makes_the_fleets_own_clusters() -> None:
    exempt = pod(nodeSelector={"agentpool": "x"})
    exempt["metadata"]["annotations"] = {ANNOTATION: "cloud-nodes until 2026-12-31: moves at Christmas"}
    assert list(judged(exempt, "Deny", today=TODAY)) == []
    made = {"apiVersion": "x.googleapis.com/v1", "kind": "Machine", "metadata": {"name": "m", "namespace": "dept-tax"}}
    assert len(list(judged(made, "Deny", today=TODAY))) == 1
    assert list(judged({**made, "metadata": {"name": "m", "namespace": "commonweal-fleet"}}, "Deny", today=TODAY)) == []


def test_the_pack_sees_the_plain_values_of_what_the_engine_shows_it_without_those_it_cannot_know_yet() -> None:
    shown = {
        "spec": {"nodeSelector": {"agentpool": "x"}, "hostname": UNKNOWN_STRING_VALUE, "containers": [{"image": "a"}, UNKNOWN_OBJECT_VALUE]}
    }
    assert known(unknown_checking_proxy(shown)) == {"spec": {"nodeSelector": {"agentpool": "x"}, "containers": [{"image": "a"}]}}


@given(manifest=manifests)
def test_what_the_pack_lets_pass_the_lint_would_not_refuse(manifest: dict[str, Any]) -> None:
    refused = [f.sentence() for f in lint([manifest], today=TODAY) if f.rule.action == "Deny" and not f.exempt(TODAY)]
    assert list(judged(manifest, "Deny", today=TODAY)) == refused


def test_the_example_departments_and_the_charts_own_text_are_free(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(REPOSITORY / "examples" / "start-a-business"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["score"] == 100


def test_the_command_tells_what_would_be_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(yaml.safe_dump_all([pod(nodeSelector={"agentpool": "x"}), pod(containers=[{"image": "nginx"}])]))
    assert main(["lint", str(file)]) == 1
    said = capsys.readouterr().out
    assert "deny  Pod dept-tax/p: spec.nodeSelector: agentpool locks in" in said
    assert "2 objects: 1 would be refused, 1 would be warned of, 0 exempt; score 82 of 100" in said


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", None])
def test_a_file_that_cannot_be_read_is_named(text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "app.yaml"
    if text is not None:
        file.write_text(text)
    assert main(["lint", str(file)]) == 2
    assert str(file) in capsys.readouterr().err


@pytest.mark.parametrize("days", [-400, -1, 0, 1, 366, 400])
def test_an_exemption_holds_the_same_by_dates_and_by_texts(days: int) -> None:
    until = TODAY + timedelta(days=days)
    assert Exemption("r", until.isoformat(), "").holds(TODAY) is (0 <= days <= 366)
