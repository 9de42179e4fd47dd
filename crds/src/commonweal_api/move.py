"""What a move of a department to another site is agreed by, between the command and the operator."""

from __future__ import annotations

from commonweal_api.common import GROUP

ARRIVING = f"{GROUP}/arriving"
"""Annotation of a Department: the move that brings it. While it is there its stores get no plan, so that nothing opens, and its keys are awaited, not made."""
