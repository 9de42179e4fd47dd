"""The Welsh of what people are shown, beside the English that it says again: a block `cy` with members of the same names.

A block rather than a text in two forms: a structural schema has one type for each member, and what has no Welsh stays as it was written and signed.
"""

from __future__ import annotations

from pydantic import Field

from commonweal_api.common import Strict, Text

# ISO 3166-2: Wales, and England and Wales. Who shares in all of GB and means people in Wales names it.
WALES = ("GB-WLS", "GB-EAW")


class DepartmentInWelsh(Strict):
    """Of a Department."""

    display_name: Text = Field(min_length=1, max_length=120, description="Name shown to people who read Welsh.")


class TitleInWelsh(Strict):
    """Of a DataProduct or a ModelService."""

    title: Text = Field(min_length=1, max_length=120, description="Name shown to people who read Welsh.")


class FieldInWelsh(Strict):
    """Of a field or an answer."""

    label: Text | None = Field(default=None, min_length=1, max_length=80, description="The label in Welsh.")
    description: Text | None = Field(default=None, min_length=1, max_length=300, description="The description, or the question, in Welsh.")


class PurposeInWelsh(Strict):
    """Of a purpose."""

    text: Text = Field(min_length=20, max_length=500, description="The sentence a person who reads Welsh is shown.")


class TransparencyInWelsh(Strict):
    """Of what hides a use."""

    reason: Text = Field(min_length=20, max_length=500, description="Why it is not shown at once, in Welsh.")


class AssuranceInWelsh(Strict):
    """Of what people gain."""

    benefits: Text = Field(min_length=20, max_length=500, description="What people gain from it, in Welsh.")
