"""The Merkle tree: equal roots exactly for equal content, and the differing leaf by its path."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal_api.signatures import canonical
from commonweal_cli.conform import DIFFERENT, EQUAL, report
from commonweal_stacks.clusters.contract import ALLOWED_DIFFERENCES, Difference
from commonweal_stacks.conformity.normal import allow_list, leaves_of, matches, steps_of
from commonweal_stacks.conformity.tree import ABSENT, Digest, differences, flatten, layer_root, merkle, spelled

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.dictionaries(st.text(max_size=6), scalars, max_size=6)
layers = st.dictionaries(st.sampled_from(["api", "layer", "blueprint"]), leaves, max_size=3)
documents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))


@given(one=layers, other=layers)
def test_roots_are_equal_exactly_when_no_leaf_differs(one: dict[str, Any], other: dict[str, Any]) -> None:
    left, right = Digest(one), Digest(other)
    assert (left.root == right.root) is (differences(left, right) == [])
    assert differences(left, left) == []


@given(found=st.dictionaries(st.text(max_size=6), scalars, min_size=1, max_size=6), data=st.data())
def test_one_changed_leaf_changes_the_root_and_is_named(found: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(found)))
    changed = {**found, path: [found[path]]}
    named = differences(Digest({"layer": found}), Digest({"layer": changed}))
    assert [(d.path, d.left, d.right) for d in named] == [(path, found[path], [found[path]])]
    assert layer_root("layer", found) != layer_root("layer", changed)


@given(found=leaves)
def test_the_order_of_leaves_makes_no_difference(found: dict[str, Any]) -> None:
    assert layer_root("a", found) == layer_root("a", dict(reversed(found.items())))


@given(one=documents, other=documents)
def test_two_documents_flatten_alike_exactly_when_they_are_alike(one: Any, other: Any) -> None:
    def leaves(document: Any) -> list[tuple[str, bytes]]:
        return sorted((spelled(steps), canonical(value)) for steps, value in flatten(document))

    if canonical(one) == canonical(other):
        assert leaves(one) == leaves(other)


def test_a_node_cannot_stand_for_its_leaves_and_a_layer_not_for_another() -> None:
    assert merkle([b"a" * 32, b"b" * 32]) != merkle([merkle([b"a" * 32, b"b" * 32]), b"b" * 32])
    assert layer_root("api", {"a": 1}) != layer_root("layer", {"a": 1})
    assert Digest({"api": {}}).root != Digest({}).root


def test_a_known_tree_keeps_its_root() -> None:
    digest = Digest({"api": {"kubernetes:minor": "1.34"}, "layer": {"a": 1, "b": [], "c": "x"}})
    assert digest.root == "b11220f5378ed31d64547ad4680cd4a3e7eaad343a544c58381c4976c8732672"


def test_paths_of_different_fields_are_never_spelled_alike() -> None:
    assert spelled(("a.b", "c")) != spelled(("a", "b.c")) != spelled(("a", "b", "c"))


def test_named_items_are_reached_by_name_so_that_one_more_moves_no_other() -> None:
    before = dict(flatten({"env": [{"name": "A", "value": "1"}]}))
    after = dict(flatten({"env": [{"name": "Z", "value": "2"}, {"name": "A", "value": "1"}]}))
    assert before.items() <= after.items()


def test_live_objects_lose_what_each_server_sets_for_itself_and_keep_its_defaults() -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "n", "uid": "1", "resourceVersion": "2", "creationTimestamp": "now", "generation": 1},
        "spec": {
            "clusterIP": "10.0.0.1",
            "clusterIPs": ["10.0.0.1"],
            "sessionAffinity": "None",
            "ports": [{"port": 80, "nodePort": 30000}],
        },
        "status": {"loadBalancer": {}},
    }
    assert leaves_of(obj, live=True) == {
        "Service/n/s:apiVersion": "v1",
        "Service/n/s:kind": "Service",
        "Service/n/s:metadata.name": "s",
        "Service/n/s:metadata.namespace": "n",
        "Service/n/s:spec.sessionAffinity": "None",
        "Service/n/s:spec.ports.0.port": 80,
    }


def test_the_values_of_a_secret_play_no_part_and_its_keys_do() -> None:
    def secret(**data: str) -> dict[str, str]:
        return leaves_of({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})

    assert secret(a="1") == secret(a="2")
    assert secret(a="1") != secret(b="1")


def test_a_setting_in_a_yaml_file_is_a_leaf_of_its_own() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"config.yaml": "expose: ClusterIP\n"}}
    assert leaves_of(obj)['ConfigMap/c:data."config.yaml".expose'] == "ClusterIP"


def test_an_allowed_path_hides_what_lies_at_and_under_it_and_nothing_else() -> None:
    assert matches(("spec", "type"), steps_of("spec/type"))
    assert matches(("spec", "ingress", "0", "from", "1", "ipBlock", "cidr"), steps_of("spec/ingress/*/from/*/ipBlock"))
    assert not matches(("spec",), steps_of("spec/type"))
    assert not matches(("spec", "typed"), steps_of("spec/type"))
    assert steps_of("annotations/commonweal.dev~1config-digest") == ("annotations", "commonweal.dev/config-digest")


def test_one_more_allowed_difference_changes_the_root() -> None:
    more = (*ALLOWED_DIFFERENCES, Difference("Deployment", "spec/replicas", "to hide something"))
    assert Digest({"allowed": allow_list()}).root != Digest({"allowed": allow_list(more)}).root


@pytest.mark.parametrize(("right", "status"), [({"a": 1}, EQUAL), ({"a": 2}, DIFFERENT), ({}, DIFFERENT)])
def test_the_report_names_both_roots_and_each_leaf_with_both_values(right: dict[str, Any], status: int) -> None:
    out, digests = io.StringIO(), [Digest({"layer": {"a": 1}}), Digest({"layer": right})]

    assert report(["onprem", "cloud"], digests, out) == status

    text = out.getvalue()
    assert all(digest.root in text for digest in digests)
    assert ("equal: 1 leaves" in text) is (status == EQUAL)
    if status == DIFFERENT:
        assert f"  layer: a: 1 | {right.get('a', ABSENT)}\n" in text
