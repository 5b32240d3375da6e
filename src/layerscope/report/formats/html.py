"""A document as a piece of HTML for notebooks and pages; its colours are those of what surrounds it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from layerscope.report.document import Column, Document, TableRow

STYLE = """<style>
.layerscope { overflow-x: auto; font-size: 0.9em; }
.layerscope table { border-collapse: collapse; color: inherit; background: none; margin: 0.5em 0; }
.layerscope th, .layerscope td { padding: 0.2em 0.8em; border: 0; text-align: left; white-space: nowrap;
  color: inherit; background: none; font-variant-numeric: tabular-nums; }
.layerscope tbody tr:hover td, .layerscope tbody tr:hover th { background: rgba(127, 127, 127, 0.15); }
.layerscope thead th, .layerscope tbody:last-child { border-bottom: 1px solid rgba(127, 127, 127, 0.6); }
.layerscope tbody th { font-weight: normal; }
.layerscope .right { text-align: right; }
.layerscope .again { font-style: italic; opacity: 0.8; }
.layerscope p, .layerscope ul { margin: 0.4em 0; }
.layerscope .small { opacity: 0.7; }
</style>"""


def render(document: Document, width: int = 0, colour: bool = False) -> str:
    """All columns of the document; no script, nothing loaded, and ASCII alone, right in every encoding."""
    columns = document.columns
    meanings = [*dict.fromkeys(column.meaning for column in columns if column.meaning), *document.definitions]
    head = "".join(f'<th scope="col"{_side(column)}>{escape(column.title)}</th>' for column in columns)
    lines = [
        '<div class="layerscope">',
        STYLE,
        f"<p><strong>{escape(document.title)}</strong> {escape(document.subtitle)}</p>",
        f"<table><thead><tr>{head}</tr></thead>",
        "<tbody>",
        *(_row(row, columns) for row in document.rows),
        "</tbody></table>",
        "<table><tbody>",
        *(
            f'<tr><th scope="row">{escape(name)}</th><td><strong>{escape(value)}</strong></td></tr>'
            for name, value in document.totals
        ),
        "</tbody></table>",
        *(f"<p>note: {escape(note)}</p>" for note in document.notes),
        *(f'<p class="small">{escape(text)}</p>' for text in meanings),
        "</div>",
    ]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _side(column: Column) -> str:
    return ' class="right"' if column.right else ""


def _row(row: TableRow, columns: Sequence[Column]) -> str:
    cells = [row.cells[column.key] for column in columns]
    if not row.sentence:
        first = f'<th scope="row">{escape(cells[0])}</th>'
        rest = zip(columns[1:], cells[1:], strict=True)
    else:  # the sentence takes the place of the cells before the first number
        span = next((n for n, column in enumerate(columns) if column.right), len(columns))
        first = f'<th scope="row" class="again" colspan="{span}">{escape(row.sentence)}</th>'
        rest = zip(columns[span:], cells[span:], strict=True)
    return "<tr>" + first + "".join(f"<td{_side(column)}>{escape(cell)}</td>" for column, cell in rest) + "</tr>"
