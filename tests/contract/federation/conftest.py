"""Sites of one department, each with a PostgreSQL of its own, and what both load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from support.fixtures import heritage, issuer
from support.postgres import StoreServer

__all__ = ["heritage", "issuer"]


@pytest.fixture(scope="module")
def servers() -> Iterator[list[StoreServer]]:
    """Three PostgreSQL servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(StoreServer()) for _ in range(3)]
