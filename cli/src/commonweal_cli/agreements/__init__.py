"""Agreements between two departments: read in words, signed, checked. What counts in the end is what the operator finds in `spec.signatures`."""

from commonweal_cli.agreements.signing import sign_all

__all__ = ["sign_all"]
