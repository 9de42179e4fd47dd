"""What is signed: the content, whoever writes it down and however, and nothing but the content."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from commonweal_api import ConsentPolicy
from commonweal_api.agreement_signatures import agreement_content, agreement_hash, jws_payload
from commonweal_api.jwk import Jwk
from support.manifests import Change, add, consent_policy, consent_policy_in_full, drop, put, signature


def _hash(*changes: Change, full: bool = True, provider: str = "tax", name: str = "benefits-reads-people") -> str:
    manifest = (consent_policy_in_full if full else consent_policy)(*changes)
    return agreement_hash(provider, name, ConsentPolicy.model_validate(manifest).spec)


def test_the_hash_is_that_of_canonical_json() -> None:
    spec = ConsentPolicy.model_validate(consent_policy_in_full()).spec
    text = json.dumps(agreement_content("tax", "a", spec), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert agreement_hash("tax", "a", spec) == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_a_hash_once_signed_stays_what_it_was() -> None:
    """Departments have signed it: a change here would close every agreement there is."""
    assert _hash(full=False) == "sha256:941d36e7443b0fada233854b517e0da2162dfd71957eaa097ac5ce363cf773f8"


@pytest.mark.parametrize(
    "same",
    [
        (put("spec.mode", "Enforce"),),
        (drop("spec.mode"),),
        (drop("spec.signatures"),),
        (put("spec.signatures", [signature("tax", "sha256:" + "00" * 32)]),),
        (put("spec.validity", {"from": "2026-01-01T01:00:00+01:00", "until": "2030-01-01T00:00:00.000Z"}),),
        (put("spec.limits.once", False),),
    ],
)
def test_how_it_is_written_and_who_has_signed_changes_nothing(same: tuple[Change, ...]) -> None:
    assert _hash(*same) == _hash()


def test_what_stands_at_its_default_is_as_good_as_left_out() -> None:
    written = put("spec.limits", {"maxRows": 100, "onwardSharing": False}), put("spec.transparency", {"visibility": "Immediate"})
    assert _hash(*written, full=False) == _hash(full=False)


IN_WELSH = put("spec.purposes.0.cy", {"text": "Brawddeg y mae person yn ei darllen yn Gymraeg."})


def test_welsh_is_signed_where_its_english_is_and_none_changes_no_hash() -> None:
    without, worded = _hash(full=False), _hash(IN_WELSH, full=False)
    assert _hash(put("spec.purposes.0.cy", None), full=False) == without != worded
    assert _hash(put("spec.purposes.0.cy", {"text": "Brawddeg arall y mae person yn ei darllen."}), full=False) not in {without, worded}
    assert _hash(put("spec.assurance.cy", {"benefits": "Nid oes angen anfon yr un papurau ddwywaith."})) != _hash()


@pytest.mark.parametrize("areas", [["GB", "GB-WLS"], ["GB-EAW"]])
def test_for_wales_both_languages_are_enough(areas: list[str]) -> None:
    welsh = put("spec.assurance.cy", {"benefits": "Nid oes angen anfon yr un papurau ddwywaith."})
    reason = put("spec.transparency", {"visibility": "Suppressed", "reason": "A notice would defeat the investigation."})
    told = put("spec.transparency.cy", {"reason": "Byddai hysbysiad yn difetha ymchwiliad."})
    ConsentPolicy.model_validate(consent_policy_in_full(put("spec.assurance.areas", areas), IN_WELSH, welsh, reason, told))
    with pytest.raises(ValidationError, match="people are shown both languages"):
        ConsentPolicy.model_validate(consent_policy_in_full(put("spec.assurance.areas", areas), IN_WELSH, welsh, reason))


def _leaves(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(node, dict | list):
        keys: Any = node if isinstance(node, dict) else range(len(node))
        return [leaf for key in keys for leaf in _leaves(node[key], (*path, key))]
    return [path]


SIGNED = [p for p in _leaves(consent_policy_in_full()["spec"]) if p[0] not in {"mode", "signatures"}]


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: ".".join(map(str, path)))
def test_every_leaf_of_an_agreement_is_in_what_is_signed(path: tuple[str | int, ...]) -> None:
    manifest = consent_policy_in_full()
    written, signed = manifest["spec"], agreement_content("tax", "a", ConsentPolicy.model_validate(manifest).spec)["spec"]
    for step in path:
        written, signed = written[step], signed[step]
    assert signed == written


def test_provider_and_name_are_signed_too() -> None:
    assert len({_hash(), _hash(provider="health"), _hash(name="other")}) == 3


def test_an_added_field_or_client_is_another_agreement() -> None:
    assert (
        len(
            {
                _hash(),
                _hash(add("spec.fields", "income")),
                _hash(add("spec.consumer.clients", "other")),
                _hash(put("spec.fields", ["birthYear", "name"])),
            }
        )
        == 4
    )


def test_the_payload_of_a_signature_names_hash_party_and_time() -> None:
    assert jws_payload("sha256:00", "tax", 7) == {"hash": "sha256:00", "party": "tax", "iat": 7}


@pytest.mark.parametrize("wrong", [{"kty": "RSA"}, {"crv": "X25519"}, {"alg": "none"}, {"x": "short"}, {"kid": "nothex"}, {"d": "private"}])
def test_a_key_is_ed25519_and_public(wrong: dict[str, str]) -> None:
    good = {"x": "A" * 43, "kid": "0" * 16, "purpose": "Agreement"}
    assert Jwk.model_validate(good).wire() == {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", **good}
    with pytest.raises(ValidationError):
        Jwk.model_validate(good | wrong)
