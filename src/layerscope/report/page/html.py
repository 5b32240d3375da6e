"""The page itself: head with its content policy, header, totals, figures, tables, legend."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path

from layerscope import __version__
from layerscope.report import svg
from layerscope.report.document import Column, Document, TableRow
from layerscope.report.drawing import Drawing, Words
from layerscope.report.layouts.across import across
from layerscope.report.layouts.curves import curves
from layerscope.report.page.data import Data
from layerscope.report.scenes import Curves, Journey, Picture

SHAPE = (
    "Height: positions along an axis; width: numbers at each position; both on a logarithmic scale. "
    "Bars: share of the largest row."
)
KEYS = (
    ("enrich", "more numbers out than in"), ("condense", "fewer"), ("keep", "as many"), ("hollow", "no parameters"),
)  # fmt: skip
SEARCHED_FROM, MANY = 8, 40
"""Rows from which on there is a field to search in them: layers, and others."""


def render(document: Document) -> str:
    """The page, in ASCII (right in every encoding), the same for the same document."""
    data = Data()
    documents = [document, *document.parts]
    wholes = [one.whole() if one.whole else one for one in documents]
    sections = "\n".join(_section(one, wholes[number], number, data) for number, one in enumerate(documents))
    body = "\n".join(
        [_header(document, data), "<main>", sections, _legend(documents, wholes, data), "</main>", _footer(data)]
    )
    style, script = _part("theme.css") + _part("page/page.css"), _part("page/page.js")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(document.title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        body,
        f'<script type="application/json" id="data">{data.written()}</script>',
        f"<script>{script}</script>",
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace").decode("ascii")


@cache
def _part(name: str) -> str:
    return (Path(__file__).parent.parent / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _said(text: str, data: Data, tag: str = "span", more: str = "") -> str:
    """A text in an element, marked where the page can say it in another language."""
    mark = " data-said" if data.said(text) else ' lang="en"'
    return f"<{tag}{mark}{more}>{escape(text)}</{tag}>"


def _label(name: str, text: str, data: Data) -> str:
    """An attribute that is words."""
    mark = f' data-label="{name}"' if data.said(text) else ""
    return f' {name}="{escape(text)}"{mark}'


def _header(document: Document, data: Data) -> str:
    languages = '<option value="en" lang="en">English</option><option value="ko" lang="ko">한국어</option>'
    themes = "".join(
        _said(told, data, "option", f' value="{value}"')
        for value, told in (("auto", "automatic"), ("light", "light"), ("dark", "dark"))
    )
    tools = (
        f'<div class="tools" hidden><label>{_said("Theme", data)}<select id="theme">{themes}</select></label>'
        f'<label>{_said("Language", data)}<select id="language">{languages}</select></label></div>'
    )
    about = _said(document.subtitle, data, "p", ' class="soft"')
    return f"<header><div><h1>{escape(document.title)}</h1>{about}</div>{tools}</header>"


def _section(document: Document, whole: Document, number: int, data: Data) -> str:
    """One document: for a further one its title, then totals, notes, figures and the table."""
    parts: list[str] = []
    if number:
        parts.append(f"<h2>{escape(document.title)}</h2>")
    parts.append(_totals(document, data))
    if document.notes:
        notes = "".join(_said(f"note: {note}", data, "li") for note in document.notes)
        parts.append(f'<ul class="notes">{notes}</ul>')
    parts += _figures(document, number, data)
    if document.rows:
        parts.append(_table(document, whole, number, data))
    return "\n".join(["<section>", *filter(None, parts), "</section>"])


def _level(number: int) -> str:
    """The tag of a heading within a document: below that of a further one's title."""
    return "h3" if number else "h2"


def _totals(document: Document, data: Data) -> str:
    rows = [
        _said(name, data, "dt") + _said(value, data, "dd", ' class="main"' if document.whole and at < 2 else "")
        for at, (name, value) in enumerate(document.totals)
    ]
    return f'<dl class="totals">{"".join(rows)}</dl>' if rows else ""


def _figures(document: Document, number: int, data: Data) -> list[str]:
    found: list[str] = []
    others: list[str] = []
    for at, scene in enumerate(document.scenes()):
        name = f"figure-{number}-{at}"
        if isinstance(scene, Journey):
            found.append(_journey(scene, number, name, data))
        elif isinstance(scene, Curves):
            drawing = curves(scene)
            caption = f'<figcaption id="{name}" class="hidden-words">{escape(drawing.words)}</figcaption>'
            others.append(f"<figure>{_scrolled(_drawn(drawing, name, data), drawing.title, data)}{caption}</figure>")
        else:
            others.append(_picture(scene, data))
    return found + ([f'<div class="pictures">{"".join(others)}</div>'] if others else [])


def _journey(scene: Journey, number: int, name: str, data: Data) -> str:
    drawing = across(scene)
    keys = "".join(f'<span class="key {role}"></span>{_said(words, data)}' for role, words in KEYS)
    heading = _said("Journey", data, _level(number), f' id="{name}"')
    figure = _scrolled(_drawn(drawing, name, data), "Figure of the journey", data)
    caption = f"<figcaption><p>{keys}</p>{_said(SHAPE, data, 'p')}</figcaption>"
    return f'{heading}<figure class="journey">{figure}{caption}</figure>'


def _drawn(drawing: Drawing, name: str, data: Data) -> str:
    """A drawing whose words the page can say in another language."""
    for mark in drawing.marks:
        if isinstance(mark, Words) and mark.said:
            data.said(mark.text)
    return svg.within(drawing, name)


def _scrolled(inner: str, name: str, data: Data) -> str:
    """What may be wider than the page, reached by the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region"{_label("aria-label", name, data)}>{inner}</div>'


def _picture(scene: Picture, data: Data) -> str:
    source = f"data:image/png;base64,{b64encode(scene.png).decode()}"
    caption = _said(scene.title, data, "figcaption")
    return f'<figure><img src="{source}" alt="{escape(scene.words)}">{caption}</figure>'


def _table(document: Document, whole: Document, place: int, data: Data) -> str:
    number = data.add(document, whole)
    shown = data.tables[number]
    columns = list(document.columns)
    tools: list[str] = []
    if len(shown["rows"]) >= (SEARCHED_FROM if document.whole else MANY):
        tools.append(
            f'<input type="search"{_label("placeholder", "Search", data)}{_label("aria-label", "Search", data)}>'
        )
    if any(column.get("o") for column in shown["columns"]):
        tools.append(_chooser(shown["columns"], data))
    if any("w" in row for row in shown["rows"]):
        tools.append('<button type="button" class="unfold">Unfold</button>')
    tools.append('<span role="status"></span>')
    head = "".join(_said(column.title, data, "th", f' scope="col"{_side(column)}') for column in columns)
    body = "".join(_row(row, columns) for row in document.rows)
    table = f'<table id="table-{number}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    region = _scrolled(table, document.heading, data).replace('class="scroll"', 'class="scroll rows"')
    view = '<aside class="view"></aside>' if shown["planes"] else ""
    heading = _said(document.heading, data, _level(place))
    return f'{heading}<div class="bar" hidden>{"".join(tools)}</div><div class="beside">{region}{view}</div>'


def _chooser(columns: Sequence[dict[str, object]], data: Data) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" value="{column["i"]}"{"" if column.get("o") else " checked"}>'
        f"{_said(str(column['title']), data)}</label>"
        for column in columns[1:]
    )
    return f'<details class="columns">{_said("Columns", data, "summary")}<div>{boxes}</div></details>'


def _side(column: Column) -> str:
    return ' class="right"' if column.right else ""


def _row(row: TableRow, columns: Sequence[Column]) -> str:
    """A row as it is without the script."""
    cells = [row.cells.get(column.key, "") for column in columns]
    span = 1
    if not row.sentence:
        first = f'<th scope="row"{_side(columns[0])}>{escape(cells[0])}</th>'
    else:  # the sentence takes the place of the cells before the first number
        span = next((n for n, column in enumerate(columns) if column.right), len(columns))
        first = f'<th scope="row" class="again" colspan="{span}">{escape(row.sentence)}</th>'
    rest = zip(columns[span:], cells[span:], strict=True)
    return "<tr>" + first + "".join(f"<td{_side(column)}>{escape(cell)}</td>" for column, cell in rest) + "</tr>"


def _legend(documents: Sequence[Document], wholes: Sequence[Document], data: Data) -> str:
    """What columns and words mean, those of optional columns too."""
    texts: dict[str, None] = {}
    for document, whole in zip(documents, wholes, strict=True):
        asked = bool(document.definitions) or any(column.meaning for column in document.columns)
        if asked:
            texts.update(dict.fromkeys(column.meaning for column in whole.columns if column.meaning))
            texts.update(dict.fromkeys(document.definitions))
    if not texts:
        return ""
    lines = "".join(_said(text, data, "p") for text in texts)
    return f'<details class="words">{_said("What the words mean", data, "summary")}{lines}</details>'


def _footer(data: Data) -> str:
    return f"<footer>{_said(f'Made by Layerscope {__version__}', data)}</footer>"
