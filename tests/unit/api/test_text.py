"""What a person reads is what stands there: no text of the API holds a character that is obeyed or that cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from commonweal_api import KINDS
from commonweal_api.common import Text, shown
from commonweal_api.schema import Schema, root

# The attack's own, and one of each range.
UNSHOWN = [
    *(chr(c) for c in (*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2060, 0x2070))),
    *"\u061c\u200b\u200e\u200f\u2028\u2029\ufeff\ufff9\ufffa\ufffb\U000e0001\U000e0041\U000e007f",
]
TEXT = TypeAdapter(Text)


def _strings(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    if node.get("type") == "string":
        yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _strings(child, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(node.get(part), dict):
            yield from _strings(node[part], f"{path}[]")


STRINGS = [found for kind in KINDS for found in _strings(root(kind)["properties"]["spec"], kind.__name__)]


@pytest.mark.parametrize(("path", "schema"), STRINGS, ids=[path for path, _ in STRINGS])
def test_every_string_of_every_kind_is_bounded_and_shows_all_that_it_holds(path: str, schema: Schema) -> None:
    """The pattern is tried by the engine that the models use; that the API server's agrees is shown by the manifests of tests/contract/api."""
    if "enum" in schema or schema.get("format") == "date-time":
        return
    assert schema["maxLength"] <= 1024, path
    adapter = TypeAdapter(Annotated[str, StringConstraints(pattern=schema["pattern"])])
    for character in UNSHOWN:
        for text in (character, f"mailto:a{character}b", f"https://a.example/{character}", f"a{character}", f"{character}a"):
            with pytest.raises(ValidationError):
                adapter.validate_python(text)


@given(st.text(max_size=40))
def test_a_text_is_taken_exactly_when_it_shows_all_that_it_holds(text: str) -> None:
    plain = text.replace("\n", "").replace("\t", "")
    try:
        TEXT.validate_python(text)
    except ValidationError:
        assert shown(plain) != plain
    else:
        assert shown(plain) == plain


@given(st.text(max_size=40))
def test_what_is_shown_is_one_line_and_loses_nothing(text: str) -> None:
    found = shown(text)
    assert not set(found) & {*UNSHOWN, "\n", "\t"}
    assert len(found) >= len(text)


@pytest.mark.parametrize("text", ["Zoë’s naïve café", "دانش‌آموز", "क्‍ष", "日本語\n二行目", "a\tb", "𝄞", "«—»"])
def test_every_language_can_be_written(text: str) -> None:
    assert TEXT.validate_python(text) == text
