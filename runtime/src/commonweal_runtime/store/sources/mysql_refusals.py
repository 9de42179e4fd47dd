"""What a MySQL or MariaDB says no to, as the error of a source. Of what it says while rows are read nothing is passed on: it can hold data."""

from __future__ import annotations

import ssl

import pymysql
from pymysql.constants import CR, ER

from commonweal_api.data_product import MysqlSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import PasswordExposedError, SourceReadError
from commonweal_runtime.store.sources import trust

FAILURES = (OSError, UnicodeError, pymysql.MySQLError)
_OF_THE_DRIVER = range(CR.CR_ERROR_FIRST, 3000)
_LONGEST = 200
_LOGINS = "refuses the user «{user}»"
_NOT_LET_IN = {
    ER.ACCESS_DENIED_ERROR: _LOGINS,
    1698: _LOGINS,
    ER.DBACCESS_DENIED_ERROR: "does not let the user «{user}» into the database «{database}». Grant SELECT on it, or correct spec.source",
    ER.HOST_NOT_PRIVILEGED: "lets no user in from the store's address. Create the user «{user}» for that address",
    3118: "has locked the account of the user «{user}». Unlock it",
    4151: "has locked the account of the user «{user}». Unlock it",
    1820: "wants a new password of the user «{user}» first. Set one there, and in the Secret",
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: "asks the user «{user}» for a way of logging in that the store does not have. "
    "Let it log in by mysql_native_password or caching_sha2_password",
    1862: "wants a new password of the user «{user}» first. Set one there, and in the Secret",
}
# What keeps from connecting, or ended a read, by the server's number for it, and what can be done.
_ENDED = {
    ER.CON_COUNT_ERROR: "has no connection left. Raise its max_connections, or close others",
    ER.TOO_MANY_USER_CONNECTIONS: "has no connection left for the login. Raise max_user_connections, or close others of the login",
    ER.USER_LIMIT_REACHED: "lets the login in no more for now: it has used up its limit. Raise the MAX_… limits of the account",
    ER.HOST_IS_BLOCKED: "blocks the store's address, because connections from it broke off too often. Run FLUSH HOSTS there",
    ER.NET_PACKET_TOO_LARGE: "cannot send a row of «{table}», which is too large. Raise its max_allowed_packet",
    ER.QUERY_INTERRUPTED: "cancelled the read of «{table}». Look for whoever or whatever kills long statements there",
    ER.STATEMENT_TIMEOUT: "cancelled the read of «{table}» for a limit on statements. Raise max_statement_time for the login",
    ER.QUERY_TIMEOUT: "cancelled the read of «{table}» for a limit on statements. Raise max_execution_time for the login",
    1927: "ended the connection while «{table}» was read: it was killed there. Look for whoever or whatever kills long connections",
    ER.SERVER_SHUTDOWN: "is being stopped",
    ER.LOCK_WAIT_TIMEOUT: "did not give the lock to read «{table}». Look for what holds it",
    ER.LOCK_DEADLOCK: "did not give the lock to read «{table}». Look for what holds it",
    ER.TABLE_DEF_CHANGED: "altered «{table}», or a table below it, while it was read",
    ER.VIEW_INVALID: "cannot read the view «{table}»: something below it is missing, or its definer may not read it. Correct the view",
    ER.NO_SUCH_USER: "cannot read the view «{table}»: its definer is no user any more. Create it again with another definer",
    **dict.fromkeys((ER.OUTOFMEMORY, ER.OUT_OF_SORTMEMORY, ER.OUT_OF_RESOURCES), "ran out of memory while «{table}» was read. Its log says for what"),
    **dict.fromkeys((ER.DISK_FULL, ER.RECORD_FILE_FULL, ER.ERROR_ON_WRITE), "ran out of disk space while «{table}» was read. Its log says where"),
    **dict.fromkeys(
        (ER.CRASHED_ON_USAGE, ER.CRASHED_ON_REPAIR, ER.NOT_KEYFILE, ER.GET_ERRNO),
        "cannot read the files of «{table}». Its log says why: CHECK TABLE and REPAIR TABLE may help",
    ),
    **dict.fromkeys(
        (1690, ER.TRUNCATED_WRONG_VALUE, ER.DIVISION_BY_ZERO, ER.WARN_DATA_OUT_OF_RANGE, ER.DATA_TOO_LONG),
        "cannot compute a value of the view «{table}». Correct the view, or the value there",
    ),
    CR.CR_MALFORMED_PACKET: "sent what no MySQL or MariaDB does while «{table}» was read. Look for what stands between it and the store",
}  # fmt: skip
_LOST = "broke off while «{table}» was read: it was stopped, it ended the connection, or it does not answer any more"
_WORDS = {number: name.replace("_", " ").lower() for name, number in vars(ER).items() if isinstance(number, int)}


def number_of(error: BaseException) -> int:
    """Return the number that a server, or the driver, gives an error; 0 where there is none."""
    return error.args[0] if isinstance(error, pymysql.MySQLError) and error.args and isinstance(error.args[0], int) else 0


def not_let_in(source: MysqlSource, username: str, error: Exception) -> SourceReadError:
    """Return why a connection did not come about."""
    where, cause, number = f"{source.host}:{source.port}", getattr(error, "original_exception", error), number_of(error)
    if isinstance(cause, PasswordExposedError):
        return trust.exposed(where, cause.asked)
    if isinstance(cause, ssl.SSLError):
        return trust.unproven(where, cause)
    if number == CR.CR_SSL_CONNECTION_ERROR:
        return trust.unproven(where)
    if number in _NOT_LET_IN:
        return SourceReadError(
            Reason.CREDENTIALS_REFUSED, f"{where} {_NOT_LET_IN[number].format(user=username, database=source.database)}."
        )
    if number == ER.BAD_DB_ERROR:
        return SourceReadError(Reason.DATABASE_MISSING, f"{where} has no database «{source.database}».")
    return _not_reached(source, error, number)


def _not_reached(source: MysqlSource, error: Exception, number: int) -> SourceReadError:
    """Before a login nothing of the data is known, so the server's own words are said where this table has none."""
    where = f"{source.host}:{source.port}"
    if number == CR.CR_MALFORMED_PACKET:
        detail = f"{where} answers, but not as a MySQL or MariaDB does. Correct host and port of spec.source."
        return SourceReadError(Reason.SOURCE_UNREACHABLE, detail)
    if not number or number in _OF_THE_DRIVER:
        return SourceReadError(Reason.SOURCE_UNREACHABLE, f"{where} does not answer.")
    if number in _ENDED:
        return broke_off(source, error)
    said = " ".join(str(error.args[-1]).split())[:_LONGEST].rstrip(".")
    detail = f"{where} refuses the connection: «{said}». Let it take the connection, or correct spec.source."
    return SourceReadError(Reason.LOAD_FAILED, detail)


def broke_off(source: MysqlSource, error: Exception) -> SourceReadError:
    """Return why a read ended before its end."""
    where, number = f"{source.host}:{source.port}", number_of(error)
    if number in {ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, ER.ACCESS_DENIED_ERROR}:
        detail = f"{where} does not let the login read all of «{source.table}». Grant SELECT on it; of a view, its definer has to exist and to have it below."
        return SourceReadError(Reason.CREDENTIALS_REFUSED, detail)
    told = _ENDED.get(number, _LOST)
    if number in _WORDS and number not in _ENDED:
        told = f"ended the read of «{{table}}»: {_WORDS[number]}. Look that up in its manual"
    return SourceReadError(Reason.LOAD_FAILED, f"{where} {told.format(table=source.table)}.")


def too_large(source: MysqlSource) -> SourceReadError:
    """Return the error for a row that does not fit into the memory that is left."""
    detail = f"A row of «{source.table}» needs more memory than the store may take. Shorten what is in it, or leave its longest column out of spec.fields."
    return SourceReadError(Reason.LOAD_FAILED, detail)
