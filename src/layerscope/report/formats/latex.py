"""A document as a LaTeX table with the rules of booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.report.document import Document

SUFFIXES = (".tex",)
PAGE = 45
"""Rows on a page; a longer table breaks over pages."""
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}", "`": r"\textasciigrave{}",
    "×": r"$\times$", "÷": r"$\div$", "·": r"$\cdot$", "≤": r"$\leq$", "≥": r"$\geq$", "−": r"$-$", "–": "--",
    "…": r"\ldots{}", "±": r"$\pm$", "→": r"$\rightarrow$", "'": r"\textquotesingle{}",
    "\N{REPLACEMENT CHARACTER}": "{?}",
}  # fmt: skip


def escaped(text: str) -> str:
    """The text as it is, whatever LaTeX would make of its characters."""
    return " ".join("".join(SPECIAL.get(letter, letter) for letter in text).split())


def render(document: Document, width: int = 0, colour: bool = False) -> str:
    """All columns of the document; totals below, notes and definitions as comments."""
    columns = document.columns
    long = len(document.rows) > PAGE
    shape = "".join("r" if column.right else "l" for column in columns)
    head = _row([escaped(column.title) for column in columns])
    lines = [
        f"% {_comment(document.title)}, {_comment(document.subtitle)}",
        f"% \\usepackage{{booktabs,textcomp{',longtable' if long else ''}}} and \\usepackage[T1]{{fontenc}}",
        f"\\begin{{{'longtable' if long else 'tabular'}}}{{{shape}}}",
        r"\toprule",
        head,
        r"\midrule",
        *([r"\endhead", r"\bottomrule", r"\endfoot"] if long else []),
    ]
    for row in document.rows:
        cells = [row.cells[column.key] for column in columns]
        cells[0] = row.sentence or cells[0]
        lines.append(_row([escaped(cell) for cell in cells]))
    lines.append(r"\midrule")
    for name, value in document.totals:
        lines.append(f"\\multicolumn{{{len(columns)}}}{{l}}{{{escaped(name)}: {escaped(value)}}} \\\\")
    lines += [] if long else [r"\bottomrule"]
    lines.append(f"\\end{{{'longtable' if long else 'tabular'}}}")
    meanings = [*dict.fromkeys(column.meaning for column in columns if column.meaning), *document.definitions]
    return "\n".join([*lines, *(f"% {_comment(text)}" for text in [*document.notes, *meanings])])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _comment(text: str) -> str:
    return " ".join(text.split())
