"""`layerscope trace` on the command line: what its arguments for the table do, and what is said of mistakes."""

import json

import pytest
from tests.commands import layerscope

import layerscope as ls
from layerscope.sources import json as graph_json

MISTAKES = {
    "column": (
        ["--columns", "nonsense"], "unknown column 'nonsense'. layerscope trace --help lists them.",
    ),
    "order": (
        ["--sort", "memry"],
        "unknown column to sort by 'memry'. Did you mean 'memory'? layerscope trace --help lists them.",
    ),
    "no name": (["--columns=-name"], "columns: the layer's name always stays; leave -name out"),
    "dtype": (["--dtype", "float61"], "unknown dtype 'float61'. Did you mean 'float64' or 'float16' or 'bfloat16'?"),
    "top": (["--top", "0"], "argument --top: must be at least 1, not 0\nTry: layerscope trace --help"),
    "depth": (["--depth", "-1"], "argument --depth: must be at least 1, not -1\nTry: layerscope trace --help"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, capsys):
    arguments, message = MISTAKES[name]
    assert layerscope(capsys, "trace", "3x3x1", *arguments) == (2, "", f"layerscope trace: {message}\n")


def test_arguments_of_the_table(capsys):
    wishes = ["--columns", "+memory,-kind", "--sort", "macs", "--top", "3", "--depth", "1", "--full"]
    code, out, _ = layerscope(capsys, "trace", "example:autoencoder", "--format", "markdown", *wishes)
    expected = ls.trace("example:autoencoder").render(
        "markdown", columns="+memory,-kind", sort="macs", top=3, depth=1, full=True
    )
    assert (code, out) == (0, expected + "\n")


def test_memory_by_dtype(capsys):
    _, out, _ = layerscope(capsys, "trace", "4x4x2 | conv 2 3 same", "--dtype", "float16", "--batch", "3")
    assert out.startswith("text  for a batch of 3, floats as float16\n")
    assert "memory        weights 76 bytes, inputs 192 bytes, outputs 192 bytes\n" in out


def test_full_shows_what_is_folded(capsys):
    text = "8x8x2 | [ conv 2 3 same ] x6"
    _, folded, _ = layerscope(capsys, "trace", text)
    _, full, _ = layerscope(capsys, "trace", text, "--full")
    assert "conv2d_1 … conv2d_5: 5 times the same layer" in folded
    assert "conv2d_3 " not in folded
    assert "conv2d_3 " in full
    assert folded.split("parameters  ")[-1] == full.split("parameters  ")[-1]


def test_trace_as_json(capsys):
    code, out, _ = layerscope(capsys, "trace", "8x8x3 | conv 4 3 stride 2 | flatten | dense 2", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert list(found) == ["name", "batch", "layers", "totals", "assumptions"]
    assert found["layers"][1] == {
        "name": "conv2d",
        "kind": "Conv2D",
        "inputs": ["input_layer"],
        "output_shape": ["batch", 3, 3, 4],
        "dtype": "float32",
        "weights": {"kernel": [3, 3, 3, 4], "bias": [4]},
        "parameters": 112,
        "trainable_parameters": 112,
        "shared": False,
        "shared_parameters": 0,
        "macs": 972,
        "operations": {"bias": 36, "pointwise": 0, "normalisation": 0, "pooling": 0},
        "memory": {"output": 144, "live": 912, "workspace": 0, "saved": 768},
        "receptive_field": [
            {"min": 3, "max": 3, "exact": True, "start": 0, "jump": 2, "phases": 1, "holes": False},
        ]
        * 2,
        "ratio": 36 / 192,
        "notes": [],
        "information": {
            "elements": 36, "capacity": 36, "narrowest": "conv2d", "unread": 0, "dropped": [1, 1], "discarded": 0,
        },
    }  # fmt: skip
    assert found["layers"][3]["receptive_field"] == "everything"
    totals = found["totals"]
    assert totals["parameters"] == totals["trainable_parameters"] == 186
    assert (totals["macs"], totals["at_least"]) == (1044, False)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_table_fits_its_width(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = layerscope(capsys, "trace", "28x28x1 | conv 16 3 | maxpool 2 | flatten | dense 10")
    assert max(map(len, out.splitlines())) <= width
    assert ("Not shown for want of width: kind" in out) == (width < 110)


def test_unknown_is_not_zero(capsys, tmp_path):
    graph = graph_json.dump(ls.trace("4x4x1 | conv 2 3").graph)
    out = {"shape": ["batch", 7], "dtype": "float32"}
    settings = {"type_name": "Mystery", "outputs": [out]}
    row = {
        "name": "what",
        "kind": "Opaque",
        "settings": settings,
        "inputs": [["conv2d", 0]],
        "weights": {},
        "scope": [],
    }
    graph["nodes"].append(row)
    graph["outputs"] = [["what", 0]]
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(graph))
    code, text, _ = layerscope(capsys, "trace", str(path))
    assert code == 0
    assert "MACs          at least 72" in text
    assert "Mystery" in layerscope(capsys, "trace", str(path), "--format", "json")[1]
    totals = ls.trace(str(path)).totals
    assert [totals[key] for key in ("parameters", "macs", "at_least", "parameters_at_least")] == [20, 72, True, True]


def test_quiet(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    for arguments in (["trace", "8x8x2 | conv 2 3"], ["field", "8x8x2 | conv 2 3", "--at", "1,1"]):
        _, loud, _ = layerscope(capsys, *arguments)
        for flag in ("-q", "--quiet"):
            code, quiet, _ = layerscope(capsys, *arguments, flag)
            assert code == 0
            assert loud.startswith(quiet.rstrip("\n"))
            assert "Receptive field: " in loud
            assert "Receptive field: " not in quiet
