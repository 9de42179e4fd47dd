"""How a CSV file is written, guessed; and that what is guessed reads the file."""

from __future__ import annotations

from typing import Any

import pytest

from commonweal_api.data_files import CsvSource
from commonweal_cli.source.guessing import guessed

PEOPLE = "ref,name,born\n1,Ada,1990-01-02\n2,Bo,1991-02-03\n"
CASES: dict[str, tuple[bytes, dict[str, Any], tuple[str, ...]]] = {
    "as by default": (PEOPLE.encode(), {}, ("ref", "name", "born")),
    "CR LF and a mark": (b"\xef\xbb\xbf" + PEOPLE.replace("\n", "\r\n").encode(), {}, ("ref", "name", "born")),
    "semicolons with decimal commas": (b"ref;v\n1;1,5\n2;2,5\n3;3,25\n", {"delimiter": ";"}, ("ref", "v")),
    "tabs": (b"ref\tname\n1\tA, B\n2\tC, D\n", {"delimiter": "\t"}, ("ref", "name")),
    "bars": (b"ref|name\n1|A:B\n2|C:D\n", {"delimiter": "|"}, ("ref", "name")),
    "commas within quotes": (b'ref;name\n1;"a,b;c"\n2;"d,e"\n', {"delimiter": ";"}, ("ref", "name")),
    "apostrophes": (b"ref,name\n1,'a,b'\n2,'c,d'\n", {"quote": "'"}, ("ref", "name")),
    "an apostrophe in a name is none": (b"ref,name\n1,O'Brien\n2,D'Arcy\n", {}, ("ref", "name")),
    "backslashes": (b'ref,name\n1,"a \\"b\\", c"\n2,"d \\"e\\", f"\n', {"escape": "\\"}, ("ref", "name")),
    "windows-1252": ("ref,name\n1,Müller €\n".encode("cp1252"), {"encoding": "windows-1252"}, ("ref", "name")),
    "UTF-16": (PEOPLE.encode("utf-16"), {"encoding": "utf-16"}, ("ref", "name", "born")),
    "UTF-16 without a mark": (PEOPLE.encode("utf-16-le"), {"encoding": "utf-16le"}, ("ref", "name", "born")),
    "old Macintosh line ends": (PEOPLE.replace("\n", "\r").encode(), {"lineEnd": "CR"}, ("ref", "name", "born")),
    "LF within values": (b"ref,name\r\n1,a\nb\r\n2,c\nd\r\n", {"lineEnd": "CRLF"}, ("ref", "name")),
    "no headings": (b"1,Ada\n2,Bo\n", {"columns": ["column_1", "column_2"]}, ("column_1", "column_2")),
    "titles above": (b"Extract of March\n\n" + PEOPLE.encode(), {"skipLines": 2}, ("ref", "name", "born")),
    "a comment above": (b"# made today, by us\n" + PEOPLE.encode(), {"comment": "#"}, ("ref", "name", "born")),
    "headings that are no names": (b"Ref,Full name\n1,Ada\n", {"headings": [{"heading": "Full name", "column": "full_name"}]}, ("Ref", "full_name")),
    "NULL": (b"ref,v\n1,NULL\n2,x\n", {"nulls": ["", "NULL"]}, ("ref", "v")),
    "all in quotes": (b'"ref","v"\n"1",""\n"2","x"\n', {"quotedNulls": True}, ("ref", "v")),
    "cut within a character": ("ref,v\n1,a\n2,é".encode()[:-1], {}, ("ref", "v")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_read_as_it_is_written(case: str) -> None:
    sample, written, names = CASES[case]
    found = guessed(sample)
    assert (found.written, found.names) == (written, names)
    CsvSource.model_validate({"location": "volume://a/b", **found.written})


def test_what_nothing_says_is_said_to_be_a_guess() -> None:
    assert "is a guess" in guessed("ref,name\n1,Müller\n".encode("cp1252")).notes[0]
    assert guessed(PEOPLE.encode()).notes == ()
