"""What the issuer is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from commonweal_runtime.store.logins import read_key


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a process needs to know; the master key stays out of `repr`. Without `signing_key`, a PEM file, the key is derived from `master`."""

    issuer: str
    people: Path
    clients: Path
    signing_key: Path | None
    master: bytes = field(repr=False)

    @staticmethod
    def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process; KeyError names a missing variable, ValueError one that cannot be understood.

        COMMONWEAL_ISSUER is the issuer's own address; COMMONWEAL_SECTORS_DIR holds `master`; COMMONWEAL_PEOPLE is people.json, beside which
        clients.json may lie; COMMONWEAL_SIGNING_KEY is a PEM file.
        """
        key_file = env.get("COMMONWEAL_SIGNING_KEY")
        people = Path(env.get("COMMONWEAL_PEOPLE", "/etc/commonweal/people/people.json"))
        return Settings(
            issuer=env["COMMONWEAL_ISSUER"].rstrip("/"),
            people=people,
            clients=people.with_name("clients.json"),
            signing_key=Path(key_file) if key_file else None,
            master=read_key(Path(env.get("COMMONWEAL_SECTORS_DIR", "/etc/commonweal/sectors")), "master"),
        )
