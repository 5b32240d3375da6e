"""CSV, Markdown, LaTeX and JSON: what is written can be read again, whatever characters names have."""

import csv
import io
import json
import re

import pytest
from tests.table.networks import ALL, odd_names, residual, stack, switches, twins, unknown

import layerscope as ls
from layerscope.cli import main
from layerscope.core.errors import ExportError
from layerscope.report.formats.latex import SPECIAL
from layerscope.telling import View, describe, records

# --- CSV ---


@pytest.mark.parametrize("name", ALL)
def test_csv_reads_back_as_the_json(name):
    trace = ALL[name]()
    text = trace.render("csv")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    found = trace.to_json()["layers"]
    assert [row["name"] for row in rows] == [layer["name"] for layer in found]

    def number(value):
        return "" if value is None else str(value)

    for row, layer in zip(rows, found, strict=True):
        assert row["kind"] == layer["kind"]
        assert row["parameters"] == number(layer["parameters"])
        assert row["macs"] == number(layer["macs"])
        assert row["trainable"] == number(layer["trainable_parameters"])
        assert row["from"] == ", ".join(dict.fromkeys(layer["inputs"]))
        assert row["output"].split("; ")[0] == f"({', '.join(map(str, layer['output_shape']))})"
        assert row["ratio"] == number(layer["ratio"])
        for kind in ("bias", "pointwise", "normalisation", "pooling"):
            assert row[kind] == number(layer["operations"] and layer["operations"][kind])
        for kind in ("output", "live", "saved"):
            assert row[f"{kind}_bytes"] == number(layer["memory"][kind])
    json.dumps(trace.to_json())


def test_csv_is_that_of_rfc_4180():
    text = odd_names().render("csv", columns="kind,macs")
    assert text == (
        'name,kind,macs\r\n"a|b & c_d {e} #f 50% $g$ ~h ^i \\j ""k"" <l> *m*, [n]",InputLayer,0\r\n'
        '"_first_\nsecond\x1b[31m`tick`\'s",Dense,2\r\n'
    )


def test_csv_has_one_row_a_layer_and_no_row_of_sums():
    assert len(residual().render("csv").splitlines()) == 1 + len(residual())
    assert stack().render("csv", depth=1, columns="layers,macs").split("\r\n") == [
        "name,layers,macs", "tokens,1,0", *(f"block_{n},3,3072" for n in range(6)), "head,1,144", "",
    ]  # fmt: skip
    assert stack().render("csv", top=1, columns="macs") == "name,macs\r\nblock_0/up,1536\r\n"


def test_a_sum_with_something_unknown_in_it_is_no_number():
    trace = unknown()
    (row,) = [row for row in records(trace.graph, trace.journey) if row["name"] == "mystery"]
    assert [row[key] for key in ("parameters", "macs", "bias", "saved_bytes", "macs_percent")] == [None] * 5


def test_csv_on_the_command_line(capsys):
    assert main(["trace", "3x3x1 | flatten", "--format", "csv", "--columns", "macs,output"]) == 0
    assert (
        capsys.readouterr().out
        == 'name,macs,output\r\ninput_layer,0,"(batch, 3, 3, 1)"\r\nflatten,0,"(batch, 9)"\r\n'
    )


# --- Markdown ---


def cells(line):
    """The cells of a row of a Markdown table, as GitHub shows them."""
    parts = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    shown = [re.sub(r"\\([\\`*_\[\]|~$#])", r"\1", part.strip()) for part in parts]
    return [part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for part in shown]


def document(trace, **view):
    return describe(trace.graph, trace.journey, View(**view))


def expected(found):
    """The cells that a format without a width has to show."""
    rows = [[row.cells[column.key] for column in found.columns] for row in found.rows]
    for row, source in zip(rows, found.rows, strict=True):
        row[0] = source.sentence or row[0]
    return [[" ".join(cell.split()) for cell in row] for row in rows]


@pytest.mark.parametrize("name", ALL)
def test_markdown_shows_every_cell(name):
    trace = ALL[name]()
    found, lines = document(trace), trace.render("markdown").split("\n")
    assert lines[1] == ""
    assert cells(lines[2]) == [column.title for column in found.columns]
    assert cells(lines[3]) == ["---:" if column.right else "---" for column in found.columns]
    end = lines.index("", 2)
    assert [cells(line) for line in lines[4:end]] == expected(found)
    assert lines[end + 1].startswith("- parameters: ")


def test_markdown_whole():
    assert stack().render("markdown", depth=1, columns="output,layers,macs_percent").split("\n")[:9] == [
        "**stack**, per example (the batch size is open)",
        "",
        "| layer | output | layers | % of MACs |",
        "| --- | --- | ---: | ---: |",
        "| tokens | 6 × 8 | 1 |  |",
        "| block_0 | 6 × 8 | 3 | 16.5 |",
        "| block_1 … block_5: 5 times the same 3 layers | 6 × 8 | 15 | 82.7 |",
        "| head | 6 × 3 | 1 | 0.8 |",
        "",
    ]


def test_markdown_escapes():
    lines = odd_names().render("markdown", columns="macs").split("\n")
    assert lines[0] == "**o\\|d&amp;d\\_{}\\#%**, per example (the batch size is open)"
    assert lines[4] == ('| a\\|b &amp; c_d {e} \\#f 50% \\$g\\$ \\~h ^i \\\\j "k" &lt;l&gt; \\*m\\*, \\[n\\] |  |')
    assert lines[5] == "| \\_first\\_�second�\\[31m\\`tick\\`'s | 2 |"


# --- LaTeX ---


def unescaped(text):
    """LaTeX text as it is set."""
    for letter, code in sorted(SPECIAL.items(), key=lambda pair: -len(pair[1])):
        if len(code) > 2:
            text = text.replace(code, f"\0{ord(letter)}\0")
    text = re.sub(r"\\([{}&%$#_])", r"\1", text).replace("--", "–")
    return re.sub("\0(\\d+)\0", lambda found: chr(int(found[1])), text)


def balanced(line):
    """Whether all braces and all dollars of a line come in pairs."""
    bare = re.sub(r"\\[{}$%&#_\\]", "", line)
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        if depth < 0:
            return False
    return depth == 0 and bare.count("$") % 2 == 0


@pytest.mark.parametrize("name", ALL)
def test_latex_shows_every_cell(name):
    trace = ALL[name]()
    found = document(trace)
    lines = trace.render("latex").split("\n")
    code = [line for line in lines if not line.startswith("%")]
    assert all(map(balanced, code))
    assert not any(re.search(r"(?<!\\)[#%~^]", line) for line in code), "characters that TeX takes for its own"
    kind = "longtable" if len(found.rows) > 45 else "tabular"
    sides = "".join("r" if column.right else "l" for column in found.columns)
    assert code[:3] == [f"\\begin{{{kind}}}{{{sides}}}", "\\toprule", code[2]]
    first, last = code.index("\\midrule") + 1, len(code) - 1 - code[::-1].index("\\midrule")
    rows = [line for line in code[first:last] if line not in ("\\endhead", "\\bottomrule", "\\endfoot")]
    assert all(line.endswith(" \\\\") for line in rows)
    assert [[unescaped(cell) for cell in line[:-3].split(" & ")] for line in rows] == expected(found)
    assert code[-1] == f"\\end{{{kind}}}"


def test_latex_whole():
    assert stack().render("latex", depth=1, columns="output,macs,ratio") == "\n".join([
        "% stack, per example (the batch size is open)",
        "% \\usepackage{booktabs,textcomp} and \\usepackage[T1]{fontenc}",
        "\\begin{tabular}{llrl}",
        "\\toprule",
        "layer & output & MACs & data \\\\",
        "\\midrule",
        "tokens & 6 $\\times$ 8 &  &  \\\\",
        "block\\_0 & 6 $\\times$ 8 & 3,072 & = \\\\",
        "block\\_1 \\ldots{} block\\_5: 5 times the same 3 layers & 6 $\\times$ 8 & 15,360 & = \\\\",
        "head & 6 $\\times$ 3 & 144 & condense $\\div$2.667 \\\\",
        "\\midrule",
        "\\multicolumn{4}{l}{parameters: 3,339} \\\\",
        "\\multicolumn{4}{l}{MACs: 18,576} \\\\",
        "\\multicolumn{4}{l}{operations: 1,458 bias, 1,440 pointwise} \\\\",
        "\\multicolumn{4}{l}{memory: weights 13.4 kB, inputs 192 bytes, outputs 6.98 kB} \\\\",
        "\\multicolumn{4}{l}{at inference: 1.15 kB alive at once, in block\\_0/down} \\\\",
        "\\multicolumn{4}{l}{in training: 5.95 kB kept for the backward pass} \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        "% block_0/up acts on the last axis of (6, 8), at each position by itself; Flatten before it would give it all "
        "48 numbers. Likewise block_0/down, block_1/up, block_1/down and 9 more.",
        "% MAC: one multiply and add in a product with weights; products with padding count.",
        "% Data: numbers out ÷ numbers in; below 1 a layer condenses the data, above 1 it enriches it.",
        "% Memory: of tensors, 1 kB = 1,000 bytes; what is alive or kept comes on top of the weights.",
    ])  # fmt: skip


def test_a_long_table_breaks_over_pages():
    lines = residual().render("latex", full=True).split("\n")
    assert lines[1] == "% \\usepackage{booktabs,textcomp,longtable} and \\usepackage[T1]{fontenc}"
    assert lines[2].startswith("\\begin{longtable}")
    assert lines[5:9] == ["\\midrule", "\\endhead", "\\bottomrule", "\\endfoot"]


# --- JSON and Python ---


@pytest.mark.parametrize("view", [{"columns": "macs"}, {"depth": 1}, {"top": 1}, {"sort": "macs"}], ids=str)
def test_json_has_everything_whatever_is_wished(view):
    assert stack().render("json", **view) == stack().render("json")


def test_json_of_a_layer_and_the_totals():
    found = twins().to_json()
    assert found["layers"][5] == {
        "name": "block_0/up#2",
        "kind": "Dense",
        "inputs": ["right"],
        "output_shape": ["batch", 6, 32],
        "dtype": "float32",
        "weights": {"kernel": [8, 32], "bias": [32]},
        "parameters": 288,
        "trainable_parameters": 288,
        "shared": True,
        "shared_parameters": 288,
        "macs": 1536,
        "operations": {"bias": 192, "pointwise": 192, "normalisation": 0, "pooling": 0},
        "memory": {"output": 768, "live": 1152, "workspace": 0, "saved": 960},
        "receptive_field": [
            {"min": 1, "max": 1, "exact": True, "start": 0, "jump": 1, "phases": 1, "holes": False},
        ],
        "ratio": 4.0,
        "notes": [
            "acts on the last axis of (6, 8), at each position by itself; Flatten before it would give it all 48 numbers"
        ],
        "information": {
            "elements": 192, "capacity": 48, "narrowest": "right", "unread": 0, "dropped": [], "discarded": 0,
        },
    }  # fmt: skip
    assert found["totals"] == {
        "parameters": 586,
        "trainable_parameters": 586,
        "non_trainable_parameters": 0,
        "macs": 6336,
        "at_least": False,
        "parameters_at_least": False,
        "operations": {"bias": 492, "pointwise": 480, "normalisation": 0, "pooling": 0},
        "operations_at_least": False,
        "memory": {
            "weights": 2344,
            "inputs": 384,
            "outputs": 2736,
            "peak": 1344,
            "peak_layer": "block_0/down",
            "at_least": False,
            "saved": 2304,
            "saved_at_least": False,
            "dtype": None,
        },
        "information": {"capacity": 12, "narrowest": "head", "unread": 0},
    }


def test_a_trace_counts_and_lists_its_layers():
    trace = switches()
    assert len(trace) == 5
    assert list(trace) == trace.layers
    assert [layer["name"] for layer in trace][:2] == ["input_layer", "conv2d"]


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ExportError) as found:
        ls.trace("3x3x1").to_pandas()
    assert str(found.value) == "a table for pandas needs the package pandas: pip install pandas"
