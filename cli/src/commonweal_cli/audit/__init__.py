"""Checking what departments promise, without believing them: receipts, inclusion proofs, and the sealed audit row by row."""

from commonweal_cli.audit.command import main

__all__ = ["main"]
