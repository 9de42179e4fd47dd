"""The issuer's pages in both languages: which one a person gets, and that nothing they are told is in English alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from commonweal_runtime.identity import pages, responses, service
from commonweal_runtime.identity.languages import WELSH, language_of, said
from support.issuer import Clock, browsing, parts, request, ticket, write_files

FOLDER = Path(pages.__file__).parent


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, Clock())) as made:
        yield made


def shown() -> set[str]:
    """Return every text that the code shows to people: what pages are made with, what they are refused by, and what a wrong attempt is told."""
    found = {service.WRONG, service.BUSY, *responses._OUT_OF_ORDER.values()}
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("SignInShownError", "said", "_"):
                found |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
            if (
                file.name == "pages.py"
                and isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.startswith("{name}")
            ):
                found.add(node.value)
    return found


def test_everything_that_people_are_shown_has_welsh_and_no_welsh_is_left_over() -> None:
    assert shown() == set(WELSH)


def test_a_translation_has_the_same_places() -> None:
    for english, welsh in WELSH.items():
        assert [p in english for p in ("{name}", "{department}")] == [p in welsh for p in ("{name}", "{department}")], english


@pytest.mark.parametrize("seconds", [1, 45, 60, 1800])
def test_how_long_to_wait_is_said_in_welsh(seconds: int) -> None:
    text = f"There were too many attempts. Try again in {service._spoken(seconds)}."
    assert said(text, "cy").startswith("Bu gormod o ymgeisiau.")
    assert said(text, "en") == text


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        (None, "", "en"),
        ("cy", "en-GB,en;q=0.9", "cy"),
        ("fr cy-GB en", "", "cy"),
        ("en", "cy", "en"),
        (None, "cy-GB,cy;q=0.9,en;q=0.8", "cy"),
        (None, "en;q=0.5, cy;q=0.7", "cy"),
        (None, "cy;q=0, en", "en"),
        (None, "fr, de;q=0.5", "en"),
        ("xx", "cy;q=high, en;q=0.1", "en"),
    ],
)
def test_the_application_says_the_language_else_the_browser(wanted: str | None, accepted: str, language: str) -> None:
    assert language_of(wanted, accepted) == language


def test_a_page_leads_to_itself_in_the_other_language(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=request(ui_locales="cy"))
    assert '<html lang="cy">' in page.text
    assert "Mewngofnodi" in page.text
    other = browser.get("/authorize?" + page.text.partition('href="?')[2].partition('"')[0].replace("&amp;", "&"))
    assert '<html lang="en">' in other.text
    assert "<h1>Sign in</h1>" in other.text


def test_a_wrong_password_is_told_in_the_language_of_the_page(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=request(ui_locales="cy"))
    answer = browser.post("/authorize", data={"ticket": ticket(page), "username": "amina", "password": "wrong"})
    assert "<title>Gwall: Mewngofnodi" in answer.text
    assert WELSH[service.WRONG] in answer.text
    problem = browser.get("/authorize", headers={"Accept-Language": "cy"})
    assert (problem.status_code, "Mae yna broblem" in problem.text) == (400, True)


def test_a_name_of_an_application_is_text(browser: httpx.Client) -> None:
    page = browser.post("/authorize", data={"ticket": ticket(browser.get("/authorize", params=request())), "username": '"><b>{name}'})
    assert "<b>" not in page.text
