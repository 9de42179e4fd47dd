"""Every reason that a data API or the issuer can answer to a person has words of its own, in both languages, with what to do."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_runtime import identity
from commonweal_runtime.data_api.openapi import complaints, linking, parts, people
from commonweal_runtime.exceptions import DepartmentAnswerError
from commonweal_runtime.portal.departments import Departments
from commonweal_runtime.portal.languages import WELSH, languages
from commonweal_runtime.portal.problems import TEXTS, page_of, said_of

# Of the issuer's reasons: what its own pages say before anybody comes to the portal, and what only applications are told.
OTHERS = {"unsupported_grant_type", "unsupported_response_type", "unauthorized_client"}


def of_data_apis() -> set[str]:
    """Return the reasons of every operation that a person may ask, and of what is before any."""
    paths = {**people.PATHS, **complaints.PATHS, **linking.PATHS}
    operations = [operation for path in paths.values() for operation in path.values() if "me" in operation["tags"]]
    assert len(operations) > 15
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    kinds = [kind for answer in answers for kind in answer.get("content", {}).values()]
    schemas = [kind["schema"] for kind in kinds if "allOf" in kind["schema"]]
    return {reason for schema in schemas for reason in schema["allOf"][1]["properties"]["reason"]["enum"]}


def of_the_issuer() -> set[str]:
    """Return the reasons that the issuer's code raises."""
    return set(_raised(Path(identity.__file__).parent))


def _raised(folder: Path) -> Iterator[str]:
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ProblemError":
                reason = node.args[1]
                if isinstance(reason, ast.Constant):  # the one that is none hands on what another call made
                    yield str(reason.value)


def all_reasons() -> list[str]:
    return sorted((of_data_apis() | of_the_issuer() | set(parts.ALWAYS)) - OTHERS)


def test_there_are_reasons_to_walk_over() -> None:
    assert {"LinkFrozen", "NotSealedYet", "ErasureNotPossible", "SayingLimit"} <= of_data_apis()
    assert {"PreferencesChanged", "SessionEnded"} <= of_the_issuer()


@pytest.mark.parametrize("reason", all_reasons())
def test_a_reason_has_words_in_both_languages(reason: str) -> None:
    assert reason in TEXTS, "add it to portal/reasons.py: a heading, what is so, and what to do"
    welsh = languages()[WELSH]
    for text in TEXTS[reason]:
        assert text
        assert welsh.gettext(text) != text, "add its Welsh to a catalogue"


class _Nothing(Departments):
    def __init__(self) -> None:
        """A directory that is not needed."""


def test_a_refusal_becomes_a_page_with_its_words_and_how_long_to_wait() -> None:
    page = asyncio.run(page_of(DepartmentAnswerError("issuer", 429, "SayingLimit", retry=3600), _Nothing()))
    assert (page.status, page.headers["Retry-After"], page.values["said"]) == (429, "3600", TEXTS["SayingLimit"])


def test_a_reason_of_a_later_release_is_told_by_its_status() -> None:
    assert said_of("Unheard", 404) == TEXTS["NotFound"]
    assert said_of("Unheard", 503) == TEXTS["Silent"]
    assert said_of("Unheard", 500) == TEXTS["Fault"]
