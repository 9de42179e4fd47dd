"""Attacks the platform as real attackers, on a site that is made for it and thrown away: what evicts, takes over or exhausts, each beside legitimate clients.

    python tests/security/run.py [--only PART]... [--without GUARD]...

Needs root, and a machine on which no site runs. Prints a table; the exit status is 1 when something did not hold. `--without` takes one guard away before,
to show that the suite sees it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from commonweal_cli.exceptions import HeritageError  # noqa: E402
from commonweal_local.exceptions import LocalError  # noqa: E402
from commonweal_local.progress import Progress  # noqa: E402
from security import addresses, control_plane, eviction, guards, operator_account, sign_in, stolen  # noqa: E402
from security.findings import Finding, passed, table  # noqa: E402
from security.stage import Stage, throwaway  # noqa: E402

Part = Callable[[Stage, Callable[[str], None]], list[Finding]]
PARTS: dict[str, Part] = {
    "operator": operator_account.run,
    "addresses": addresses.run,
    "stolen": stolen.run,
    "sign-in": sign_in.run,
    "eviction": eviction.run,
    "control-plane": control_plane.run,
}


def attacked(stage: Stage, names: Sequence[str], progress: Progress) -> list[Finding]:
    """Run these parts in their order, and return all that was found; a part that cannot be carried out counts as not held."""
    found: list[Finding] = []
    for name in names:
        with progress.step(f"attack: {name}", measured=f"attack: {name}") as step:
            try:
                found += PARTS[name](stage, step.update)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other attacks are made and this one did not hold
                found.append(
                    Finding(name, "the attack could not be carried out to its end", False, "none", f"{type(error).__name__}: {error}"[:300])
                )
            finally:
                stage.clear()
    return found


def run(words: Sequence[str] | None = None) -> int:
    """Attack, print the table, and return whether something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this part; may be given several times")
    parser.add_argument("--without", action="append", choices=list(guards.GUARDS), default=[], help="take this guard away before")
    given, progress, began = parser.parse_args(words), Progress(), time.monotonic()
    names = [name for name in PARTS if given.only is None or name in given.only]
    whole = "make security" if len(names) == len(PARTS) else f"attacks: {', '.join(names)}"
    try:
        with progress.whole(whole), throwaway(progress) as stage:
            for guard in given.without:
                guards.take_away(stage, guard)
            found = attacked(stage, names, progress)
            found += [] if given.without else guards.seen(stage, progress)
    except (LocalError, HeritageError) as error:
        print(f"tests/security/run.py: {error}", file=sys.stderr)
        return 1
    print(f"{table(found)}\n{(time.monotonic() - began) / 60:.1f} minutes")
    return int(not passed(found))


if __name__ == "__main__":
    sys.exit(run())
