"""Files that Keras saved, read without Keras: what is in them comes out."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
import zipfile

import pytest
from tests.keras_configs import (
    DATA,
    OF_THREE,
    THREE,
    TWO,
    archived,
    entry,
    layer,
    model,
    plain,
    refused,
    sequential,
    shapes,
)

import layerscope as ls
from layerscope.cli import main
from layerscope.core import propagate
from layerscope.core.errors import ShapeError, SizeError, SourceError, UnknownNameError
from layerscope.sources._keras import files as keras_file


def test_a_functional_model_of_keras_3():
    trace = ls.trace(THREE)
    assert {row["name"]: row["output_shape"] for row in trace.layers} == OF_THREE
    rows = {row["name"]: row for row in trace.layers}
    assert rows["scale"]["kind"] == "Scale"
    assert (rows["scale"]["parameters"], rows["scale"]["macs"]) == (None, None), "a class of somebody else's"
    # Keras counts 162, of which 4 are the unknown layer's, and 142 trainable: "side" is frozen
    assert {key: trace.totals[key] for key in ("parameters", "trainable_parameters", "at_least")} == {
        "parameters": 158, "trainable_parameters": 138, "at_least": True,
    }  # fmt: skip
    assert rows["encoder/conv#2"]["shared"]
    assert [(axis["min"], axis["max"]) for axis in rows["image"]["receptive_field"]] == [(1, 1)] * 2


def test_a_functional_model_of_keras_2():
    trace = ls.trace(TWO)
    assert {row["name"]: (row["kind"], row["output_shape"], row["parameters"]) for row in trace.layers} == {
        "input_1": ("InputLayer", ["batch", 12, 12, 2], 0),
        "conv2d": ("Conv2D", ["batch", 6, 6, 4], 72),
        "batch_normalization": ("BatchNormalization", ["batch", 6, 6, 4], 16),
        "leaky_re_lu": ("LeakyReLU", ["batch", 6, 6, 4], 0),
        "tf.math.multiply": ("Multiply", ["batch", 6, 6, 4], 0),
        "block/inner": ("Conv2D", ["batch", 6, 6, 4], 148),
        "block/add": ("Add", ["batch", 6, 6, 4], 0),
        "block/inner#2": ("Conv2D", ["batch", 6, 6, 4], 148),
        "block/add#2": ("Add", ["batch", 6, 6, 4], 0),
        "tf.__operators__.add": ("Add", ["batch", 6, 6, 4], 0),
        "global_average_pooling2d": ("GlobalAveragePooling2D", ["batch", 4], 0),
        "dense": ("Dense", ["batch", 3], 15),
    }
    # "inner" (148) is frozen, and 8 of batch normalization's are statistics
    assert trace.totals["parameters"] == 251
    assert trace.totals["trainable_parameters"] == 251 - 148 - 8
    assert not trace.totals["at_least"]


def test_an_archive_is_its_configuration(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(archived(THREE.read_text(), model__weights_h5=b"never read"))
    assert shapes(path) == OF_THREE
    assert shapes(keras_file.read_bytes(path.read_bytes())) == OF_THREE


@pytest.mark.parametrize("name", ["branched", "nested"])
def test_an_hdf5_file_is_its_configuration(name):
    corpus = DATA / "corpus"
    seen = shapes(corpus / "h5" / f"{name}.h5")
    assert len(seen) > 5
    assert list(seen.values()) == list(shapes(corpus / "keras_json" / f"{name}.json").values())


def test_a_network_read_from_keras_is_saved_and_read_again(tmp_path):
    trace = ls.trace(THREE)
    trace.save(tmp_path / "graph.json")
    assert ls.trace(tmp_path / "graph.json").to_json() == trace.to_json()


def test_nothing_but_the_standard_library_is_needed():
    modules = ("numpy", "h5py", "keras")
    code = (
        f"import sys, layerscope as ls; ls.trace({str(THREE)!r}); print([m for m in {modules!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_weights_of_an_archive_are_not_read(tmp_path):
    path = tmp_path / "large.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", THREE.read_text())
        with file.open("model.weights.h5", "w", force_zip64=True) as weights:
            for _ in range(64):
                weights.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        ls.trace(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


# --- Sequential, built or not ---


def test_sequential_models_in_all_their_forms():
    stages = plain("Flatten", "flat"), plain("Dense", "dense", units=3)
    expected = {"flat": ["batch", 20], "dense": ["batch", 3]}
    old = [{"class_name": "Flatten", "config": {"name": "flat", "batch_input_shape": [None, 4, 5]}}, {"class_name": "Dense", "config": {"name": "dense", "units": 3}}]  # fmt: skip
    forms = {
        "an InputLayer": sequential(entry(shape=(None, 4, 5)), *stages),
        "the shape that it was built with": sequential(*stages, build_input_shape=[None, 4, 5]),
        "Keras 2": {"class_name": "Sequential", "config": {"name": "chain", "layers": old}},
        "Keras 2.0, a list": {"class_name": "Sequential", "config": old},
    }
    for form, data in forms.items():
        seen = shapes(keras_file.load(data))
        assert {name: seen[name] for name in expected} == expected, form
    assert shapes(keras_file.load(sequential(*stages), (4, 5)))["dense"] == ["batch", 3]


def test_a_sequential_model_that_is_not_built(tmp_path):
    path = tmp_path / "chain.json"
    path.write_text(json.dumps(sequential(plain("Dense", "dense", units=3))))
    assert refused(path) == (
        f"{path}: chain (Sequential) is not built: the shape of its input is unknown. Say which with "
        "layerscope.trace(..., input=(28, 28, 1)), the sizes of one example"
    )
    assert ls.trace(path, input=(7,)).totals["parameters"] == 24
    assert ls.trace(path, input=[(7,)]).totals["parameters"] == 24


def test_an_unknown_last_layer_of_a_sequential_model():
    own = {"module": "own", "class_name": "Own", "config": {"name": "own"}, "registered_name": "own>Own", "build_config": {"input_shape": [None, 3]}}  # fmt: skip
    trace = ls.trace(keras_file.load(sequential(entry(), plain("Dense", "dense", units=3), own)))
    assert trace.layers[-1]["output_shape"] == ["batch", "own_unknown"]
    assert trace.totals["at_least"]


def test_what_stands_behind_an_unknown_shape_is_refused():
    own = {"class_name": "pkg>Own", "config": {"name": "own"}}
    data = sequential(entry(), own, plain("Dense", "dense", units=3))
    with pytest.raises(SourceError) as caught:
        keras_file.load(data)
    assert str(caught.value) == (
        "dense (Dense): the shape of its input is unknown: it comes from own (Own), which nobody described here, and "
        "the file does not state shapes"
    )


# --- layers of all sorts ---


def test_calls_with_arguments_by_name_constants_and_functions():
    ops = "keras.src.ops.numpy"
    summed = layer("Add", "plus", "x", module=ops)
    summed["inbound_nodes"][0]["args"].append(2.0)
    attend = layer("MultiHeadAttention", "attend", "seq", "seq", shape=[None, 6, 4], num_heads=2, key_dim=3)
    query, value = attend["inbound_nodes"][0]["args"][0]
    attend["inbound_nodes"] = [
        {"args": [query], "kwargs": {"value": value, "use_causal_mask": True, "training": None}}
    ]
    data = model(
        entry(), entry("seq", (None, 6, 4)), summed, attend,
        layer("Mean", "mean", "attend", module=ops, shape=[None, 6, 4], axis=[1], keepdims=False),
        layer("Concatenate", "join", "plus", "mean"),
        inputs=("x", "seq"),
    )  # fmt: skip
    trace = ls.trace(keras_file.load(data))
    rows = {row["name"]: row for row in trace.layers}
    assert rows["attend"]["parameters"] == 3 * (4 * 6 + 6) + 6 * 4 + 4
    assert rows["mean"]["output_shape"] == ["batch", 4]
    assert rows["join"]["output_shape"] == ["batch", 8]
    assert not trace.totals["at_least"]


def test_a_function_that_nobody_described_has_the_shape_that_the_file_states():
    data = model(
        entry(),
        layer("Cholesky", "root", "x", module="keras.src.ops.linalg"),
        layer("Dense", "dense", "root", units=2),
    )
    trace = ls.trace(keras_file.load(data))
    row = trace.layers[1]
    assert (row["kind"], row["output_shape"], row["parameters"], row["macs"]) == ("Cholesky", ["batch", 4], 0, None)
    assert trace.totals == trace.totals | {"parameters": 10, "at_least": True}


def test_precision_goes_with_the_policy_of_each_layer():
    def policy(name):
        return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}

    half = layer("Dense", "half", "x", units=4, dtype=policy("mixed_float16"))
    whole = layer("Dense", "whole", "half", units=2, dtype=policy("float32"))
    small = layer("Dense", "small", "whole", shape=[None, 2], units=2, dtype=policy("bfloat16"))
    whole["inbound_nodes"][0]["args"][0]["config"]["dtype"] = "float16"
    graph = keras_file.load(model(entry(), half, whole, small))
    types = {node.label: types[0].dtype for node, types in zip(graph.nodes, propagate.types(graph), strict=True)}
    assert types == {
        "x": "float32", "x_float16": "float16", "half": "float16", "half_float32": "float32", "whole": "float32",
        "whole_bfloat16": "bfloat16", "small": "bfloat16",
    }  # fmt: skip
    assert {row.id: row.dtype for row in graph.parameters.values()} == {
        "half/kernel": "float32", "half/bias": "float32", "whole/kernel": "float32", "whole/bias": "float32",
        "small/kernel": "bfloat16", "small/bias": "bfloat16",
    }  # fmt: skip


def test_quantized_and_adapted_layers_have_unknown_weights():
    int8 = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}}
    for config in ({"dtype": int8}, {"lora_rank": 2}):
        data = model(
            entry(), layer("Dense", "dense", "x", units=4, **config), layer("Dense", "top", "dense", units=1)
        )
        rows = ls.trace(keras_file.load(data)).layers
        assert (rows[1]["kind"], rows[1]["output_shape"], rows[1]["parameters"]) == ("Dense", ["batch", 4], None)
        last = ls.trace(keras_file.load(model(entry(), layer("Dense", "dense", "x", units=4, **config))))
        assert last.layers[1]["output_shape"] == ["batch", 4], "its shape follows from its settings"
        assert last.totals["at_least"]


@pytest.mark.parametrize("extra", [{"dtype": "int8_from_float32"}, {"lora_rank": 2}])
def test_an_altered_layer_in_a_wrapper_has_unknown_weights(extra):
    inner = {"class_name": "Dense", "config": {"name": "inner", "units": 4, **extra}}
    wrapper = layer("TimeDistributed", "steps", "x", shape=[None, 5, 3], layer=inner)
    rows = ls.trace(keras_file.load(model(entry("x", (None, 5, 3)), wrapper))).layers
    assert (rows[1]["kind"], rows[1]["parameters"], rows[1]["macs"]) == ("TimeDistributed", None, None)


def test_dot_product_attention_has_the_products_of_attention():
    attend = layer("DotProductAttention", "attend", "q", "k", "k", module="keras.src.ops.nn", is_causal=True)
    args = attend["inbound_nodes"][0]["args"][0]
    for one, shape in zip(args, ([None, 7, 6, 4], [None, 9, 2, 4], [None, 9, 2, 4]), strict=True):
        one["config"]["shape"] = shape
    attend["inbound_nodes"] = [{"args": args, "kwargs": {"bias": None, "mask": None, "scale": None}}]
    net = model(entry("q", (None, 7, 6, 4)), entry("k", (None, 9, 2, 4)), attend, inputs=("q", "k"))
    row = ls.trace(keras_file.load(net)).layers[-1]
    # by hand: 6 heads x 7 queries x 9 keys, 4 products each for the score and for the value
    assert (row["output_shape"], row["macs"]) == (["batch", 7, 6, 4], 6 * 7 * 9 * (4 + 4))


def test_one_layer_whose_calls_are_told_different_things():
    tied = layer("ReversibleEmbedding", "tied", "x", shape=[None, 6], input_dim=20, output_dim=8)
    back = layer("ReversibleEmbedding", "tied", "dense", shape=[None, 6, 8])["inbound_nodes"][0]
    tied["inbound_nodes"].append(back | {"kwargs": {"reverse": True}})
    dense = layer("Dense", "dense", "tied", shape=[None, 6, 8], units=8)
    net = model(entry("x", (None, 6)), tied, dense, outputs=["tied"])
    net["config"]["output_layers"] = [["tied", 1, 0]]
    trace = ls.trace(keras_file.load(net))
    assert [(row["name"], row["output_shape"], row["macs"]) for row in trace.layers[1:]] == [
        ("tied", ["batch", 6, 8], 0), ("dense", ["batch", 6, 8], 6 * 8 * 8), ("tied#2", ["batch", 6, 20], 6 * 8 * 20),
    ]  # fmt: skip
    assert trace.totals["parameters"] == 20 * 8 + 8 * 8 + 8, "the table is there once"


def test_grouped_query_attention_by_its_own_name_as_hdf5_has_it():
    seq = [None, 7, 12]
    attend = layer("GroupedQueryAttention", "attend", "x", "x", shape=seq, head_dim=4, num_query_heads=6, num_key_value_heads=2)  # fmt: skip
    attend["inbound_nodes"] = [{"args": attend["inbound_nodes"][0]["args"][0], "kwargs": {}}]
    del attend["module"]
    row = ls.trace(keras_file.load(model(entry("x", seq), attend))).layers[-1]
    # by hand: 7 positions x 12 x (24 + 8 + 8) projected, 6 heads x 49 scores x 8, 7 x 24 x 12 joined
    assert (row["parameters"], row["macs"]) == (820, 7 * 12 * 40 + 6 * 49 * 8 + 7 * 24 * 12)


def test_an_input_that_nothing_reads_is_shown():
    graph = keras_file.load(
        model(entry(), entry("idle"), layer("Dense", "dense", "x", units=2), inputs=("x", "idle"))
    )
    assert [node.label for node in graph.nodes] == ["x", "dense", "idle"]
    assert len(graph.inputs) == 2


def test_masks_are_no_part_of_the_way_of_the_data():
    attend = layer("MultiHeadAttention", "attend", "seq", shape=[None, 6, 4], num_heads=2, key_dim=3)
    (query,), mask = attend["inbound_nodes"][0]["args"], layer("D", "d", "weigh", shape=[None, 6, 6])
    kwargs = {"value": query, "attention_mask": mask["inbound_nodes"][0]["args"][0]}
    attend["inbound_nodes"] = [{"args": [query], "kwargs": kwargs}]
    weigh = layer("Dense", "weigh", "mask", shape=[None, 6, 6], units=6)
    graph = keras_file.load(model(entry("seq", (None, 6, 4)), entry("mask", (None, 6, 6)), weigh, attend, inputs=("seq", "mask"), outputs=["attend"]))  # fmt: skip
    assert [node.label for node in graph.nodes] == ["seq", "mask", "weigh", "attend"], (
        "weights are counted all the same"
    )
    attend["inbound_nodes"][0]["kwargs"]["attention_mask"]["config"]["keras_history"] = ["mask", 0, 0]
    graph = keras_file.load(model(entry("seq", (None, 6, 4)), entry("mask", (None, 6, 6)), attend, inputs=("seq", "mask")))  # fmt: skip
    assert [node.label for node in graph.nodes] == ["seq", "attend", "mask"]
    assert len(graph.inputs) == 2


def test_frozen_models_freeze_their_layers():
    inner = model(entry("y"), layer("Dense", "deep", "y", units=4), inputs=("y",), name="inner")
    inner["config"]["trainable"] = False
    part = inner | {"name": "inner", "inbound_nodes": layer("Dense", "d", "x")["inbound_nodes"]}
    wrapped = layer("TimeDistributed", "each", "s", shape=[None, 3, 4], layer=plain("Dense", "in", units=2, trainable=False))  # fmt: skip
    data = model(entry(), entry("s", (None, 3, 4)), part, layer("Dense", "top", "inner", units=1), wrapped, inputs=("x", "s"), outputs=["top", "each"])  # fmt: skip
    totals = ls.trace(keras_file.load(data)).totals
    assert (totals["parameters"], totals["trainable_parameters"]) == (20 + 5 + 10, 5)


# --- open sizes ---


def test_open_sizes_are_put_to_numbers(tmp_path, capsys):
    path = tmp_path / "open.json"
    image = entry("image", (None, None, None, 3))
    conv = layer("Conv2D", "conv", "image", shape=[None, None, None, 3], filters=2, kernel_size=[3, 3])
    own = layer("Own", "own", "conv", module="own", registered="own>Own", shape=[None, None, None, 2])
    path.write_text(json.dumps(model(image, conv, own, layer("ReLU", "end", "own", shape=[None, None, 5, 2]), inputs=("image",))))  # fmt: skip
    assert shapes(path)["conv"] == ["batch", "height - 2", "width - 2", 2]
    assert shapes(path)["own"] == ["batch", "own_1", 5, 2]
    bound = ls.trace(path, sizes={"height": 10, "width": 12, "own_1": 7, "batch": 3})
    assert [row["output_shape"] for row in bound.layers] == [
        [3, 10, 12, 3],
        [3, 8, 10, 2],
        [3, 7, 5, 2],
        [3, 7, 5, 2],
    ]
    assert ls.trace(path, input=(10, 12, 3)).layers[1]["output_shape"] == ["batch", 8, 10, 2]
    assert main(["trace", str(path), "--set", "height=10", "--set", "batch=3", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"][1]["output_shape"] == [3, 8, "width - 2", 2]
    with pytest.raises(UnknownNameError) as caught:
        ls.trace(path, sizes={"heigth": 3})
    assert (
        str(caught.value)
        == "unknown size 'heigth'. Did you mean 'height' or 'width'? Open sizes: height, width, own_1, batch."
    )
    with pytest.raises(SizeError) as small:
        ls.trace(path, sizes={"height": 0})
    assert str(small.value) == "the size height must be at least 1, not 0"
    with pytest.raises(ShapeError) as misfit:
        ls.trace(path, sizes={"height": 2})
    assert str(misfit.value).startswith("conv (Conv2D): ")
    for text, why in (("height", "'height'"), ("=3", "'=3'")):
        with pytest.raises(SystemExit):
            main(["trace", str(path), "--set", text])
        assert f"a name and a whole number are needed, such as height=224, not {why}" in capsys.readouterr().err


def test_what_input_may_not_say():
    with pytest.raises(ShapeError) as caught:
        ls.trace(THREE, input={"image": (8, 9, 3)})
    assert str(caught.value) == "image (InputLayer): takes examples of (8, 8, 3), but input says (8, 9, 3)"
    assert (
        refused(THREE, input={"picture": (8, 8, 3)}) == f"{THREE}: tiny has no input 'picture'; it has: hint, image"
    )
    assert refused(THREE, input=(8, 8, 3)) == f"{THREE}: tiny has 2 inputs (hint, image), but input has 1 shapes"
    assert refused("28x28x1 | flatten", input=(3,)) == (
        "input says the sizes of what a Keras, PyTorch or JAX model is given; this states its own"
    )
    assert refused(THREE, input="8x8") == (
        f"{THREE}: input must be the sizes of one example, such as (28, 28, 1), or a list of these, not '8x8'"
    )
