"""What every answer of the portal tells a browser: nothing from elsewhere, nothing inside the page that runs, no frame, no copy kept."""

from __future__ import annotations

from collections.abc import Mapping

KEPT = "public, max-age=31536000, immutable"  # a file named by its content never changes


def page_headers(*, secure: bool, issuer_origin: str) -> dict[str, str]:
    """Return the headers of a page. A form goes to the portal alone, and from there on to the issuer, where one signs out."""
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {issuer_origin}; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Vary": "Cookie", **common_headers(secure=secure)}


def asset_headers(*, secure: bool) -> dict[str, str]:
    """Return the headers of a file that is named by its content."""
    return {"Cache-Control": KEPT, "Content-Security-Policy": "default-src 'none'", **common_headers(secure=secure)}


def common_headers(*, secure: bool) -> Mapping[str, str]:
    """Return the headers of every answer; over TLS with the promise to be reached over TLS alone."""
    always = {
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "accelerometer=(), browsing-topics=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
    }
    return always | ({"Strict-Transport-Security": "max-age=63072000"} if secure else {})
