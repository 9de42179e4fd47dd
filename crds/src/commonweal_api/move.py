"""What a move of a department, to another site or into the platform's namespace, is agreed by between the command and the operator."""

from __future__ import annotations

from commonweal_api.common import GROUP

ARRIVING = f"{GROUP}/arriving"
"""Annotation of a Department: the move that brings it. While it is there its stores get no plan, so that nothing opens, and its keys are awaited, not made."""

SPLITTING = f"{GROUP}/splitting"
"""Annotation of a Department: the command that takes its store into the platform's namespace. While it is there the old store goes on being told what is revoked."""
