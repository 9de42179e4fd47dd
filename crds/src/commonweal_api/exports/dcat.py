"""DCAT 3: a catalogue entry as JSON-LD. It says that the records exist and on what terms, and holds none of them."""

from __future__ import annotations

from typing import Any

from commonweal_api.data_product import DataProduct, DataProductSpec
from commonweal_api.exports.names import contract_id, product_id, versions_of
from commonweal_api.plan import audience_of

CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# Not public, and who may read is decided by agreement: the word of the EU's vocabulary for that.
RESTRICTED = "http://publications.europa.eu/resource/authority/access-right/RESTRICTED"


def dcat_dataset(product: DataProduct, department: str, *, endpoint: str = "") -> dict[str, Any]:
    """Return the dataset with its service."""
    spec, name = product.spec, product.metadata.name
    dataset: dict[str, Any] = {
        "@context": CONTEXT,
        "@id": product_id(department, name),
        "@type": "dcat:Dataset",
        "dct:identifier": f"{department}/{name}",
        "dct:title": _in_languages(spec),
        "dct:description": spec.description or spec.title,
        "dct:publisher": {"@id": audience_of(department), "@type": "foaf:Organization", "foaf:name": department},
        "dct:accessRights": {"@id": RESTRICTED},
        "dct:conformsTo": [{"@id": contract_id(department, name, offer.version)} for offer in versions_of(product)],
        "dcat:version": spec.version,
        "dcat:keyword": str(spec.data_class),
    }
    if spec.owner is not None:
        dataset["dcat:contactPoint"] = {"@type": "vcard:Kind", _reached_by(spec.owner.steward): {"@id": spec.owner.steward}}
    if endpoint:
        dataset["dcat:distribution"] = {
            "@type": "dcat:Distribution",
            "dct:format": "application/json",
            "dcat:accessService": {
                "@type": "dcat:DataService",
                "dct:title": f"Data API of {department}",
                "dcat:endpointURL": {"@id": endpoint},
                "dcat:servesDataset": {"@id": product_id(department, name)},
            },
        }
    return dataset


def _in_languages(spec: DataProductSpec) -> Any:
    """Return the title; where there is Welsh, both, each with its language."""
    if spec.cy is None:
        return spec.title
    return [{"@value": spec.title, "@language": "en"}, {"@value": spec.cy.title, "@language": "cy"}]


def _reached_by(contact: str) -> str:
    return "vcard:hasEmail" if contact.startswith("mailto:") else "vcard:hasURL"
