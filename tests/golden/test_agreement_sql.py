"""The promise, readable: the SQL with which the store opens and closes one agreement of the examples.

`COMMONWEAL_GOLDEN=write pytest tests/golden` writes it anew; read the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

from support import promise

GOLDEN = Path(__file__).parent / "store" / "agreement.sql"
HEAD = f"""\
-- The agreement «{promise.AGREEMENT}» (number {promise.NUMBER}) on the product «{promise.PRODUCT}» of examples/start-a-business.
-- Every statement is what the keeper sends to PostgreSQL, broken into lines. tests/golden/test_agreement_sql.py keeps this file true.
"""


def written() -> str:
    """Return the file as it must be."""
    parts = [f"-- {what}.\n\n" + "\n".join(map(promise.readable, statements)) + "\n" for what, statements in promise.statements().items()]
    return "\n".join([HEAD, *parts])


def test_the_committed_sql_is_what_the_store_executes() -> None:
    if os.environ.get("COMMONWEAL_GOLDEN") == "write":
        GOLDEN.write_text(written())
    assert GOLDEN.read_text() == written()


def test_only_white_space_differs_from_what_is_sent() -> None:
    for statement in (s for group in promise.statements().values() for s in group):
        assert promise.readable(statement).split() == f"{statement};".split()


def test_no_line_of_it_is_too_long_to_read() -> None:
    assert max(map(len, GOLDEN.read_text().splitlines())) <= 2 * promise.WIDTH
