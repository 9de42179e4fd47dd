"""The canonical text (docs/reference/types.md) of what a cell of a workbook holds."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from openpyxl.styles.numbers import is_datetime

from commonweal_runtime.store.sources.contract import UNREADABLE

_ERROR = "e"


def text_of(cell: Any) -> str | None:
    """Return the text of a cell; null where nothing is shown in it, `UNREADABLE` where it shows an error such as #N/A."""
    value = cell.value
    if value is None or value == "":
        return None
    if cell.data_type == _ERROR:
        return UNREADABLE
    if isinstance(value, str):
        return value
    return _plain(value, cell)


def _plain(value: Any, cell: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return _moment(value, with_time=is_datetime(cell.number_format) != "date")
    if isinstance(value, date | time):
        return value.isoformat()
    return _duration(value) if isinstance(value, timedelta) else UNREADABLE


def _number(value: float) -> str:
    """Return the fewest digits that read back as the stored number, whole ones without a point."""
    return str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")


def _moment(value: datetime, *, with_time: bool) -> str:
    return value.isoformat() if with_time or value.time() != time() else value.date().isoformat()


def _duration(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
