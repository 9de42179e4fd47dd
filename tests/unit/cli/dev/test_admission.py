"""What a stack refuses is what an API server refuses (tests/contract/api says what that is), in the same words."""

from __future__ import annotations

import pytest

from commonweal_api import KINDS
from commonweal_api.common import Kind
from commonweal_cli.dev.admission import admit
from commonweal_kube.exceptions import ApiError
from contract.api.test_manifests import GOOD
from contract.api.test_what_cannot_change import FIXED, FREE, STORED, changed
from support.bad_manifests import BAD, Bad
from support.manifests import Body, Change


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
def test_a_bad_manifest_is_refused_in_the_api_servers_words(bad: Bad) -> None:
    with pytest.raises(ApiError) as refusal:
        admit(dict(bad.manifest), None)
    assert bad.field in refusal.value.message
    assert bad.remedy.server in refusal.value.message


@pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good['kind']}-{good['metadata']['name']}")
def test_a_good_one_is_kept_with_the_defaults_of_the_models(good: Body) -> None:
    model: type[Kind] = next(kind for kind in KINDS if kind.__name__ == good["kind"])
    kept = admit(dict(good), None)
    assert model.model_validate(kept) == model.model_validate(good)
    assert admit(kept, kept) == kept


@pytest.mark.parametrize(("kind", "changes", "words"), FIXED, ids=[words for _, _, words in FIXED])
def test_what_cannot_change_is_refused(kind: str, changes: tuple[Change, ...], words: str) -> None:
    stored = admit(dict(STORED[kind]), None)
    with pytest.raises(ApiError) as refusal:
        admit(changed(kind, changes), stored)
    assert words in refusal.value.message


@pytest.mark.parametrize(("kind", "changes"), FREE)
def test_every_other_field_may_change(kind: str, changes: tuple[Change, ...]) -> None:
    admit(changed(kind, changes), admit(dict(STORED[kind]), None))


def test_an_object_of_another_kind_is_kept_as_it_is() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {}}
    assert admit(secret, None) == secret
