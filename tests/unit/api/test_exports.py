"""What is exported is what the standards say: ODCS by the schema of its own package, Cedar by Cedar's validator, the others by their schemas."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from importlib.resources import files
from typing import Any

import cedarpy
import pytest
import yaml
from jsonschema import Draft201909Validator, Draft202012Validator

from commonweal_api import ConsentPolicy, DataProduct
from commonweal_api.exports import agreement_files, cedar_policy, cedar_schema, product_files, record_schema, register_row
from commonweal_api.exports.register import COLUMNS
from commonweal_api.rights import RIGHTS, BasisType
from support.manifests import (
    Change,
    add,
    consent_policy,
    consent_policy_in_full,
    data_product,
    data_product_in_full,
    drop,
    on_basis,
    put,
    signature,
)
from support.standards import DSP_AGREEMENT, ODPS

ODCS = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text())
PRODUCTS = [
    data_product(),
    data_product(put("spec.subject", {"column": "person_ref", "records": "Many", "recordKey": "row"})),
    data_product_in_full(),
    data_product_in_full(put("spec.owner.steward", "https://tax.example/stewards"), put("spec.quality.2.atLeast", 10)),
]
POLICIES = [
    *(consent_policy(on_basis(basis)) for basis in BasisType),
    consent_policy_in_full(),
    consent_policy_in_full(put("spec.mode", "Enforce")),
]


def _product(*changes: Change) -> DataProduct:
    return DataProduct.model_validate(data_product_in_full(*changes))


def _policy(*changes: Change) -> ConsentPolicy:
    return ConsentPolicy.model_validate(consent_policy(*changes))


def _files(manifest: dict[str, Any]) -> dict[str, str]:
    return product_files(DataProduct.model_validate(manifest), "tax", endpoint="https://data.tax.example/v1/people")


@pytest.mark.parametrize("manifest", PRODUCTS)
def test_contracts_fit_the_open_data_contract_standard(manifest: dict[str, Any]) -> None:
    contracts = [yaml.safe_load(text) for name, text in _files(manifest).items() if name.endswith(".odcs.yaml")]
    assert len(contracts) == 1 + len(manifest["spec"].get("earlier", []))
    for contract in contracts:
        Draft201909Validator(ODCS).validate(contract)


def test_a_contract_has_every_field_and_answer_and_names_no_source() -> None:
    text = _files(data_product_in_full())["contract-2.1.0.odcs.yaml"]
    properties = {p["name"]: p for p in yaml.safe_load(text)["schema"][0]["properties"]}
    assert {n: p["logicalType"] for n, p in properties.items()} == {
        "name": "string", "birthDate": "date", "birthYear": "integer", "income": "number", "town": "string", "adult": "boolean", "earns": "boolean",
    }  # fmt: skip
    assert properties["town"]["classification"] == "OfficialSensitive"
    assert [n for n, p in properties.items() if p["required"]] == ["name"]
    assert not any(word in text for word in ("heritage", "full_name", "person_ref", "upper(", "current_date"))


def test_checks_keep_metric_bounds_and_whether_they_stop() -> None:
    (schema,) = yaml.safe_load(_files(data_product_in_full(put("spec.quality.2.atLeast", 10)))["contract-2.1.0.odcs.yaml"])["schema"]
    (whole,) = schema["quality"]
    assert (whole["metric"], whole["severity"], whole["mustBeGreaterOrEqualTo"]) == ("rowCount", "error", 1)
    nulls, doubles = next(p["quality"] for p in schema["properties"] if p["name"] == "name")
    assert (nulls["metric"], nulls["severity"], nulls["mustBeLessOrEqualTo"]) == ("nullValues", "warning", 0)
    assert (doubles["metric"], doubles["mustBe"]) == ("duplicateValues", 10)
    (invalid,) = next(p["quality"] for p in schema["properties"] if p["name"] == "town")
    assert invalid["arguments"] == {"validValues": ["London", "Leeds"]}


def test_an_earlier_version_is_deprecated_and_says_until_when() -> None:
    contract = yaml.safe_load(_files(data_product_in_full())["contract-1.4.0.odcs.yaml"])
    assert (contract["status"], contract["slaProperties"]) == (
        "deprecated",
        [{"property": "endOfSupport", "value": "2027-06-01T00:00:00Z"}],
    )
    assert contract["id"].endswith("/people/v1")
    assert contract["servers"][0]["location"].endswith("/people@1")


@pytest.mark.parametrize("manifest", PRODUCTS)
def test_the_product_fits_the_open_data_product_standard(manifest: dict[str, Any]) -> None:
    product = yaml.safe_load(_files(manifest)["product.odps.yaml"])
    Draft202012Validator(ODPS).validate(product)
    contracts = {yaml.safe_load(text)["id"] for name, text in _files(manifest).items() if name.endswith(".odcs.yaml")}
    assert {port["contractId"] for port in product["outputPorts"]} == contracts


def test_the_catalogue_entry_says_who_where_and_that_it_is_restricted() -> None:
    entry = json.loads(_files(data_product_in_full())["catalogue.dcat.json"])
    assert (entry["@type"], entry["dcat:version"], entry["dct:identifier"]) == ("dcat:Dataset", "2.1.0", "tax/people")
    assert entry["dct:accessRights"]["@id"].endswith("/RESTRICTED")
    assert entry["dcat:contactPoint"]["vcard:hasEmail"]["@id"] == "mailto:steward@tax.example"
    assert entry["dcat:distribution"]["dcat:accessService"]["dcat:servesDataset"]["@id"] == entry["@id"]
    prefixes = {key.partition(":")[0] for key in entry if not key.startswith("@")}
    assert prefixes <= set(entry["@context"])


RECORD = {"name": "Ann", "birthDate": "1980-02-29", "birthYear": 1980, "income": 12.5, "town": None, "adult": True, "earns": False}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"income": 12}, True),
        ({"income": None, "adult": None}, True),
        ({"name": None}, False),
        ({"birthYear": "1980"}, False),
        ({"birthDate": "1980-02-30"}, False),
        ({"adult": "yes"}, False),
        ({"born": "1980-01-01"}, False),
    ],
)
def test_the_schema_of_a_record_tells_records_from_others(change: dict[str, Any], fits: bool) -> None:
    product = _product()
    schema = record_schema(product, "tax", product.spec)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert validator.is_valid(RECORD | change) is fits
    assert validator.is_valid({"name": "Ann"}), "an agreement may give some of the fields"


@pytest.mark.parametrize("manifest", POLICIES)
def test_agreements_fit_the_dataspace_protocol(manifest: dict[str, Any]) -> None:
    policy = ConsentPolicy.model_validate(manifest)
    agreement = json.loads(agreement_files(policy, "tax", _product())["agreement.odrl.json"])
    Draft202012Validator(DSP_AGREEMENT).validate(agreement)
    said = {c["leftOperand"].rpartition("#")[2]: c["rightOperand"] for c in agreement["permission"][0]["constraint"][0]["and"]}
    rights = RIGHTS[policy.spec.basis.type]
    assert ("hasConsentStatus" in said) is rights.grant
    assert ("objection" in said) is rights.objection
    assert ("interest" in said) is rights.condition
    assert said["field"] == policy.spec.fields
    assert ("prohibition" in agreement) is not policy.spec.limits.onward_sharing


def test_an_agreement_says_when_the_last_party_signed() -> None:
    def signed(party: str, said: str) -> dict[str, Any]:
        payload = urlsafe_b64encode(said.encode()).decode().rstrip("=")
        return signature(party) | {"jws": f"eyJhbGciOiJFZERTQSJ9.{payload}.c2lnbmF0dXJl"}

    def when(*signatures: dict[str, Any]) -> Any:
        return json.loads(agreement_files(_policy(put("spec.signatures", list(signatures))), "tax", _product())["agreement.odrl.json"]).get(
            "timestamp"
        )

    assert when(signed("tax", '{"iat": 1767225600}'), signed("benefits", '{"iat": 1767312000}')) == "2026-01-02T00:00:00Z"
    for odd in ('{"iat": "soon"}', '{"iat": 1e40}', "[]", "not json", "{}"):
        assert when(signed("tax", odd)) is None


@pytest.mark.parametrize("manifest", POLICIES)
def test_cedar_validates_every_policy_against_the_schema(manifest: dict[str, Any]) -> None:
    result = cedarpy.validate_policies(cedar_policy(ConsentPolicy.model_validate(manifest), "tax", opens=True), cedar_schema())
    assert result.validation_passed, result.errors


def test_cedar_would_refuse_a_policy_that_does_not_fit_the_schema() -> None:
    wrong = cedar_policy(_policy(), "tax", opens=True).replace("context.purpose", "context.reason")
    assert not cedarpy.validate_policies(wrong, cedar_schema()).validation_passed


@pytest.mark.parametrize(("mode", "opens"), [("Enforce", False), ("DryRun", True), ("DryRun", False)])
def test_what_is_not_signed_or_only_tried_permits_nothing(mode: str, opens: bool) -> None:
    text = cedar_policy(_policy(put("spec.mode", mode)), "tax", opens=opens)
    assert all(line.startswith("//") for line in text.splitlines())


@pytest.mark.parametrize("law", ['Act "1"; } permit(principal, action, resource);', "back\\slash", "line\nfeed", "§ 5 – «quoted» 𝄞"])
def test_free_text_stays_inside_its_string(law: str) -> None:
    text = cedar_policy(_policy(on_basis("PublicTask"), put("spec.basis.legalPower", law)), "tax", opens=True)
    (policy,) = cedarpy.policies_to_json_str(text) and json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    assert policy["annotations"]["legalPower"] == law


def test_a_moment_finer_than_cedar_knows_is_rounded_up_on_both_ends() -> None:
    text = cedar_policy(
        _policy(put("spec.validity", {"from": "2026-01-01T00:00:00.000001Z", "until": "2026-12-31T23:59:59.999900Z"})), "tax", opens=True
    )
    assert 'context.now >= datetime("2026-01-01T00:00:00.001Z")' in text
    assert 'context.now < datetime("2027-01-01T00:00:00.000Z")' in text


def test_the_register_row_has_its_18_columns() -> None:
    policy = ConsentPolicy.model_validate(consent_policy_in_full())
    document = register_row(policy, "tax", _product(), number=7, display_names={"tax": "Tax Authority", "benefits": "Benefits Office"})
    assert (len(COLUMNS), tuple(document["row"]), document["missing"]) == (18, COLUMNS, [])
    row = document["row"]
    assert (row["information-sharing-agreement"], row["controller-names"]) == ("tax-7", "Tax Authority;Benefits Office")
    assert (row["start-date"], row["review-date"], row["end-date"]) == ("2026-01-01", "2027-01-01", "2030-01-01")
    assert (row["retention"], row["area-names"]) == ("15 days after it was read", "United Kingdom;Scotland")
    assert register_row(_policy(on_basis("Contract")), "tax", _product())["row"]["legal-power"] == "Finance Act 2026, section 1"


def test_the_register_row_names_what_an_agreement_without_assurance_lacks() -> None:
    missing = register_row(_policy(), "tax", _product())["missing"]
    assert missing == [
        "information-sharing-agreement", "benefits", "method", "processors", "processor-names", "review-date", "contact", "areas", "area-names",
    ]  # fmt: skip


def test_the_register_describes_fields_as_the_newest_version_does() -> None:
    product = _product(put("spec.fields.0.description", "The full name"), put("spec.earlier.0.fields.0.description", "An old name"))
    row = register_row(_policy(), "tax", product)["row"]
    assert row["disclosed-information"] == "name (The full name);birthYear"


def test_nothing_about_an_endpoint_is_said_when_there_is_none() -> None:
    files_ = product_files(
        _product(drop("spec.owner"), add("spec.answers", {"name": "old", "expression": "true", "description": "Whether."})), "tax"
    )
    assert "servers" not in yaml.safe_load(files_["contract-2.1.0.odcs.yaml"])
    assert "dcat:distribution" not in json.loads(files_["catalogue.dcat.json"])
