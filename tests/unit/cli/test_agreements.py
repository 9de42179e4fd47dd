"""`commonweal agreement` without a cluster: what is said, what is verified from files, and what is refused. Signing on a cluster: tests/contract/operator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_cli import main
from commonweal_cli.agreements import signing
from commonweal_cli.agreements.words import in_words
from commonweal_local.exceptions import LocalError
from support.manifests import consent_policy, consent_policy_in_full, drop, put
from support.signing import key_of, keys_status, seed_of, signature, signed


def verify(folder: Path, manifest: dict[str, Any], *parties: str) -> int:
    """Verify the manifest from a file, with the key sets of these parties."""
    file = folder / "agreement.yaml"
    file.write_text(yaml.safe_dump(manifest))
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
        signing.signatures_with(signing.agreement_of(manifest), "tax", seed_of("tax"), 1)


def test_ones_own_old_signature_is_replaced() -> None:
    manifest = signed(consent_policy(), {"tax": seed_of("tax", 1)})
    found = signing.signatures_with(signing.agreement_of(manifest), "tax", seed_of("tax"), 1)
    assert [s["party"] for s in found] == ["benefits", "tax"]
    again = signing.agreement_of(manifest | {"spec": manifest["spec"] | {"signatures": found}})
    assert all(v.good for v in signing.verdicts(again, {name: key_of(name) for name in ("tax", "benefits")}))
