"""`commonweal agreement` without a cluster: what is said, what is verified from files, and what is refused. Signing on a cluster: tests/contract/operator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_api import agreement_signatures as jws
from commonweal_cli import main
from commonweal_cli.agreements import signing
from commonweal_cli.agreements.words import in_words
from commonweal_local.exceptions import LocalError
from support.manifests import consent_policy, consent_policy_in_full, data_product, drop, put
from support.signing import key_of, keys_status, seed_of, signature, signed


def verify(folder: Path, manifest: dict[str, Any], *parties: str) -> int:
    """Verify the manifest from a file, with the key sets of these parties."""
    file = folder / "agreement.yaml"
    file.write_text(yaml.safe_dump_all([data_product(), manifest]))
    words = ["agreement", "verify", str(file)]
    for party in parties:
        (folder / f"{party}.json").write_text(json.dumps({"keys": keys_status(party)}))
        words += ["--jwks", f"{party}={folder / party}.json"]
    return main.main(words)


def test_both_signatures_are_verified_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tmp_path, signed(consent_policy()), "tax", "benefits") == 0
    said = capsys.readouterr().out
    assert said.count("good") == 2
    assert f"signed on 2026-09-21 14:13:20 UTC with its key {key_of('tax').kid}" in said


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (consent_policy(), "tax: has not signed"),
        (signed(consent_policy(), by=("benefits",)), "tax: has not signed"),
        (signed(consent_policy(), {"tax": seed_of("tax", 1)}), "was not made with its key"),
        (signed(consent_policy()) | {"spec": signed(consent_policy())["spec"] | {"fields": ["name"]}}, "signed other terms: sha256:"),
        (consent_policy(put("spec.signatures", [signature(consent_policy(), "health")])), "health: is no party of this agreement"),
        (signed(consent_policy(name="another")) | {"metadata": consent_policy()["metadata"]}, "signed other terms: sha256:"),
    ],
)
def test_a_signature_that_does_not_hold_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], manifest: dict[str, Any], says: str
) -> None:
    assert verify(tmp_path, manifest, "tax", "benefits") == 1
    said = capsys.readouterr().out
    assert "BAD" in said
    assert says in said


def test_a_party_without_a_key_set_is_not_taken_for_granted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tmp_path, signed(consent_policy()), "tax") == 1
    assert "benefits: its public key is not known" in capsys.readouterr().out


def test_mode_is_no_part_of_what_is_signed(tmp_path: Path) -> None:
    manifest = signed(consent_policy())
    manifest["spec"]["mode"] = "DryRun"
    assert verify(tmp_path, manifest, "tax", "benefits") == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- 1", "holds 0 ConsentPolicies"),
        ("kind: [", "agreement.yaml"),
        (yaml.safe_dump(consent_policy(drop("metadata.namespace"))), "metadata.namespace: is no department's namespace"),
        (yaml.safe_dump(consent_policy(put("spec.fields", []))), "spec.fields"),
        ("---\n".join([yaml.safe_dump(consent_policy())] * 2), "holds 2 ConsentPolicies"),
    ],
)
def test_a_file_that_holds_no_agreement_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    (tmp_path / "agreement.yaml").write_text(text)
    assert main.main(["agreement", "verify", str(tmp_path / "agreement.yaml"), "--jwks", "tax=none"]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"keys": [{"kty": "RSA"}]}', json.dumps({"keys": [key_of("tax").wire() | {"purpose": "Seal"}]})]
)
def test_a_key_set_without_a_key_for_agreements_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (tmp_path / "agreement.yaml").write_text(yaml.safe_dump(signed(consent_policy())))
    (tmp_path / "keys.json").write_text(content)
    assert main.main(["agreement", "verify", str(tmp_path / "agreement.yaml"), "--jwks", f"tax={tmp_path / 'keys.json'}"]) == 1
    assert "--jwks tax=" in capsys.readouterr().err


def test_a_name_without_a_namespace_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["agreement", "show", "no-such-file"]) == 1
    assert "Add -n dept-<provider>" in capsys.readouterr().err


def test_an_agreement_is_shown_with_everything_that_its_hash_covers() -> None:
    agreement = signing.agreement_of(consent_policy_in_full())
    said, spec = in_words(agreement.provider, agreement.name, agreement.spec), agreement.spec
    for word in (
        *spec.fields,
        *spec.consumer.clients,
        spec.consumer.department,
        spec.product.name,
        spec.basis.type,
        *(p.text for p in spec.purposes),
    ):
        assert word in said
    for word in (*spec.subjects.delegation, spec.transparency.visibility, str(spec.limits.max_rows), spec.validity.until.isoformat()):
        assert word in said
    assert spec.assurance is not None
    assert spec.assurance.contact in said


def test_nobody_signs_beside_a_signature_over_other_terms() -> None:
    manifest = signed(consent_policy(), by=("benefits",))
    manifest["spec"]["limits"] = {"maxRows": 7}
    with pytest.raises(LocalError, match=r"benefits signed sha256:.*have both sign again"):
        signing.signatures_with(signing.agreement_of(manifest, data_product()), "tax", seed_of("tax"), 1)


def test_ones_own_old_signature_is_replaced() -> None:
    manifest = signed(consent_policy(), {"tax": seed_of("tax", 1)})
    found = signing.signatures_with(signing.agreement_of(manifest, data_product()), "tax", seed_of("tax"), 1)
    assert [s["party"] for s in found] == ["benefits", "tax"]
    again = signing.agreement_of(manifest | {"spec": manifest["spec"] | {"signatures": found}}, data_product())
    assert all(v.good for v in signing.verdicts(again, {name: key_of(name) for name in ("tax", "benefits")}))


# What is signed is what is shown

MEANING = (
    "postgres heritage.internal:5432/heritage/public.person",
    "one a person",
    "column person_ref",
    "String from column full_name",
    "Year of birthDate",
    "Date from column born",
)


def test_what_the_fields_mean_is_shown_before_it_is_signed() -> None:
    agreement = signing.renewed(signing.agreement_of(consent_policy(), data_product()))
    said = in_words(agreement.provider, agreement.name, agreement.spec, agreement.meaning)
    for word in (*MEANING, agreement.spec.nonce):
        assert str(word) in said


def test_no_text_of_an_older_server_moves_the_cursor_or_hides_a_word() -> None:
    """Attack l: a purpose with an escape sequence wrote another line over the hash."""
    agreement = signing.agreement_of(consent_policy(), data_product())
    evil = "A purpose.\x1b[2K\r  hash: sha256:0\n  hash:       sha256:1 \u202eesrever\u200b"
    purpose = agreement.spec.purposes[0].model_copy(update={"text": evil})
    said = in_words(agreement.provider, agreement.name, agreement.spec.model_copy(update={"purposes": [purpose]}), agreement.meaning)
    (line,) = [line for line in said.split("\n") if "A purpose" in line]
    assert "\\x1b[2K\\r  hash: sha256:0\\n  hash:       sha256:1 \\u202eesrever\\u200b" in line
    assert all(c.isprintable() for c in said.replace("\n", ""))


def test_a_product_that_means_something_else_is_another_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest, other = signed(consent_policy()), data_product(put("spec.fields.1.column", "person_ref"))
    (tmp_path / "agreement.yaml").write_text(yaml.safe_dump_all([other, manifest]))
    (tmp_path / "tax.json").write_text(json.dumps({"keys": keys_status("tax")}))
    assert main.main(["agreement", "verify", str(tmp_path / "agreement.yaml"), "--jwks", f"tax={tmp_path / 'tax.json'}"]) == 1
    assert "signed other terms" in capsys.readouterr().out


def test_a_status_that_speaks_of_these_fields_is_enough_and_one_of_others_is_not() -> None:
    found = signing.agreement_of(consent_policy(), data_product())
    assert found.meaning is not None
    status = {"meaning": found.meaning.wire()}
    assert signing.agreement_of(consent_policy() | {"status": status}).meaning == found.meaning
    other = consent_policy(put("spec.fields", ["name"])) | {"status": status}
    with pytest.raises(LocalError, match="It is not known what every field of tax/benefits-reads-people means"):
        _ = signing.renewed(signing.agreement_of(other)).hash


def test_a_revocation_is_the_partys_own_word_about_this_nonce() -> None:
    agreement = signing.agreement_of(signed(consent_policy()), data_product())
    (made,) = signing.revocations_with(agreement, "benefits", seed_of("benefits"), 7)
    found = jws.verify_revocation(made["jws"], key_of("benefits"))
    assert found == jws.Revoked(agreement.spec.nonce or "", agreement.hash, "benefits", 7)
    assert jws.verify_revocation(made["jws"], key_of("tax")) is None
    assert jws.verify(made["jws"], [key_of("benefits")]) is None, "and no signature under the agreement"
    assert all(jws.verify_revocation(s.jws, key_of(s.party)) is None for s in agreement.spec.signatures), "nor is a signature a revocation"


def test_who_wants_it_over_needs_no_product_and_says_so_once() -> None:
    manifest = signed(consent_policy())
    agreement = signing.agreement_of(manifest)
    (made,) = signing.revocations_with(agreement, "tax", seed_of("tax"), 7)
    assert made["hash"] == manifest["spec"]["signatures"][0]["hash"], "its product is gone, so what was signed is named"
    again = signing.agreement_of(manifest | {"spec": manifest["spec"] | {"revocations": [made]}})
    with pytest.raises(LocalError, match=r"tax has revoked .* already"):
        signing.revocations_with(again, "tax", seed_of("tax"), 8)
    assert [r["party"] for r in signing.revocations_with(again, "benefits", seed_of("benefits"), 8)] == ["tax", "benefits"]


def test_who_is_no_party_revokes_nothing_and_without_a_nonce_there_is_nothing_to_revoke() -> None:
    agreement = signing.agreement_of(signed(consent_policy()), data_product())
    with pytest.raises(LocalError, match="health is no party"):
        signing.revocations_with(agreement, "health", seed_of("health"), 7)
    with pytest.raises(LocalError, match=r"spec.nonce: is missing.*Take spec.signatures out"):
        signing.revocations_with(signing.agreement_of(consent_policy()), "tax", seed_of("tax"), 7)
