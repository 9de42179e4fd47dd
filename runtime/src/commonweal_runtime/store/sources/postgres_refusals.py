"""What a PostgreSQL, or a pooler before it, says no to, as the error of a source. Of what it says while rows are read nothing is passed on: it can hold data."""

from __future__ import annotations

import ssl

import asyncpg

from commonweal_api.data_product import PostgresSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import PasswordExposedError, SourceReadError
from commonweal_runtime.store.sources import trust

FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_LONGEST = 200
_HIDES = "Give the login BYPASSRLS, or publish a view that shows what is to be read, owned by a role that sees it all."
# What ended a read, by SQLSTATE or by its class, and what can be done.
_ENDED = {
    "40001": "is a standby and cancelled the read for its recovery. Raise its max_standby_streaming_delay, or set hot_standby_feedback",
    "57014": "cancelled the read. Look for whoever or whatever setting cancels long statements there",
    "57": "ended the connection, or was stopped",
    "53": "ran out of memory, disk space or connections while «{table}» was read. Its log says of what",
    "55": "did not give the lock to read «{table}». Look for what holds it",
    "22": "cannot compute a value of «{table}», which its log shows. Correct it there",
    "25": "ended the read for a limit on transactions. Raise its transaction_timeout for the login",
    "08": "ended the connection, or was cut off",
    "XX": "found «{table}» or its own files damaged. Its log says where",
}


def not_let_in(source: PostgresSource, username: str, error: Exception) -> SourceReadError:
    """Return why a connection did not come about. Before a login nothing of the data is known, so the server's own words are said."""
    where = f"{source.host}:{source.port}"
    if isinstance(error, PasswordExposedError):
        return trust.exposed(where, error.asked)
    if isinstance(error, ssl.SSLError):
        return trust.unproven(where, error)
    if "rejected SSL upgrade" in str(error):
        return trust.unproven(where)
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return SourceReadError(Reason.CREDENTIALS_REFUSED, f"{where} refuses the user «{username}».")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return SourceReadError(Reason.DATABASE_MISSING, f"{where} has no database «{source.database}».")
    if isinstance(error, asyncpg.PostgresError) and not isinstance(
        error, asyncpg.ConnectionDoesNotExistError
    ):  # that one is the driver's own
        return SourceReadError(Reason.LOAD_FAILED, f"{where} refuses the connection: «{_said(error)}». {_remedy(error)}")
    return SourceReadError(Reason.SOURCE_UNREACHABLE, f"{where} does not answer.")


def _said(error: asyncpg.PostgresError) -> str:
    return " ".join(str(error).split())[:_LONGEST].rstrip(".")


def _remedy(error: asyncpg.PostgresError) -> str:
    if error.sqlstate == "53300":
        return "It has no connection left: raise its max_connections, or the limit of the login or the database, or close others."
    if "startup parameter" in str(error):
        return "Let the pooler pass that parameter, or name the database itself in spec.source."
    return "Let it take the connection, or correct spec.source."


def hidden_rows(source: PostgresSource) -> SourceReadError:
    """Return the error for a table, or one below a view, of which the login sees only what a policy shows."""
    detail = f"Row security at the source hides rows of «{source.schema_}.{source.table}» from the login. {_HIDES}"
    return SourceReadError(Reason.CREDENTIALS_REFUSED, detail)


def shut_schema(source: PostgresSource, username: str) -> SourceReadError:
    """Return the error for a schema that the login may not look into."""
    detail = f"The login may not use the schema «{source.schema_}». Grant USAGE on the schema {source.schema_} to {username}."
    return SourceReadError(Reason.CREDENTIALS_REFUSED, detail)


def broke_off(source: PostgresSource, error: Exception) -> SourceReadError:
    """Return why a read ended before its end."""
    where, table = f"{source.host}:{source.port}", f"{source.schema_}.{source.table}"
    if not isinstance(error, asyncpg.PostgresError) or not error.sqlstate:
        return SourceReadError(Reason.LOAD_FAILED, f"{where} ended the connection, or was cut off.")
    if error.server_source_function == "check_enable_rls":
        return hidden_rows(source)
    if error.sqlstate == "42501":
        detail = f"{where} does not let the login read all of «{table}». Grant SELECT on it, or what its view reads to the view's owner."
        return SourceReadError(Reason.CREDENTIALS_REFUSED, detail)
    if error.sqlstate in ("22021", "22P05"):
        detail = f"{where} holds a text in «{table}» that its own encoding does not allow, or UTF-8 has no character for. Correct it there"
    else:
        ended = _ENDED.get(error.sqlstate) or _ENDED.get(error.sqlstate[:2], "ended the read of «{table}» with an error that its log shows")
        detail = f"{where} {ended.format(table=table)}"
    return SourceReadError(Reason.LOAD_FAILED, f"{detail}.")
