"""What a command loads: the layers that a network has and the command that was asked for, nothing besides."""

import json
import subprocess
import sys

import pytest

from layerscope import layers
from layerscope.core.errors import UnknownNameError

TEXT = "28x28x1 | conv 16 3 same relu | maxpool 2 same | flatten | dense 10"
PROBE = """
import contextlib, io, json, sys
from layerscope import cli
with contextlib.redirect_stdout(io.StringIO()):
    assert cli.main({arguments!r}) == 0
print(json.dumps([name for name in sys.modules if name.startswith("layerscope.")]))
"""


def loaded(*arguments):
    """The modules of this package that a command loads, by folder."""
    script = PROBE.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names = [name.split(".")[1:] for name in json.loads(done.stdout)]
    return {folder: {rest[0] for head, *rest in names if head == folder and rest} for folder in ("cli", "layers")}


@pytest.mark.parametrize("form", ["text", "json"])
def test_only_the_layers_of_the_network_are_loaded(form, tmp_path):
    what = TEXT
    if form == "json":
        what = str(tmp_path / "graph.json")
        loaded("trace", TEXT, "--save", what)
    public = {name for name in loaded("trace", what)["layers"] if not name.startswith("_")}
    assert public == {"input_layer", "conv2d", "max_pooling2d", "flatten", "dense"}


def test_only_the_command_that_was_asked_for_is_loaded():
    assert {name for name in loaded("trace", TEXT)["cli"] if not name.startswith("_")} == {"trace"}


def all_of_them():
    raise AssertionError("all layers are loaded to find one")


@pytest.mark.parametrize("kind", [kind for kind, cls in layers.kinds().items() if cls.words])
def test_every_word_leads_to_the_one_file_of_its_layer(kind, monkeypatch):
    cls = layers.kinds()[kind]
    monkeypatch.setattr(layers, "_spellings", all_of_them)
    for word in (*cls.words.names, kind, kind.upper()):
        assert layers.layer_class(word) is cls


@pytest.mark.parametrize("name", ["xyzzy", "_spatial", "input"])
def test_what_no_file_has_is_unknown(name):
    with pytest.raises(UnknownNameError, match=f"unknown layer {name!r}"):
        layers.layer_class(name)
