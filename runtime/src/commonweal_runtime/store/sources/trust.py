"""How a source proves who it is, and what it is told when it does not."""

from __future__ import annotations

import ssl

from commonweal_api.data_source import SourceTls, verified
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.contract import Credentials


def context(tls: SourceTls | None, credentials: Credentials) -> ssl.SSLContext | None:
    """Return what the source's certificate is checked by, or None where it need not have one. SourceReadError for an authority that is none."""
    if not verified(tls):
        return None
    try:
        return ssl.create_default_context(cadata=credentials.authority or None)
    except (ssl.SSLError, ValueError):
        raise SourceReadError(Reason.SOURCE_UNPROVEN, "The key ca.crt of the source's Secret holds no certificate.") from None


def exposed(where: str, asked: str) -> SourceReadError:
    """Return the error for a source that wants a password which whoever answers there could read."""
    return SourceReadError(Reason.PASSWORD_EXPOSED, f"{where} asks for {asked}; nothing was sent.")


def unproven(where: str, error: ssl.SSLError | None = None) -> SourceReadError:
    """Return the error for a source whose certificate does not hold, or that has none."""
    why = "offers no TLS" if error is None else "presents a certificate that does not hold"
    detail = getattr(error, "verify_message", "") or getattr(error, "reason", "") or ""
    return SourceReadError(Reason.SOURCE_UNPROVEN, f"{where} {why}{f' ({detail})' if detail else ''}.")
