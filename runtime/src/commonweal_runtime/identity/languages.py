"""The two languages of the issuer's pages. English is in the code; here stand which one a person reads, and the Welsh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Language = Literal["en", "cy"]
NAMES: Mapping[Language, str] = MappingProxyType({"en": "English", "cy": "Cymraeg"})
_WAIT = re.compile(r"There were too many attempts\. Try again in (\d+) (second|minute)s?\.")
_UNITS = {"second": "eiliad", "minute": "munud"}
WELSH: Mapping[str, str] = MappingProxyType(
    {
        "Sign in": "Mewngofnodi",
        "Error:": "Gwall:",
        "There is a problem": "Mae yna broblem",
        "Username": "Enw defnyddiwr",
        "Password": "Cyfrinair",
        "Language": "Iaith",
        "Your information": "Eich gwybodaeth",
        "{name} also asks for:": "Mae {name} hefyd yn gofyn am:",
        "your id at": "eich dynodwr yn",
        "{name} wants to show you what the departments that you have added know of you and do with it.": (
            "Mae {name} eisiau dangos i chi beth mae’r cyrff rydych wedi’u hychwanegu yn ei wybod amdanoch a beth maent yn ei wneud ag ef."
        ),
        "{name} wants to show you what this department knows of you and does with it: {department}.": (
            "Mae {name} eisiau dangos i chi beth mae’r adran hon yn ei wybod amdanoch a beth mae’n ei wneud ag ef: {department}."
        ),
        "Sign out": "Allgofnodi",
        "Do you want to sign out?": "Ydych chi am allgofnodi?",
        "You are then signed out of every service that you used in this browser since you signed in.": (
            "Byddwch wedyn wedi allgofnodi o bob gwasanaeth a ddefnyddiwyd gennych yn y porwr hwn ers i chi fewngofnodi."
        ),
        "You have signed out": "Rydych wedi allgofnodi",
        "If other people use this device, close all windows of the browser.": (
            "Os bydd pobl eraill yn defnyddio’r ddyfais hon, caewch holl ffenestri’r porwr."
        ),
        "Go back to the service that you came from and try again.": "Ewch yn ôl i’r gwasanaeth y daethoch ohono a rhowch gynnig arall arni.",
        "The username or the password is wrong. Check both and try again.": (
            "Mae’r enw defnyddiwr neu’r cyfrinair yn anghywir. Gwiriwch y ddau a rhowch gynnig arall arni."
        ),
        "Very many people are signing in. Try again in a few seconds.": (
            "Mae llawer iawn o bobl yn mewngofnodi. Rhowch gynnig arall arni ymhen ychydig eiliadau."
        ),
        "The sign-in took too long, or was begun in another browser.": (
            "Cymerodd y mewngofnodi ormod o amser, neu cafodd ei ddechrau mewn porwr arall."
        ),
        "The request cannot be read.": "Ni ellir darllen y cais.",
        "The application that sent you here is not known (client_id).": "Nid ydym yn adnabod y rhaglen a’ch anfonodd yma (client_id).",
        "The address to which you would be sent back is not registered for this application (redirect_uri).": (
            "Nid yw’r cyfeiriad y byddech yn cael eich anfon yn ôl iddo wedi’i gofrestru ar gyfer y rhaglen hon (redirect_uri)."
        ),
        "The address to which you would be sent on is not registered for this application (post_logout_redirect_uri).": (
            "Nid yw’r cyfeiriad y byddech yn cael eich anfon ymlaen iddo wedi’i gofrestru ar gyfer y rhaglen hon (post_logout_redirect_uri)."
        ),
        "The form was sent from another site.": "Anfonwyd y ffurflen o safle arall.",
        "The page was open for too long.": "Bu’r dudalen ar agor yn rhy hir.",
        "You sign in elsewhere.": "Rydych yn mewngofnodi yn rhywle arall.",
        "The application that sent you here did not prove who you are (id_token_hint).": (
            "Ni phrofodd y rhaglen a’ch anfonodd yma pwy ydych chi (id_token_hint)."
        ),
        "Signing out does not work at the moment. Try again in a minute; on a shared device, close all windows of the browser.": (
            "Nid yw allgofnodi yn gweithio ar hyn o bryd. Rhowch gynnig arall arni ymhen munud; ar ddyfais a rennir, caewch holl ffenestri’r porwr."
        ),
        "Signing in does not work at the moment. Try again in a minute.": (
            "Nid yw mewngofnodi yn gweithio ar hyn o bryd. Rhowch gynnig arall arni ymhen munud."
        ),
    }
)


def said(text: str, language: Language) -> str:
    """Return a text of the issuer's in a language; one that has no Welsh comes back in English."""
    if language == "en":
        return text
    waiting = _WAIT.fullmatch(text)
    if waiting:
        return f"Bu gormod o ymgeisiau. Rhowch gynnig arall arni ymhen {waiting[1]} {_UNITS[waiting[2]]}."
    return WELSH.get(text, text)


def language_of(ui_locales: str | None, accepted: str) -> Language:
    """Return the language that a person reads: what the application says (OpenID Connect, `ui_locales`), else what the browser asks for, else English."""
    wanted = [*(ui_locales or "").split(), *_by_weight(accepted)]
    return next((found for tag in wanted if (found := _known(tag)) is not None), "en")


def _known(tag: str) -> Language | None:
    primary = tag.partition("-")[0].lower()
    return "cy" if primary == "cy" else "en" if primary == "en" else None


def _by_weight(accepted: str) -> list[str]:
    """Return the languages of an Accept-Language header, the most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight) if weight else -1.0, tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighed, key=lambda each: each[0]) if weight < 0]
