"""The pages that a person sees, dressed as the portal's and in its two languages. No script, no image, nothing from elsewhere; readable by a screen reader and at any size."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import urlsplit

from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.languages import NAMES, Language, said
from commonweal_runtime.identity.requests import AuthorizationRequest

_STYLE = """
*{box-sizing:border-box}
body{margin:0;font:1.1875rem/1.32 Arial,sans-serif;color:#0b0c0c;background:#fff}
.width{max-width:61.875rem;margin:0 auto;padding:0 15px}
.name{background:#0b0c0c;color:#fff;font-size:1.5rem;padding:10px 0}
.service{background:#f4f8fb;border-bottom:1px solid #8eb8dc;font-weight:700;padding:15px 0}
.languages{display:flex;justify-content:flex-end;gap:20px;list-style:none;margin:10px 0;padding:0;font-size:1rem}
main{padding:30px 0 50px;max-width:40rem;min-height:40vh}
h1{font-size:2rem;line-height:1.1;margin:0 0 30px}
h2{font-size:1.5rem;line-height:1.2;margin:0 0 15px}
p,ul{margin:0 0 20px}
a{color:#1a65a6}
label{display:block;font-weight:700;margin-bottom:5px}
.field{margin-bottom:30px}
.wrong{border-left:5px solid #ca3535;padding-left:15px}
input{font:inherit;width:100%;max-width:20rem;min-height:2.5rem;padding:5px;border:2px solid #0b0c0c;border-radius:0}
.wrong input{border-color:#ca3535}
button{font:inherit;padding:8px 10px 7px;border:2px solid transparent;background:#0f7a52;color:#fff;box-shadow:0 2px 0 #083d29;cursor:pointer}
a:focus,button:focus,input:focus,.error:focus{outline:3px solid #fd0;outline-offset:0;box-shadow:inset 0 0 0 2px #0b0c0c}
button:focus{background:#fd0;color:#0b0c0c}
.error{border:5px solid #ca3535;padding:20px;margin-bottom:40px}.error p{margin:0}.error a{color:#ca3535;font-weight:700}
footer{border-top:10px solid #1d70b8;background:#f4f8fb;min-height:100px}
@media(min-width:40.0625em){.width{padding:0 30px}h1{font-size:3rem}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def headers(redirect_uri: str | None = None) -> dict[str, str]:
    """Return headers that keep the page out of frames and caches, and let its form go only here and back to the application."""
    parts = urlsplit(redirect_uri or "")
    target = f" {parts.scheme}://{parts.netloc}" if redirect_uri else ""
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{target}"
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def sign_in(
    client: Client, request: AuthorizationRequest, ticket: str, language: Language, *, username: str = "", error: str = "", again: str = ""
) -> str:
    """Return the sign-in page; `error` is shown first and read out. `again` is the query by which the page can be had in the other language."""
    summary = _summary(error, language) if error else ""
    links = "".join(f"<li>{_(language, 'your id at')} {escape(d)}</li>" for d in request.links)
    also = f"<p>{_(language, '{name} also asks for:', name=client.name)}</p><ul>{links}</ul>" if links else ""
    kept = f' value="{escape(username)}"' if username else ""
    described = ' aria-describedby="problem" aria-invalid="true"' if error else ""
    field = f'<div class="field{" wrong" if error else ""}">'
    return _page(
        (f"{said('Error:', language)} " if error else "") + said("Sign in", language),
        f"""{summary}<h1>{_(language, "Sign in")}</h1>
<p>{_purpose(client, request, language)}</p>{also}
<form method="post" action="authorize">
<input type="hidden" name="ticket" value="{escape(ticket)}">
{field}<label for="username">{_(language, "Username")}</label>
<input id="username" name="username"{kept} autocomplete="username" autocapitalize="none" spellcheck="false" required{described}></div>
{field}<label for="password">{_(language, "Password")}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{described}></div>
<button type="submit">{_(language, "Sign in")}</button>
</form>""",
        language,
        again,
    )


def sign_out(ticket: str, language: Language) -> str:
    """Return the page that asks whether the person wants to sign out."""
    return _page(
        said("Sign out", language),
        f"""<h1>{_(language, "Do you want to sign out?")}</h1>
<p>{_(language, "You are then signed out of every service that you used in this browser since you signed in.")}</p>
<form method="post" action="end-session">
<input type="hidden" name="ticket" value="{escape(ticket)}">
<button type="submit">{_(language, "Sign out")}</button>
</form>""",
        language,
    )


def signed_out(language: Language) -> str:
    """Return the page for a person who has signed out and is sent nowhere."""
    title = said("You have signed out", language)
    text = _(language, "If other people use this device, close all windows of the browser.")
    return _page(title, f"<h1>{escape(title)}</h1><p>{text}</p>", language)


def problem(text: str, language: Language) -> str:
    """Return the page for a request that can be answered nowhere else."""
    title = said("There is a problem", language)
    onward = _(language, "Go back to the service that you came from and try again.")
    return _page(title, f"<h1>{escape(title)}</h1><p>{_(language, text)}</p><p>{onward}</p>", language)


def _(language: Language, text: str, **values: str) -> str:
    return escape(said(text, language).format_map(values) if values else said(text, language), quote=False)


def _summary(error: str, language: Language) -> str:
    """Return what was wrong: focused, so that it is read first, and leading to the field."""
    heading = f'<h2 id="problem">{_(language, "There is a problem")}</h2>'
    link = f'<p><a href="#username">{_(language, error)}</a></p>'
    return f'<div class="error" role="alert" tabindex="-1" autofocus aria-labelledby="problem">{heading}{link}</div>'


def _purpose(client: Client, request: AuthorizationRequest, language: Language) -> str:
    if request.department is None:
        text = "{name} wants to show you what the departments that you have added know of you and do with it."
        return _(language, text, name=client.name)
    text = "{name} wants to show you what this department knows of you and does with it: {department}."
    return _(language, text, name=client.name, department=request.department)


def _languages(language: Language, again: str) -> str:
    if not again:
        return ""
    items = "".join(
        f'<li><span aria-current="true">{name}</span></li>'
        if code == language
        else f'<li><a href="?{escape(again)}" hreflang="{code}" lang="{code}">{name}</a></li>'
        for code, name in NAMES.items()
    )
    return f'<nav aria-label="{said("Language", language)}"><ul class="languages">{items}</ul></nav>'


def _page(title: str, body: str, language: Language, again: str = "") -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)} – Commonweal</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        '<header><div class="name"><div class="width">Commonweal</div></div>'
        f'<div class="service"><div class="width">{_(language, "Your information")}</div></div></header>'
        f'<div class="width">{_languages(language, again)}<main>{body}</main></div><footer></footer></body></html>'
    )
