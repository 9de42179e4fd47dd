"""Write the reference pages that follow from this package: `python -m commonweal_runtime.generate`, and with `--check` say which have drifted."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from commonweal_api.generated import write_or_check
from commonweal_runtime.store.sqlstates import sqlstates_page

REPOSITORY = Path(__file__).resolve().parents[3]


def rendered() -> Mapping[str, str]:
    """Return every generated page by its path in the repository."""
    return {"docs/reference/sqlstates.md": sqlstates_page()}


def main(arguments: list[str]) -> int:
    """Write what has drifted, or with `--check` only name it and return 1."""
    return write_or_check(
        {REPOSITORY / path: text for path, text in rendered().items()}, arguments, "python -m commonweal_runtime.generate"
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
