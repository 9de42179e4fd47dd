"""Rows as COPY reads them, whatever is in their texts."""

from __future__ import annotations

import pyarrow as pa
import pytest

from commonweal_runtime.store.loading.copying import lines_of


def rows(*columns: list[str | None]) -> pa.Table:
    count = len(columns[0])
    arrays = [*(pa.array(column, pa.string()) for column in columns), pa.array(range(count), pa.int64())]
    return pa.table(arrays, names=[str(n) for n in range(len(arrays))])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a", "a"),
        ("", ""),
        (None, r"\N"),
        ("zwölf, 'quoted'", "zwölf, 'quoted'"),
        ('a "quote"', 'a "quote"'),
        ("back\\slash", r"back\\slash"),
        (r"\N", r"\\N"),
        (r"\.", r"\\."),
        ("tab\there", r"tab\there"),
        ("two\nlines\r\n", r"two\nlines\r\n"),
    ],
)
def test_every_text_is_told_from_every_other(text: str | None, written: str) -> None:
    beside: list[str | None] = ["x", None, ""]
    lines = lines_of(rows([text, "b", None], beside)).decode()
    assert lines == f"{written}\tx\t0\nb\t\\N\t1\n\\N\t\t2\n"
    assert lines_of(rows(["a", text, "b", None], ["y", *beside]).slice(1)).decode() == lines.translate({48: 49, 49: 50, 50: 51})
