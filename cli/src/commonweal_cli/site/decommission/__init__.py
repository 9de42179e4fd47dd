"""The end of a site: taken off, deleted, its traces looked for, and all of it certified with the site's own key before that key goes, too."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["erasure_main", "main"]


def main(argv: Sequence[str]) -> int:
    """`commonweal site decommission SITE`."""
    from commonweal_cli.site.decommission import command  # noqa: PLC0415 - pulumi's packages are slow to import

    return command.main(argv)


def erasure_main(argv: Sequence[str]) -> int:
    """`commonweal erasure verify FILE --key FILE`."""
    from commonweal_cli.site.decommission import verify  # noqa: PLC0415

    return verify.main(argv)
