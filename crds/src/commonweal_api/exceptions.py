"""Every exception of this package: when it is raised, and who turns it into what. None is defined elsewhere."""

from __future__ import annotations


class StructuralSchemaError(ValueError):
    """A model cannot be carried over to a structural schema; the text names the path. Ends the generation of CRDs: nobody catches it."""
