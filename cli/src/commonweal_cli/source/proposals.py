"""What a column may mean in the common data model, by its name and by the shape of its values. Pure; a person decides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from commonweal_api.data_product import DataClass, FieldType
from commonweal_api.datamodel import refusal

# Words of a column's name, in small letters without anything between them; the first that fits counts.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"(full|person|applicant|customer|member|patient)?name|fullname|displayname", "person:fullName"),
    (r"(first|given|fore)names?|firstname", "person:givenName"),
    (r"(last|family|sur)name", "person:familyName"),
    (r"(birth|maiden)name|namebirth", "person:birthName"),
    (r"dob|dateofbirth|birth(date|day)?|born(on)?", "person:birthDate"),
    (r"(year|yr)ofbirth|birth(year|yr)|yob", "person:birthYear"),
    (r"dod|dateofdeath|death(date)?|died(on)?", "person:deathDate"),
    (r"gender", "person:gender"),
    (r"(marital|civil)status", "person:maritalStatus"),
    (r"nationality|citizenship", "person:citizenship"),
    (r"(preferred)?language", "person:preferredLanguage"),
    (r"(e?mail)(addr(ess)?)?|contactemail", "person:email"),
    (r"(tele)?phone(no|number)?|mobile(no|number)?|tel", "person:telephone"),
    (r"post(al)?code|pcode|zip(code)?", "address:postCode"),
    (r"(post)?town|city", "address:postTown"),
    (r"(full|postal|home)?address", "address:fullAddress"),
    (r"street|thoroughfare|road", "address:thoroughfare"),
    (r"house(no|number)|building(no|number)", "address:buildingNumber"),
    (r"country", "address:country"),
    (r"uprn", "address:uprn"),
    (r"usrn", "address:usrn"),
    (r"lat(itude)?", "address:latitude"),
    (r"(lon|lng|long|longitude)", "address:longitude"),
    (r"(local)?authority|council|lad", "address:localAuthority"),
    (r"company(no|number)|crn", "business:companyNumber"),
    (r"(company|business|trading|legal)name", "business:legalName"),
    (r"vat(no|number|registration)?", "business:vatNumber"),
    (r"charity(no|number)", "business:charityNumber"),
)
_SHAPES: tuple[tuple[str, str], ...] = (
    (r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}", "person:email"),
    (r"[A-Za-z]{1,2}[0-9][A-Za-z0-9]? ?[0-9][A-Za-z]{2}", "address:postCode"),
    (r"(\+44|0)[0-9 ]{9,13}", "person:telephone"),
)
# Identifiers of people: no property of their own in the data model, and not to be handed on lightly.
_IDENTIFIERS: tuple[tuple[str, str], ...] = (
    (r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", "National Insurance numbers"),
    (r"[0-9]{3} ?[0-9]{3} ?[0-9]{4}", "NHS numbers"),
)
_NAMED_IDENTIFIERS = {"nino": "National Insurance numbers", "nationalinsurance": "National Insurance numbers", "nhs": "NHS numbers"}
_CLASSES = {c.value[0].lower() + c.value[1:]: c for c in DataClass}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a column may be, and why: a property of the data model, or the kind of identifier that it looks like."""

    semantic: str | None
    identifier: str | None
    why: str


def proposed(column: str, type_: FieldType, seen: Iterable[str]) -> Proposal | None:
    """Return what a column may be, by its name first, then by values that were seen of it; None where nothing speaks for anything."""
    word, values = re.sub(r"[^a-z0-9]", "", column.lower()), list(seen)
    named = next((what for part, what in _NAMED_IDENTIFIERS.items() if part in word), None)
    shaped = next((what for pattern, what in _IDENTIFIERS[:1] if _all(pattern, values)), None)
    if named or shaped:
        return Proposal(None, named or shaped, "its name" if named else "the shape of its values")
    for table, by, why in ((_NAMES, [word], "its name"), (_SHAPES, values, "the shape of its values")):
        for pattern, semantic in table:
            if _all(pattern, by) and refusal(semantic, type_) is None:
                return Proposal(semantic, None, why)
    return None


def class_of(semantics: Iterable[str]) -> DataClass:
    """Return the class that most of the properties belong to; a person where nothing says otherwise."""
    counts: dict[DataClass, int] = {}
    for semantic in semantics:
        found = _CLASSES.get(semantic.partition(":")[0])
        if found is not None and found is not DataClass.ADDRESS:
            counts[found] = counts.get(found, 0) + 1
    return max(counts, key=lambda c: counts[c], default=DataClass.PERSON)


def _all(pattern: str, texts: list[str]) -> bool:
    return bool(texts) and all(re.fullmatch(pattern, text.strip()) for text in texts)
