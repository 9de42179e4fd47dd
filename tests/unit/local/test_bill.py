"""The bill of materials of each image: valid by an independent library, and complete."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from commonweal_local import paths
from commonweal_local.images import contents, recipes, wheels
from commonweal_local.images.archives import archive_path, bill_path
from commonweal_local.images.contents import IMAGES, Image
from commonweal_local.images.packages import Package
from commonweal_local.images.selection import Selection

CHOSEN = Selection(
    contents.BOOKWORM.python,
    contents.BOOKWORM.postgres,
    [Package("libstdc++6_12.2.0-14_amd64.deb", "a" * 64)],
    [Package("postgresql-15_1%3a15.9-0+deb12u1_amd64.deb", "b" * 64)],
)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_a_bill_is_valid_and_names_what_the_image_carries(image: Image) -> None:
    text = recipes.bill_of(image, CHOSEN)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)
    pinned = {
        pin
        for extra in image.extras
        for pin in wheels.pins(wheels.extra(paths.source() / "pyproject.toml", extra), without=contents.unused([extra]))
    }
    python = {each["purl"] for each in found["components"] if each["purl"].startswith("pkg:pypi/")}
    assert python == {f"pkg:pypi/{pin.replace('==', '@')}" for pin in pinned}
    npm = {each["purl"]: each["hashes"][0]["alg"] for each in found["components"] if each["purl"].startswith("pkg:npm/")}
    assert npm == (dict.fromkeys(("pkg:npm/dejavu-fonts-ttf@2.37.3", "pkg:npm/govuk-frontend@6.3.0"), "SHA-512") if image.pages else {}), (
        "what compiles the style is not in the image"
    )
    debian = {each["purl"]: each["hashes"][0]["content"] for each in found["components"] if each["purl"].startswith("pkg:deb/")}
    wanted = {"pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64": "a" * 64}
    if image.server:
        wanted["pkg:deb/debian/postgresql-15@1%3A15.9-0%2Bdeb12u1?arch=amd64"] = "b" * 64
    assert debian == wanted


def test_the_same_image_has_the_same_bill_and_another_has_another() -> None:
    one, other = recipes.bill_of(IMAGES[0], CHOSEN), recipes.bill_of(IMAGES[1], CHOSEN)
    assert one == recipes.bill_of(IMAGES[0], CHOSEN)
    assert json.loads(one)["serialNumber"] != json.loads(other)["serialNumber"]


def test_a_bill_lies_beside_its_archive() -> None:
    reference = "localhost/commonweal/store:0123"
    assert bill_path(reference) == archive_path(reference).parent / "store-0123.cdx.json"
