"""Where a stack's records come from: the source itself where it answers, the folder's SQL, or made-up rows. Each product's spec says which by where its source then lies."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_api.data_product import DataProductSpec
from commonweal_api.data_source import Source
from commonweal_cli.dev.places import Body, Place
from commonweal_cli.dev.synthetic import Table, create, table
from commonweal_local import paths
from commonweal_local.exceptions import LocalError

LOOK_SECONDS, START_SECONDS = 1.0, 60.0
DATABASE, ROLE, SECRET = "synthetic", "synthetic", "commonweal-dev-source"
SAMPLES = "heritage"


@dataclass
class Sources:
    """The server of made-up sources: its socket's directory, its port, and the folder whose SQL fills it, if it is to. With `made` nothing is asked outside."""

    sockets: Path
    port: int
    folder: Path
    sample: bool
    made: bool
    password: Path
    _known: dict[Place, tuple[Body, Body]] = field(default_factory=dict)  # what was asked for, and where it lies
    synthetic: set[tuple[str, str]] = field(default_factory=set)  # namespace and name of the products whose rows are made up

    async def placed(self, objects: Mapping[Place, Body]) -> dict[Place, Body]:
        """Return the objects with each product's source where its records are had from, which are there when this returns."""
        result = dict(objects)
        for place, body in objects.items():
            if place.plural == "dataproducts":
                had = self._known.get(place)
                self._known[place] = had if had is not None and had[0] == body else (body, await self._placed(place, body))
                result[place] = self._known[place][1]
        for namespace in {namespace for namespace, _ in self.synthetic}:
            login = {"username": ROLE, "password": self._password()}
            result[Place("v1", "secrets", namespace, SECRET)] = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": SECRET, "namespace": namespace},
                "stringData": login,
            }
        return result

    async def _placed(self, place: Place, body: Body) -> Body:
        try:
            spec = DataProductSpec.model_validate(body.get("spec"))
        except ValueError:
            return body  # it is refused as it stands
        named = spec.source.postgres
        script = self.folder / SAMPLES / f"{named.database}.sql" if named is not None and self.sample else None
        if script is not None and named is not None and script.exists():
            await self._filled(named.database, script)
            return _moved(body, {"postgres": {**body["spec"]["source"]["postgres"], "host": "127.0.0.1", "port": self.port}})
        if not self.made and await _answers(spec.source):
            self.synthetic.discard((place.namespace, place.name))
            return body
        self.synthetic.add((place.namespace, place.name))
        schema = place.namespace.replace("-", "_")
        name = place.name.replace("-", "_")
        await self._make(schema, name, table(place.namespace, place.name, spec))
        source = {
            "host": "127.0.0.1",
            "port": self.port,
            "database": DATABASE,
            "schema": schema,
            "table": name,
            "credentials": {"name": SECRET},
        }
        return _moved(body, {"postgres": source})

    def _password(self) -> str:
        if not self.password.exists():
            paths.write(self.password, secrets.token_hex(16), mode=0o600)
        return self.password.read_text(encoding="utf-8")

    async def _connect(self, database: str) -> Any:
        """Return an administrator's connection, once the server answers. LocalError after a minute."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    try:
                        return await asyncpg.connect(host=str(self.sockets), port=self.port, user="postgres", database=database)
                    except (OSError, asyncpg.CannotConnectNowError):
                        await asyncio.sleep(0.05)
        except TimeoutError:
            raise LocalError(
                "The PostgreSQL of made-up sources did not start within a minute",
                "Read logs/dev-sources.log in the folder .commonweal-dev.",
            ) from None

    async def _database(self, name: str) -> bool:
        """Make the database unless it is there; return whether it was made."""
        admin = await self._connect("postgres")
        try:
            if await admin.fetchval("select true from pg_database where datname = $1", name):
                return False
            await admin.execute(f'create database "{name}" strategy file_copy')
            return True
        finally:
            await admin.close()

    async def _filled(self, name: str, script: Path) -> None:
        if not await self._database(name):
            return
        connection = await self._connect(name)
        try:
            await connection.execute(await asyncio.to_thread(script.read_text, "utf-8"))
        except asyncpg.PostgresError as error:
            raise LocalError(f"{script}: {error}", "Correct the file, or leave --sample out.") from None
        finally:
            await connection.close()

    async def _make(self, schema: str, name: str, made: Table) -> None:
        await self._database(DATABASE)
        connection = await self._connect(DATABASE)
        try:
            async with connection.transaction():
                if not await connection.fetchval("select true from pg_roles where rolname = $1", ROLE):
                    await connection.execute(f"create role {ROLE} login password '{self._password()}'")
                await connection.execute(
                    f'create schema if not exists "{schema}"; grant usage on schema "{schema}" to {ROLE}; drop table if exists "{schema}"."{name}"'
                )
                await connection.execute(create(schema, name, made.columns))
                await connection.copy_records_to_table(name, schema_name=schema, records=made.rows, columns=[c.name for c in made.columns])
                await connection.execute(f'grant select on "{schema}"."{name}" to {ROLE}')
        finally:
            await connection.close()


def _moved(body: Body, source: Body) -> Body:
    return {**body, "spec": {**body["spec"], "source": source}}


async def _answers(source: Source) -> bool:
    """Return whether somebody listens where the source is said to be. A volume is on a site alone."""
    database = source.postgres or source.mysql
    if database is None:
        return False
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            _, writer = await asyncio.open_connection(database.host, database.port)
            writer.close()
    except (OSError, TimeoutError):
        return False
    return True
