"""Receipts on paper: one page of PDF with what was said, and the signed text from which it can be checked. Nothing is fetched, and no time is in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle


class Paper(NamedTuple):
    """What stands on a receipt."""

    language: str
    title: str
    heading: str
    rows: Sequence[tuple[str, str]]
    note: str
    signed: str


_TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=11, leading=15)
_BOLD = ParagraphStyle("bold", _TEXT, fontName="Helvetica-Bold")
_HEADING = ParagraphStyle("heading", _BOLD, fontSize=22, leading=28)
_CODE = ParagraphStyle("code", fontName="Courier", fontSize=6.5, leading=8, splitLongWords=True, wordWrap="CJK")


def drawn(paper: Paper) -> bytes:
    """Return the PDF. The same receipt is the same bytes."""
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        title=paper.title,
        author="Commonweal",
        lang=paper.language,
        invariant=1,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=20 * mm,
        bottomMargin=20 * mm,
    )
    rows = [[Paragraph(escape(key), _BOLD), Paragraph(escape(value), _TEXT)] for key, value in paper.rows]
    table = Table(rows, colWidths=[50 * mm, 120 * mm])
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.5, "#b1b4b6")]))
    document.build(
        [
            Paragraph(escape(paper.title), _TEXT),
            Paragraph(escape(paper.heading), _HEADING),
            Spacer(1, 6 * mm),
            table,
            Spacer(1, 8 * mm),
            Paragraph(escape(paper.note), _TEXT),
            Spacer(1, 3 * mm),
            Paragraph(escape(paper.signed), _CODE),
        ]
    )
    return file.getvalue()
