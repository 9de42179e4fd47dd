"""Revisions of the blueprint: frozen, named, and which may follow on which."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest

from commonweal_api.signatures import canonical
from commonweal_stacks import blueprint
from commonweal_stacks.blueprint import REVISIONS, current, files, refusal_of, revision
from commonweal_stacks.blueprint.changes import parts_of
from commonweal_stacks.exceptions import UnknownRevisionError
from commonweal_stacks.manifests import STORAGE_CLASS

# A revision that a site may run is never edited. A new one gets a line here; a changed line is a mistake.
DIGESTS = {"r1": "9e5f307102b1f384", "r2": "876c352418a355d5", "r3": "ec69e684dbb44f6f", "r4": "4850fad52a57e3d5", "r5": "c071ac6d4a8b315c"}


def test_no_revision_has_changed_since_it_was_released() -> None:
    assert {name: hashlib.sha256(canonical(each.data())).hexdigest()[:16] for name, each in REVISIONS.items()} == DIGESTS


def test_revisions_go_by_their_names_and_cannot_be_edited() -> None:
    assert list(REVISIONS) == ["r1", "r2", "r3", "r4", "r5"]
    for name, each in REVISIONS.items():
        assert each.revision == name
        assert revision(name) is each
    assert current() is REVISIONS[blueprint.CURRENT]
    newest = max(name for name, each in REVISIONS.items() if each.kubernetes == current().kubernetes)
    assert newest == blueprint.CURRENT
    with pytest.raises(dataclasses.FrozenInstanceError):
        current().kubernetes = "v1.0.0"  # type: ignore[misc]
    for mapping in (current().sizes, current().machines, REVISIONS):
        with pytest.raises(TypeError):
            mapping["more"] = None  # type: ignore[index]


def test_an_unknown_revision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownRevisionError, match="there is no blueprint 'r9'; there are r1, r2, r3, r4, r5"):
        revision("r9")


@pytest.mark.parametrize("each", REVISIONS.values(), ids=list(REVISIONS))
def test_a_revision_is_whole(each: blueprint.Blueprint) -> None:
    assert parts_of(each.kubernetes) > (1, 30, 0)
    assert STORAGE_CLASS in each.storage_classes
    assert each.image == f"ubuntu-2404-kube-{each.kubernetes}"
    for size in each.sizes.values():
        assert size.planes % 2 == 1, "etcd needs an odd number"
        assert size.workers >= 1
        assert {size.plane, size.worker} <= set(each.machines)
    assert json.loads(json.dumps(each.data())) == each.data()


@pytest.mark.parametrize(
    ("outside", "met"),
    [
        ("10.0.0.0/16", None),
        ("10.244.7.0/24", "10.244.0.0/16"),
        ("10.0.0.0/8", "10.244.0.0/16"),
        ("10.96.0.0/30", "10.96.0.0/16"),
        ("fd00::/8", None),
    ],
)
def test_a_network_outside_that_meets_one_inside_is_found(outside: str, met: str | None) -> None:
    assert current().network.collision(outside) == met


@pytest.mark.parametrize(
    ("running", "wanted", "words"),
    [
        (None, "r1", None),
        ("v1.36.3", "r1", None),
        ("v1.36.3+k3s1", "r2", None),
        ("v1.36.3", "r3", None),
        ("v1.35.9", "r2", None),
        ("v1.37.2", "r2", "Cluster API cannot decrease a version. Name a revision of that version or a newer one"),
        ("v1.36.5", "r2", "the cluster is at v1.36.5"),
        ("v1.33.1", "r3", "no minor may be left out. Take the revisions in between first"),
    ],
)
def test_a_change_that_cluster_api_would_refuse_is_foretold(running: str | None, wanted: str, words: str | None) -> None:
    reason = refusal_of(running, revision(wanted))
    assert (words in reason) if words and reason else reason is words


def test_a_version_that_is_none_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match=r"'latest' is not a Kubernetes version such as v1.36.3"):
        parts_of("latest")


def test_the_file_of_encryption_holds_the_key_and_reads_what_was_there_before() -> None:
    written: dict[str, Any] = json.loads(files.encryption(current(), "00" * 31 + "ff"))

    (resources,) = written["resources"]
    assert resources["resources"] == ["secrets", "configmaps"]
    assert [next(iter(each)) for each in resources["providers"]] == ["secretbox", "identity"]
    assert resources["providers"][0]["secretbox"]["keys"] == [{"name": "key1", "secret": "A" * 41 + "P8="}]


@pytest.mark.parametrize("key", ["", "5e", "5e" * 31, "5e" * 33, "xy" * 32])
def test_a_key_of_another_length_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal"):
        files.encryption(current(), key)
