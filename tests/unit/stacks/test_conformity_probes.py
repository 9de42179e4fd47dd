"""What an answer means for a promise: a refusal for the right reason holds, and what cannot be known is never taken for good."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commonweal_kube.blocking import Answer
from commonweal_stacks.conformity.probes import Abilities, Verdict, abilities_of, broken_ones, leaves_of
from commonweal_stacks.conformity.probes.traffic import SCRIPT
from commonweal_stacks.conformity.probes.verdicts import (
    HOLDS,
    audited,
    both,
    bound,
    broken,
    closed,
    counted,
    encrypted_writes,
    holds,
    in_step,
    kept_apart,
    limited,
    not_probed,
    of_others,
    refused,
    sealed,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
OK, NO = Answer(201, {}), Answer(403, {"message": 'pods "x" is forbidden: exceeded quota: department'})


@pytest.mark.parametrize(
    ("answer", "leaf"),
    [
        (Answer(403, {"message": "violates PodSecurity restricted"}), HOLDS),
        (Answer(200, {}), "broken: accepted"),
        (Answer(201, {}), "broken: accepted"),
        (Answer(403, {"message": "no right to"}), "broken: refused for another reason"),
        (Answer(404, {"message": "violates PodSecurity"}), "broken: refused for another reason"),
        (Answer(500, {}), "broken: refused for another reason"),
    ],
)
def test_a_refusal_holds_for_the_expected_reason_only(answer: Answer, leaf: str) -> None:
    assert refused(answer, "violates PodSecurity").leaf == leaf


def test_of_two_verdicts_the_broken_one_counts() -> None:
    assert both(holds(), broken("one")).leaf == both(broken("one"), holds()).leaf == "broken: one"
    assert both(holds(), holds()).leaf == HOLDS


def test_reads_that_are_refused_prove_nothing_where_there_is_nothing_to_read() -> None:
    refusals = {"secrets as store": Answer(403, {}), "products as default": Answer(403, {})}
    assert kept_apart(refusals, Answer(200, {})).leaf == HOLDS
    assert kept_apart(refusals, Answer(404, {"message": "gone"})).leaf == "broken: nothing to read"
    through = kept_apart(refusals | {"settings as store": Answer(200, {})}, Answer(200, {}))
    assert (through.leaf, through.detail) == ("broken: read", "not refused: settings as store (200)")
    assert kept_apart(refusals | {"settings as store": Answer(404, {})}, Answer(200, {})).broken


@pytest.mark.parametrize(
    ("first", "second", "leaf"), [(OK, NO, HOLDS), (OK, OK, "broken: accepted"), (NO, NO, "broken: the first claim was refused")]
)
def test_a_quota_counts_when_the_first_fits_and_the_second_does_not(first: Answer, second: Answer, leaf: str) -> None:
    assert counted(first, second).leaf == leaf


@pytest.mark.parametrize(
    ("seconds", "leaf"), [(0, HOLDS), (-6, HOLDS), (5, HOLDS), (-7, "broken: clock"), (7, "broken: clock"), (3600, "broken: clock")]
)
def test_a_clock_may_be_five_seconds_off_and_tells_whole_seconds(seconds: int, leaf: str) -> None:
    assert in_step(Answer(200, {}, "", NOW + timedelta(seconds=seconds)), NOW, NOW + timedelta(milliseconds=40)).leaf == leaf


def test_a_server_without_a_clock_is_not_said_to_be_right() -> None:
    assert in_step(Answer(200, {}), NOW, NOW).leaf == "not probed: the server tells no time"


METRICS = """
# TYPE apiserver_storage_transformation_operations_total counter
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="from_storage",transformer_prefix="identity"} 4
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix="%s"} %s
apiserver_storage_transformation_operations_total{resource="configmaps",status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:secretbox:v1:"} 9
"""


@pytest.mark.parametrize(
    ("before", "after", "leaf"),
    [
        (("k8s:enc:secretbox:v1:", 3), ("k8s:enc:secretbox:v1:", 4), HOLDS),
        (("k8s:enc:kms:v2:", 3), ("k8s:enc:kms:v2:", 5), HOLDS),
        (("k8s:enc:secretbox:v1:", 3), ("k8s:enc:secretbox:v1:", 3), "broken: in clear"),
        (("identity", 3), ("identity", 4), "broken: in clear"),
    ],
)
def test_secrets_are_sealed_when_one_more_was_counted_as_encrypted(before: Any, after: Any, leaf: str) -> None:
    assert sealed(Answer(200, {}, METRICS % before), Answer(200, {}, METRICS % after)).leaf == leaf


def test_metrics_that_cannot_be_read_claim_nothing() -> None:
    assert sealed(Answer(403, {}), Answer(403, {})).leaf == "not probed: the server's metrics cannot be read"
    assert encrypted_writes("") == 0


AUDIT = """
# TYPE apiserver_audit_level_total counter
apiserver_audit_level_total{level="Metadata"} %s
apiserver_audit_level_total{level="None"} 900
apiserver_audit_level_total{level="Request"} %s
"""


@pytest.mark.parametrize(
    ("before", "after", "leaf"),
    [
        (AUDIT % (3, 0), AUDIT % (5, 0), HOLDS),
        (AUDIT % (3, 0), AUDIT % (3, 0), "broken: not written down"),
        ("", "", "broken: not written down"),
        (AUDIT % (3, 1), AUDIT % (5, 1), "broken: contents"),
        (AUDIT % (3, 0), AUDIT.replace("Request", "RequestResponse") % (5, 2), "broken: contents"),
    ],
)
def test_an_audit_is_kept_when_a_write_was_counted_and_no_contents(before: str, after: str, leaf: str) -> None:
    assert audited(Answer(200, {}, before), Answer(200, {}, after)).leaf == leaf
    assert audited(Answer(403, {}), Answer(200, {}, after)).leaf == "not probed: the server's metrics cannot be read"


def test_limits_hold_when_every_kubelet_says_so_and_one_that_does_not_is_named() -> None:
    wanted = {"maxPods": 110, "podPidsLimit": 4096}
    good, other = (Answer(200, {"kubeletconfig": {"maxPods": 110, "podPidsLimit": pids, "more": 1}}) for pids in (4096, -1))
    assert limited({"a": good, "b": good}, wanted).leaf == HOLDS
    found = limited({"a": good, "b": other}, wanted)
    assert (found.leaf, found.detail) == ("broken: other limits", "b: podPidsLimit is -1, not 4096")
    assert limited({"a": good, "b": Answer(200, {})}, wanted).leaf == "broken: other limits"
    assert limited({"a": good, "b": Answer(403, {})}, wanted).leaf == "not probed: a kubelet does not say what it runs with"


def test_what_others_set_otherwise_is_a_leaf_of_its_own_and_no_broken_promise() -> None:
    found = of_others(broken("accepted", "x"))
    assert (found.leaf, found.detail, found.broken, found.known) == ("otherwise: accepted", "x", False, True)
    assert of_others(holds()).leaf == HOLDS
    assert not of_others(not_probed("why")).known


@pytest.mark.parametrize(
    ("said", "leaf"),
    [
        ({"names": "open", "outside": "closed"}, HOLDS),
        ({"names": "open", "outside": "open"}, "broken: open"),
        ({"names": "open"}, "broken: open"),
        ({"names": "closed", "outside": "closed"}, "broken: nothing is reached"),
        ({"outside": "closed"}, "broken: nothing is reached"),
        (None, "broken: the pod gave no output"),
    ],
)
def test_closed_counts_only_where_something_else_is_open(said: Any, leaf: str) -> None:
    assert closed(said, ["outside"], open_too="names").leaf == leaf


@pytest.mark.parametrize(
    ("phase", "said", "leaf"),
    [
        ("Bound", {"volume": "written"}, HOLDS),
        ("Bound", {"volume": "PermissionError"}, "broken: not writable"),
        ("Bound", {}, "broken: not writable"),
        ("Bound", None, "broken: not writable"),
        ("Pending", {"volume": "written"}, "broken: not bound"),
    ],
)
def test_a_volume_counts_when_it_is_bound_and_written_to(phase: str, said: Any, leaf: str) -> None:
    assert bound(Answer(200, {"status": {"phase": phase}}), said).leaf == leaf


def test_what_cannot_be_tried_is_a_leaf_of_its_own() -> None:
    one, other = not_probed("no node runs pods"), holds()
    assert leaves_of({"a": one}) != leaves_of({"a": other})
    assert not one.broken
    assert not one.known
    assert broken("x").known


def test_details_are_for_people_and_no_part_of_the_digest() -> None:
    assert leaves_of({"a": Verdict(HOLDS, "10.210.0.11")}) == leaves_of({"a": Verdict(HOLDS, "10.210.0.12")})


def test_promises_that_break_for_one_reason_are_told_once() -> None:
    why = broken("no department", "the operator is down")
    assert broken_ones({"b": why, "a": why, "c": holds(), "d": broken("open", "x")}) == [
        "a, b: broken: no department: the operator is down",
        "d: broken: open: x",
    ]


def test_simulated_nodes_run_nothing() -> None:
    simulated = {"metadata": {"annotations": {"kwok.x-k8s.io/node": "fake"}}}
    assert abilities_of([]) == abilities_of([simulated]) == Abilities(operator=False, pods=False)
    assert abilities_of([simulated, {"metadata": {}}]) == Abilities(operator=True, pods=True)


def test_what_the_pods_run_tells_open_from_closed_whatever_it_hopes_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as gone:
        port, nobody = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        targets = {
            "there": ("127.0.0.1", port, "open"),
            "not there": ("127.0.0.1", nobody, "closed"),
            "there after all": ("127.0.0.1", port, "closed"),
            "not there after all": ("127.0.0.1", nobody, "open"),
        }
        # Without its listener, whose port may be taken here, and with less patience.
        script = (
            SCRIPT.replace("threading.Thread(target=listen, daemon=True).start()", "")
            .replace("+ 20", "+ 2")
            .replace("sleep(300)", "sleep(0)")
        )
        environment = {**os.environ, "TARGETS": json.dumps(targets)}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True)
    said = {name: value for name, value in json.loads(done.stdout).items() if name in targets}
    assert said == {"there": "open", "not there": "closed", "there after all": "open", "not there after all": "closed"}
