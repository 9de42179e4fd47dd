"""How much room a workbook takes when it is read, looked at before it is: an archive of kilobytes can hold gigabytes, and the library that reads it has no bounds."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any

MOST_PARTS, MOST_TEXTS, MOST_ROWS = 10_000, 500_000, 1 << 20
# Bytes, unpacked. The list of texts is in memory whole, and so is every other part but sheets, of which one row is.
LARGEST_SHEET, LARGEST_TEXTS, LARGEST_PART, LARGEST_ROW = 2 << 30, 48 << 20, 4 << 20, 4 << 20
_CHUNK = 1 << 20
_OVERLAP = 32  # bytes: the longest word that is looked for
_ROW, _TEXT = (re.compile(rb"<(?:[A-Za-z0-9_]{1,20}:)?" + name + rb"[\s/>]") for name in (b"row", b"si"))
_SHEETS = "xl/worksheets/"
# What no writer of workbooks uses, and what would hide rows and multiply texts.
_STRANGE = (b"<![CDATA[", b"<!DOCTYPE", b"<!ENTITY")


def too_large(stream: Any) -> str | None:
    """Return what of a workbook takes more room than there is; None where nothing does. Raises what zipfile raises for a file that is no archive."""
    with zipfile.ZipFile(stream) as parts:
        found = parts.infolist()
        if len(found) > MOST_PARTS:
            return f"{len(found)} parts"
        for part in found:
            if part.file_size > _largest(part.filename):
                return part.filename
        # what is unpacked is never more than what an archive says of a part
        return next((why for part in found if _is_read_row_by_row(part.filename) and (why := _unbounded(parts, part)) is not None), None)


def _is_read_row_by_row(name: str) -> bool:
    return _is_sheet(name) or _is_texts(name)


def _is_sheet(name: str) -> bool:
    return name.startswith(_SHEETS) and name.endswith(".xml")


def _is_texts(name: str) -> bool:
    return name.lower().endswith("sharedstrings.xml")


def _largest(name: str) -> int:
    if _is_sheet(name):
        return LARGEST_SHEET
    if _is_texts(name):
        return LARGEST_TEXTS
    return LARGEST_PART if name.endswith((".xml", ".rels")) else LARGEST_SHEET


def _unbounded(parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> str | None:
    """Return what is wrong with a part that is read bit by bit: a row that has no end, or more texts than there may be."""
    since, count, texts = 0, 0, _is_texts(part.filename)
    for before, data in _chunks(parts, part):
        both = before + data
        ends = [found.end() for found in (_TEXT if texts else _ROW).finditer(both) if found.end() > len(before)]
        since, count = len(both) - ends[-1] if ends else since + len(data), count + len(ends)
        if since > LARGEST_ROW or (texts and count > MOST_TEXTS) or any(strange in both for strange in _STRANGE):
            return part.filename
    return None


def _chunks(parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[tuple[bytes, bytes]]:
    """Yield each piece of a part, after the end of the one before, so that no word is cut."""
    before = b""
    with parts.open(part) as stream:
        while data := stream.read(_CHUNK):
            yield before, data
            before = (before + data)[-_OVERLAP:]
