"""Write the reference pages that follow from this package: `python -m commonweal_runtime.generate`, and with `--check` say which have drifted."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from commonweal_runtime.store.sqlstates import sqlstates_page

REPOSITORY = Path(__file__).resolve().parents[3]


def rendered() -> Mapping[str, str]:
    """Return every generated page by its path in the repository."""
    return {"docs/reference/sqlstates.md": sqlstates_page()}


def main(arguments: list[str]) -> int:
    """Write what has drifted, or with `--check` only name it and return 1."""
    check = arguments == ["--check"]
    stale = {p: text for p, text in rendered().items() if not (REPOSITORY / p).is_file() or (REPOSITORY / p).read_text() != text}
    for path, text in stale.items():
        if not check:
            (REPOSITORY / path).write_text(text)
        sys.stdout.write(f"{'drifted' if check else 'wrote'} {path}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
