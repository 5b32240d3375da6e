"""The page as it is written: its cells are the facts, its policy is strict, its bytes are the same each time."""

import base64
import hashlib
import html
import re
from fractions import Fraction

import pytest
from tests import networks
from tests.report.reading import Page
from tests.table.networks import ALL, residual, stack, switches

import layerscope as ls
from layerscope.report import strings
from layerscope.sources.examples import CASES
from layerscope.telling import View, describe

TRACES = {**ALL, **{f"example {case.name}": lambda name=case.name: ls.trace(f"example:{name}") for case in CASES}}


def document(trace, **view):
    return describe(trace.graph, trace.journey, View(**view))


@pytest.mark.parametrize("name", TRACES)
def test_the_page_shows_every_cell_without_its_script(name):
    trace = TRACES[name]()
    found, text = document(trace), trace.render("html")
    assert text.isascii(), "right in every encoding"
    page = Page(text)
    assert page.rows[0] == [column.title for column in found.columns]
    assert len(page.rows) == 1 + len(found.rows)
    for row, span, source in zip(page.rows[1:], page.spans[1:], found.rows, strict=True):
        assert span == len(found.columns)
        cells = [source.cells[column.key] for column in found.columns]
        if source.sentence:
            first = next(n for n, column in enumerate(found.columns) if column.right)
            cells = [source.sentence, *cells[first:]]
        assert row == cells


@pytest.mark.parametrize("name", TRACES)
def test_what_the_script_reads_are_all_columns_of_all_layers(name):
    trace = TRACES[name]()
    page = Page(trace.render("html"))
    every = document(trace, columns="all", full=True)
    titles = {column.key: column.title for column in every.columns}
    units = re.compile(r"(bytes|kB|MB|GB|TB)$")
    expected = {row.cells["name"]: row for row in every.rows}
    told = [row for row in page.table() if row["layer"] in expected]
    assert [row["layer"] for row in told] == list(expected)
    for row in told:
        for key, title in titles.items():
            if not units.search(title):
                assert row[title] == expected[row["layer"]].cells[key], (row["layer"], key)


def numbers(page, title):
    """The numbers by which a column is ordered, by layer."""
    table = page.data["tables"][0]
    place = next(column["i"] for column in table["columns"] if column["title"] == title)
    names = [page.data["texts"][row["c"][0]] for row in table["rows"]]
    return {name: row["n"].get(str(place)) for name, row in zip(names, table["rows"], strict=True)}


def test_columns_are_ordered_by_facts():
    trace = ls.trace("example:autoencoder")
    page = Page(trace.render("html"))
    layers = {layer["name"]: layer for layer in trace.layers}
    assert numbers(page, "parameters") == {name: layer["parameters"] for name, layer in layers.items()}
    assert numbers(page, "MACs") == {name: layer["macs"] for name, layer in layers.items()}
    assert numbers(page, "output kB") == {name: layer["memory"]["output"] for name, layer in layers.items()}
    assert numbers(page, "data") == {name: layer["ratio"] for name, layer in layers.items()}
    assert numbers(page, "layer") == dict.fromkeys(layers)


def test_what_is_unknown_stands_between_what_is_known_and_zero():
    page = Page(ALL["unknown"]().render("html"))
    found = numbers(page, "MACs")
    known = [value for value in found.values() if value and value >= 1]
    assert 0.5 in found.values()
    assert known


def test_receptive_fields_are_those_of_the_middle_position_on_an_unbounded_input():
    trace = ls.trace("example:autoencoder")
    page = Page(trace.render("html"))
    (table,) = page.data["tables"]
    assert table["planes"] == [{"name": "input_layer", "height": 28, "width": 28}]
    for row, layer in zip(table["rows"], trace.layers, strict=True):
        ((plane, top, left, bottom, right),) = row["f"]
        assert plane == 0
        for low, high, told, size in zip(
            (top, left), (bottom, right), layer["receptive_field"], layer["output_shape"][1:], strict=False
        ):
            assert told["min"] <= high - low + 1 <= told["max"]
            if told["phases"] == 1:
                assert low == told["start"] + Fraction(told["jump"]) * (size // 2)
        clipped = (
            trace.receptive_field(layer["name"], tuple(size // 2 for size in layer["output_shape"][1:3]))
            .inputs[0]
            .box
        )
        assert clipped == ((max(0, top), min(27, bottom)), (max(0, left), min(27, right)))


def test_a_sequence_is_a_plane_of_height_one_and_vectors_are_none():
    (table,) = Page(ls.trace("64x8 | conv1d 16 3 same | maxpool1d 2").render("html")).data["tables"]
    assert table["planes"] == [{"name": "input_layer", "height": 1, "width": 64}]
    assert [row["f"] for row in table["rows"]] == [[[0, 0, 32, 0, 32]], [[0, 0, 31, 0, 33]], [[0, 0, 31, 0, 34]]]
    (table,) = Page(ls.trace("12 | dense 3").render("html")).data["tables"]
    assert table["planes"] == []


def test_the_policy_lets_only_this_script_and_this_style_run():
    text = ls.trace("example:autoencoder").render("html")
    page = Page(text)

    def hashed(inner):
        return f"'sha256-{base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"

    assert page.policy == {
        "default-src": "'none'",
        "script-src": hashed(page.raw["script"][1]),
        "style-src": hashed(page.raw["style"][0]),
        "img-src": "data:",
        "connect-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    names = {name for _, told in page.tags for name in told}
    assert not [name for name in names if name.startswith("on") or name in ("style", "src", "href", "srcset")]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", page.raw["script"][1]
    )
    assert "http" not in page.raw["script"][1].replace("http://www.w3.org/2000/svg", "")


def test_names_are_text_in_every_place():
    from tests.browser.report_pages import HOSTILE, hostile

    text = hostile().render("html")
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert [tag for tag, _ in page.tags].count("img") == 0
    assert HOSTILE in [row[0] for row in page.rows]
    assert HOSTILE in [row["layer"] for row in page.table()]
    assert "everything" not in page.data["korean"] or "everything" in [row["receptive field"] for row in page.table()]


@pytest.mark.parametrize("name", ["residual", "stack", "odd names", "switches"])
def test_the_same_network_gives_the_same_bytes(name):
    assert TRACES[name]().render("html") == TRACES[name]().render("html")


def test_folded_rows_have_their_layers_below_them():
    trace = residual()
    (table,) = Page(trace.render("html")).data["tables"]
    rows = table["rows"]
    within = {row["w"] for row in rows if "w" in row}
    assert within
    for place in within:
        assert "t" in rows[place]
        members = [row for row in rows if row.get("w") == place]
        macs = next(column["i"] for column in table["columns"] if column["title"] == "MACs")
        assert sum(row["n"][str(macs)] for row in members) == rows[place]["n"][str(macs)]
    assert sum("t" not in row for row in rows) == len(trace)


def test_nested_models_are_rows_that_have_their_layers_below_them():
    trace = stack()
    page = Page(trace.render("html", depth=1))
    rows = page.data["tables"][0]["rows"]
    names = [row["layer"] for row in page.table()]
    tops = [name for name, row in zip(names, rows, strict=True) if "w" not in row]
    assert tops == ["tokens", "block_0", "block_1 … block_5", "head"]
    below = [(names[row["w"]], name) for name, row in zip(names, rows, strict=True) if "w" in row]
    assert [name for _, name in below if name.startswith("block_0/")] == [
        layer["name"] for layer in trace.layers if layer["name"].startswith("block_0/")
    ]
    assert {top for top, name in below if name.startswith("block_0/")} == {"block_0"}


def test_pages_are_small():
    assert len(ls.trace("example:autoencoder").render("html")) < 80_000
    for graph in (networks.resnet(152), networks.inception_v3()):
        assert len(ls.trace(graph).render("html")) <= 400_000
    many = ls.trace("28x28x1 | " + " | ".join(f"conv {n % 97 + 1} 3 same" for n in range(3100)))
    text = many.render("html")
    assert len(text) <= 400_000
    assert len(Page(text).data["tables"][0]["columns"]) == len(document(stack()).columns)


def test_a_notebook_gets_the_page_in_a_frame_that_has_no_rights():
    trace = switches()
    (found,) = re.findall(r'<iframe sandbox="allow-scripts" title="(.*?)" width="100%" height="(\d+)" style="border: 0; resize: vertical" srcdoc="(.*?)"></iframe>',
                          trace._repr_html_(), re.DOTALL)  # fmt: skip
    assert html.unescape(found[2]) == trace.render("html")
    assert 420 <= int(found[1]) <= 780


# --- Korean ---


def own_texts(found):
    """All of a document that is the report's own and no name."""
    whole = found.whole() if found.whole else found
    yield found.subtitle
    yield found.heading
    for name, value in found.totals:
        yield name
        if re.search("[a-z]{4}", value) and not re.fullmatch(r"(at least )?[\w·]+", value):
            yield value
    yield from (f"note: {note}" for note in found.notes)
    yield from found.definitions
    for column in whole.columns:
        yield column.title
        if column.meaning:
            yield column.meaning
    for row in whole.rows:
        if row.sentence:
            yield row.sentence
        for column in whole.columns:
            cell = row.cells[column.key]
            if column.said and re.search("[a-z]{4}", cell) and "·" not in cell and ":" not in cell:
                yield cell


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_said_in_korean(name):
    missing = [text for text in own_texts(document(TRACES[name]())) if strings.korean(text) is None]
    assert missing == []


SAID = {
    "18,804 bias, 18,804 pointwise, 14,368 pooling": "편향 18,804, 원소별 연산 18,804, 풀링 14,368",
    "at least 12 bytes alive at once, in conv": "동시에 적어도 12 바이트, conv에서",
    "1,234 (1,000 trainable, 234 not)": "1,234 (학습 대상 1,000, 고정 234)",
    "block2 … block9: 8 times the same 10 layers": "block2 … block9: 같은 레이어 10개가 8번",
    "for a batch of 3, floats as float16": "배치 3 기준, 실수는 float16",
    "per example (the batch size is open), sorted by parameters": "예제 하나 기준 (배치 크기는 미정), 파라미터 순",
    "for a batch of 8, as the network states": "배치 8 기준, 신경망에 적힌 대로",
    "condense ÷3.062": "집약 ÷3.062",
}


@pytest.mark.parametrize("english", SAID)
def test_values_keep_their_places_in_korean(english):
    assert strings.korean(english) == SAID[english]


def test_names_are_not_said_in_korean():
    for text in ("conv2d", "my input of bytes", "layer_of_2", "", "28 × 28 × 1", "kernel 3×3×1×16, bias 16"):
        assert strings.korean(text) is None


def test_every_translation_has_its_values():
    for english, told in strings.table().items():
        assert len(strings.PLACE.findall(told)) == len(strings.PLACE.findall(english)), english
        assert re.search("[가-힣]|MAC|MSE|^[^a-z]*$", told), told


def test_the_script_says_only_what_is_translated():
    script = Page(ls.trace("example:autoencoder").render("html")).raw["script"][1]
    said = re.findall(r'(?:said|filled)\(\s*(?:\w+ === \w+ \? )?"([^"]+)"', script)
    assert len(said) >= 6
    assert [text for text in said if strings.korean(text) is None] == []
