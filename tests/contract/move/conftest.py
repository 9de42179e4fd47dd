"""What a department loads, and who signs its tokens."""

from __future__ import annotations

from support.fixtures import heritage, issuer

__all__ = ["heritage", "issuer"]
