"""Receipts on paper: one page of PDF with what was said, and the signed text from which it can be checked. Nothing is fetched, and no time is in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from reportlab.lib.fonts import addMapping
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle


class Paper(NamedTuple):
    """What stands on a receipt."""

    language: str
    title: str
    heading: str
    rows: Sequence[tuple[str, str]]
    note: str
    signed: str


_FACE, _BOLD_FACE = "Portal", "Portal-Bold"
_TEXT = ParagraphStyle("text", fontName=_FACE, fontSize=10.5, leading=15)
_BOLD = ParagraphStyle("bold", _TEXT, fontName=_BOLD_FACE)
_HEADING = ParagraphStyle("heading", _BOLD, fontSize=22, leading=28)
_CODE = ParagraphStyle("code", fontName="Courier", fontSize=6.5, leading=8, splitLongWords=True, wordWrap="CJK")


def set_faces(regular: bytes, bold: bytes) -> None:
    """Have receipts written in these TrueType fonts, which have the letters of Welsh; to be called before the first is drawn."""
    for name, content in ((_FACE, regular), (_BOLD_FACE, bold)):
        pdfmetrics.registerFont(TTFont(name, io.BytesIO(content)))
    for is_bold in (0, 1):
        addMapping(_FACE, is_bold, 0, _BOLD_FACE if is_bold else _FACE)
        addMapping(_BOLD_FACE, is_bold, 0, _BOLD_FACE)


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
