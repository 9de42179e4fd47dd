"""A real PostgreSQL as the issuer's store: role and database `identity`, empty, on a port of loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

from commonweal_runtime.identity.postgres import NAME, Address, PostgresStore
from support.postgres import HeritageServer

PASSWORD = "5e" * 32


class IdentityServer(HeritageServer):
    """The issuer's PostgreSQL while the block runs. `address` is COMMONWEAL_IDENTITY_STORE, `PASSWORD` the file `store`."""

    def __enter__(self) -> Self:
        super().__enter__()
        asyncio.run(self._found())
        return self

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def store(self) -> PostgresStore:
        """Return a store of one replica, not opened."""
        return PostgresStore(Address("127.0.0.1", self.port), PASSWORD)

    def write(self, folder: Path) -> None:
        """Write the password where an issuer reads it."""
        (folder / "store").write_text(PASSWORD)

    def rows(self) -> dict[str, list[Any]]:
        """Return everything that is kept, by table, as whoever steals the database has it."""

        async def stolen() -> dict[str, list[Any]]:
            root = await self.superuser(NAME)
            try:
                tables = [
                    row[0] for row in await root.fetch("select table_name from information_schema.tables where table_schema = $1", NAME)
                ]
                return {table: [tuple(row) for row in await root.fetch(f'select * from {NAME}."{table}"')] for table in tables}
            finally:
                await root.close()

        return asyncio.run(stolen())

    async def empty(self) -> None:
        """Forget everything, the schema too."""
        root = await self.superuser(NAME)
        await root.execute(f"drop schema if exists {NAME} cascade")
        await root.close()

    async def _found(self) -> None:
        root = await self.superuser("postgres")
        await root.execute(f"create role {NAME} login password '{PASSWORD}'")
        await root.execute(f"create database {NAME} owner {NAME}")
        await root.close()
