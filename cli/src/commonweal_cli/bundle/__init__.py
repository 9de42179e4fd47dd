"""`commonweal bundle`: one archive from which a site comes up on a machine without a network."""

from __future__ import annotations

from commonweal_cli.bundle.command import main

__all__ = ["main"]
