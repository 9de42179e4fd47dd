"""The pages that a person sees. No script, no image, nothing from elsewhere; readable by a screen reader and at any size."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import urlsplit

from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.requests import AuthorizationRequest

_STYLE = """
body{font:1.2rem/1.5 system-ui,sans-serif;max-width:34em;margin:2em auto;padding:0 1em;color:#0b0c0c;background:#fff}
label{display:block;font-weight:700;margin-top:1em}
input{font:inherit;width:100%;box-sizing:border-box;padding:.4em;border:2px solid #0b0c0c}
button{font:inherit;font-weight:700;margin-top:1.5em;padding:.5em 1em;border:0;background:#00703c;color:#fff;box-shadow:0 2px 0 #002d18}
input:focus,button:focus{outline:3px solid #fd0;outline-offset:0;box-shadow:inset 0 0 0 2px #0b0c0c}
.error{border:4px solid #d4351c;padding:1em}.error h2{margin:0}
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


def sign_in(client: Client, request: AuthorizationRequest, ticket: str, *, username: str = "", error: str = "") -> str:
    """Return the sign-in page; `error` is shown first and read out."""
    summary = (
        f'<div class="error" role="alert" aria-labelledby="problem"><h2 id="problem">There is a problem</h2><p>{escape(error)}</p></div>'
        if error
        else ""
    )
    links = "".join(f"<li>your id at {escape(d)}</li>" for d in request.links)
    also = f"<p>{escape(client.name)} also asks for:</p><ul>{links}</ul>" if links else ""
    described = ' aria-describedby="problem" aria-invalid="true"' if error else ""
    return _page(
        ("Error: " if error else "") + "Sign in",
        f"""{summary}<h1>Sign in</h1>
<p>{escape(client.name)} {_purpose(request)}</p>{also}
<form method="post" action="authorize">
<input type="hidden" name="ticket" value="{escape(ticket)}">
<label for="username">Username</label>
<input id="username" name="username" value="{escape(username)}" autocomplete="username" autocapitalize="none" spellcheck="false" required{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{described}>
<button type="submit">Sign in</button>
</form>""",
    )


def sign_out(ticket: str) -> str:
    """Return the page that asks whether the person wants to sign out."""
    return _page(
        "Sign out",
        f"""<h1>Do you want to sign out?</h1>
<p>You are then signed out of every service that you used in this browser since you signed in.</p>
<form method="post" action="end-session">
<input type="hidden" name="ticket" value="{escape(ticket)}">
<button type="submit">Sign out</button>
</form>""",
    )


def signed_out() -> str:
    """Return the page for a person who has signed out and is sent nowhere."""
    text = "<p>If other people use this device, close all windows of the browser.</p>"
    return _page("You have signed out", f"<h1>You have signed out</h1>{text}")


def problem(text: str) -> str:
    """Return the page for a request that can be answered nowhere else."""
    return _page(
        "There is a problem",
        f"<h1>There is a problem</h1><p>{escape(text)}</p><p>Go back to the service that you came from and try again.</p>",
    )


def _purpose(request: AuthorizationRequest) -> str:
    if request.department is None:
        return "wants to show you what the departments that you have added know of you and do with it."
    return f"wants to show you what {escape(request.department)} knows of you and does with it."


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - Commonweal</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body><main>{body}</main></body></html>'
    )
