"""The portal's own texts: every one has its Welsh, with the same placeholders, and its English is plain enough for a nine-year-old's reading."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import textstat
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir

from commonweal_runtime.portal import languages
from commonweal_runtime.portal.languages import LOCALE, WELSH, catalogue

PORTAL = Path(languages.__file__).parent
MARKS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3), "mark": None}
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
HARDEST_GRADE = 9.0


@cache
def extracted() -> dict[str | tuple[str, ...], str]:
    """Return every text of templates and modules, with one file that has it."""
    kinds = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    options = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
    found = {text: file for file, _, text, _, _ in extract_from_dir(str(PORTAL), kinds, options, MARKS)}
    assert len(found) > 100
    return found


def welsh() -> dict[str | tuple[str, ...], Message]:
    return {message.id: message for message in catalogue(LOCALE / WELSH) if message.id}


def test_every_text_has_its_welsh_and_no_other_is_kept() -> None:
    held = welsh()
    lacking = {str(text): file for text, file in extracted().items() if text not in held}
    assert lacking == {}, "add them to a catalogue in locale/cy"
    assert [str(text) for text in held if text not in extracted()] == [], "no page shows these: take them out"


def test_no_welsh_is_empty_or_doubtful() -> None:
    for message in welsh().values():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(form.strip() for form in forms), message.id
        assert not message.fuzzy, message.id
        assert len(forms) == (6 if message.pluralizable else 1), message.id


def test_placeholders_are_the_same_in_both_languages() -> None:
    for message in welsh().values():
        english = message.id[1] if isinstance(message.id, tuple) else message.id
        for form in message.string if isinstance(message.string, tuple) else (message.string,):
            assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(english)), message.id


def test_welsh_counts_as_welsh_does() -> None:
    forms = catalogue(LOCALE / WELSH)
    rule = re.search(r"plural=(.*);", forms.plural_forms)
    assert rule is not None
    assert forms.num_plurals == 6
    texts = languages.languages()[WELSH]
    one, many = "This body is slow to answer: %(names)s.", "These bodies are slow to answer: %(names)s."
    shown = [texts.ngettext(one, many, n) for n in (0, 1, 2, 3, 6, 4, 5, 11, 100)]
    assert len(set(shown[:6])) == 6
    assert len(set(shown[5:])) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_english_counts_as_english_does(count: int) -> None:
    texts = languages.languages()["en"]
    assert texts.ngettext("one", "many", count) == ("one" if count == 1 else "many")


def english() -> list[str]:
    texts = [part for text in extracted() for part in (text if isinstance(text, tuple) else (text,))]
    return [PLACEHOLDER.sub("Office", text) for text in texts]


def test_the_english_reads_as_a_nine_year_old_reads() -> None:
    """The age is the grade of the Automated Readability Index plus five: 9 at most for all texts together, and no sentence by itself is beyond grade 9.

    Of textstat's measures this one needs no list of syllables, which would have to be fetched.
    """
    sentences = [text if text[-1] in ".?!:" else f"{text}." for text in english() if len(text.split()) >= 5]
    whole = textstat.automated_readability_index(" ".join(sentences))
    hard = {text: grade for text in sentences if (grade := textstat.automated_readability_index(text)) > HARDEST_GRADE}
    assert hard == {}, "use shorter words and sentences"
    assert whole + 5 <= 9.0, f"grade {whole}"
