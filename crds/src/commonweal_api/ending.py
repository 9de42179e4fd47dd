"""How a department ends: what the command line and the operator agree by."""

from __future__ import annotations

from commonweal_api.common import GROUP

ENDING = f"{GROUP}/ending"
"""Finalizer of a Department that others have to do with: nothing of it is removed before access is closed and its parties have been told."""

CONFIRM_DELETE = f"{GROUP}/confirm-delete"
"""Annotation without which a Department is not deleted; its value is the department's name."""

CONFIRM_UNREACHABLE = f"{GROUP}/confirm-unreachable"
"""Annotation that lets a Department go although something has not answered; its value is the department's name."""
