"""How far a decommission is, so that one that was killed goes on: kept until the certificate is written, readable by its owner only."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from commonweal_cli.site.decommission.facts import Holdings
from commonweal_local import paths

FILE = "journal.json"


@dataclass(frozen=True)
class Journal:
    """A decommission that was begun. `seed` signs the certificate at the end: it outlives the site's other secrets by these steps alone."""

    site: str
    kind: str
    started: str
    seed: str
    held: Holdings
    asked: bool
    done: tuple[str, ...] = ()

    @classmethod
    def found(cls, site: str) -> Self | None:
        """The journal of a decommission that was cut short; None when there is none."""
        try:
            kept = json.loads((place(site) / FILE).read_text())
        except OSError:
            return None
        return cls(**{**kept, "held": Holdings(**kept["held"]), "done": tuple(kept["done"])})

    def after(self, step: str) -> Self:
        """Write down that a step is done."""
        further = replace(self, done=(*self.done, step))
        further.save()
        return further

    def save(self) -> None:
        """Write the journal down."""
        place(self.site).mkdir(parents=True, exist_ok=True, mode=0o700)
        paths.write(place(self.site) / FILE, asdict(self), mode=0o600)

    def remove(self) -> None:
        """Erase the journal, and the seed with it: from here on nobody can sign for the site."""
        shutil.rmtree(place(self.site))


def place(site: str) -> Path:
    return paths.home() / "decommission" / site
