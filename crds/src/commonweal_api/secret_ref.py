"""The Secret that a source is read with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from commonweal_api.common import Strict


class SecretRef(Strict):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", min_length=1, max_length=63)] = Field(
        description="A Secret in the same namespace with the keys username and password; and ca.crt where tls.mode is Verify and no public authority signs."
    )
