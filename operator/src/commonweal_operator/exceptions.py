"""Every exception of this package: when it is raised, and who turns it into what. None is defined elsewhere."""

from __future__ import annotations


class LeaseLostError(Exception):
    """The lease could not be kept. Raised while it is renewed; it ends the process, for another may act now."""
