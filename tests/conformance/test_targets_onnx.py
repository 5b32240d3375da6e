"""Models as ONNX, in ONNX Runtime: the same inputs, the same outputs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from contract.cases import title
from layerscope import Input, Model, __version__
from layerscope import layers as ls
from layerscope.core.errors import ExportError
from layerscope.core.graph import Call, Symbolic
from layerscope.core.sizes import named
from layerscope.core.types import TensorType

from .random_models import random_inputs, random_model
from .targets_helpers import KINDS, NEAR, distance, layer_cases, model_of, ours

CASES = [case for kind in KINDS for case in layer_cases(kind, 12)]


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx
        import onnxruntime
    return onnx, onnxruntime


def session(proto, runtime):
    options = runtime[1].SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return runtime[1].InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def answers(model, given, runtime):
    """What ONNX Runtime makes of the model's ONNX."""
    found = session(model.to_onnx(), runtime)
    names = [value.name for value in found.get_inputs()]
    return found.run(None, dict(zip(names, given, strict=True)))


def operators(proto):
    return [node.op_type for node in proto.graph.node]


@pytest.mark.parametrize("case", CASES, ids=title)
def test_each_layer(case, runtime):
    model, given = model_of(case)
    assert distance(ours(model, given), answers(model, given, runtime)) <= NEAR


BEHIND = {
    "softmax of an inner axis": lambda rank: ls.Softmax(axis=1),
    "softmax of several axes": lambda rank: ls.Softmax(axis=(1, rank - 1)),
    "layer normalisation": lambda rank: ls.LayerNormalization(axis=(1, rank - 1)),
    "unit normalisation": lambda rank: ls.UnitNormalization(axis=1),
    "group normalisation": lambda rank: ls.GroupNormalization(2),
    "batch normalisation": lambda rank: ls.BatchNormalization(),
    "rescaling": lambda rank: ls.Rescaling((0.5, -1.0, 2.0, 0.25), (0.0, 1.0, -1.0, 0.5)),
    "prelu": lambda rank: ls.PReLU(shared_axes=[1]),
    "normalization": lambda rank: ls.Normalization(
        axis=-1, mean=[0.1, 0.2, -0.3, 0.0], variance=[1.0, 2.0, 0.5, 4.0]
    ),
}


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("kind", BEHIND)
def test_layers_that_speak_of_axes_behind_a_convolution(kind, spatial, runtime):
    """Where a tensor lies channels first in the file, its axes have other numbers there."""
    image = Input((4, 5, 3)[:spatial] + (2,))
    x = getattr(ls, f"Conv{spatial}D")(4, 2, padding="same")(image)
    model = Model(image, BEHIND[kind](spatial + 2)(x))
    rng = np.random.default_rng(spatial)
    for variable in model.weights:
        if "moving" not in variable.role:
            variable.assign(rng.normal(size=variable.shape))
    given = [rng.normal(size=(3, *model.input_shape[1:])).astype("float32")]
    assert distance(ours(model, given), answers(model, given, runtime)) <= NEAR


def test_random_networks(runtime, record_property):
    gaps = {}
    for seed in range(200):
        model = random_model(seed)
        given = random_inputs(model, seed, 3)
        gaps[seed] = distance(ours(model, given), answers(model, given, runtime))
    worst = max(gaps, key=gaps.__getitem__)
    record_property("largest", f"{gaps[worst]:.2e} (seed {worst})")
    print(f"ONNX: the largest difference in 200 networks is {gaps[worst]:.2e}, seed {worst}")
    assert gaps[worst] <= NEAR


def test_what_stands_in_the_file(runtime):
    """Names, open sizes, versions; shapes that ONNX infers are ours."""
    onnx, _ = runtime
    image = ls.Input((8, 6, 2), name="picture")
    x, switches = ls.MaxPooling2D(2, return_switches=True, name="pool")(
        ls.Conv2D(3, 3, padding="same", name="wide")(image)
    )
    x = ls.MaxUnpooling2D(2, name="back")([x, switches])
    model = Model(image, [x, ls.Dense(5, name="scores")(ls.Flatten()(x))], name="both")
    proto = model.to_onnx()
    onnx.checker.check_model(proto, full_check=True)
    assert (proto.producer_name, proto.producer_version, proto.ir_version) == ("layerscope", __version__, 8)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 18)]
    assert {p.key: p.value for p in proto.metadata_props} == {"layerscope": __version__, "layout": "channels last"}
    assert proto.graph.name == "both"

    def shown(values):
        return {
            value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in values
        }

    assert shown(proto.graph.input) == {"picture": ["batch", 8, 6, 2]}
    assert shown(proto.graph.output) == {"back": ["batch", 8, 6, 3], "scores": ["batch", 5]}
    weights = {i.name: list(i.dims) for i in proto.graph.initializer}
    assert weights["wide/kernel:3,2,0,1"] == [3, 2, 3, 3]
    assert weights["scores/kernel"] == [144, 5]
    inferred = shown(proto.graph.value_info)
    assert inferred["wide/Conv"] == ["batch", 3, 8, 6]


def test_shape_inference_gives_our_shapes(runtime):
    """Without the shapes that are declared at the outputs."""
    onnx, _ = runtime
    for seed in range(0, 200, 10):
        model = random_model(seed)
        proto = model.to_onnx()
        for value in proto.graph.output:
            value.type.tensor_type.ClearField("shape")
        found = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
        for value, type in zip(found.graph.output, model.output_types, strict=True):
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            assert len(dims) == type.rank, seed
            for have, want in zip(dims[1:], type.shape[1:], strict=True):
                assert have in (want, 0), seed  # 0: left open, behind a shape that is worked out at run time


def test_transposes_are_few(runtime):
    """A network of images is turned once at its start and once at its end, and at a Flatten."""
    image = ls.Input((12, 12, 3))
    x = ls.Conv2D(4, 3, activation="softmax")(image)
    y = ls.Conv2D(4, 3, padding="same", activation="gelu")(ls.ZeroPadding2D(1)(ls.Cropping2D(1)(x)))
    x = ls.Concatenate(axis=1)([ls.Add()([x, y]), ls.Dropout(0.5)(ls.Dense(4, "relu")(x))])
    x, switches = ls.MaxPooling2D(2, return_switches=True)(x)
    x = ls.MaxUnpooling2D(2)([ls.Activation("elu")(x), switches])
    found = operators(Model(image, ls.UpSampling2D()(ls.BedOfNails2D()(x))).to_onnx())
    assert found.count("Transpose") == 2
    assert {"Dropout", "Identity"}.isdisjoint(found)
    dense = operators(Model(image, ls.Dense(3)(ls.Flatten()(ls.Conv2D(4, 3)(image)))).to_onnx())
    assert dense == ["Transpose", "Conv", "Transpose", "Flatten", "Gemm"]
    plain = ls.Input((7,))
    assert operators(Model(plain, ls.Dense(2, "tanh")(ls.Dense(3)(plain))).to_onnx()) == ["Gemm", "Gemm", "Tanh"]


def test_shared_weights_are_written_once(runtime):
    x, layer = ls.Input((5, 5, 2)), ls.Conv2D(2, 3, padding="same")
    proto = Model(x, layer(layer(x))).to_onnx()
    assert sorted(tuple(i.dims) for i in proto.graph.initializer) == [(2,), (2, 2, 3, 3)]


@pytest.mark.parametrize("size", [(9, 12), (10, 7), (16, 16)])
def test_sizes_stay_open_where_the_model_leaves_them_open(size, runtime):
    """Strides with 'same' pads, unpooling, and a Reshape: all depend on sizes that are known at run time only."""
    image = ls.Input((None, None, 2))
    x, switches = ls.MaxPooling2D(3, strides=2, padding="same", return_switches=True)(image)
    x = ls.Conv2D(2, 3, padding="same", dilation_rate=2)(x)
    x = ls.MaxUnpooling2D(3, strides=2, padding="same")([x, switches])
    x = ls.Conv2DTranspose(3, 4, strides=2, padding="same")(ls.Conv2D(2, 4, strides=3, padding="same")(x))
    x = ls.AveragePooling2D(3, strides=2, padding="same")(ls.PixelShuffle2D((1, 3))(x))
    model = Model(image, [x, ls.Dense(2)(ls.GlobalMaxPooling2D()(x)), ls.Reshape((-1, 1))(x)])
    given = [np.random.default_rng(3).normal(size=(2, *size, 2)).astype(np.float32)]
    assert distance(ours(model, given), answers(model, given, runtime)) <= NEAR
    dims = model.to_onnx().graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["batch", "height", "width", 2]


def test_the_last_of_colliding_values_stays(runtime):
    """Windows of 3 every 2 cells share cells; and switches that are data, all of one cell."""
    case = next(
        case
        for case in layer_cases("MaxUnpooling2D", 0)
        if case.layer.strides == (2, 2) and case.layer.pool_size == (3, 3)
    )
    model, given = model_of(case)
    given[1] = np.full_like(given[1], 7)
    (found,) = answers(model, given, runtime)
    assert np.array_equal(found, ours(model, given)[0])
    assert np.array_equal(found[:, 1, 0], given[0][:, -1, -1])
    assert np.count_nonzero(found) == np.count_nonzero(given[0][:, -1, -1])


def test_ties_go_to_the_first(runtime):
    x = ls.Input((4, 4, 1))
    model = Model(x, list(ls.MaxPooling2D(2, return_switches=True)(x)))
    values, switches = answers(model, [np.zeros((1, 4, 4, 1), np.float32)], runtime)
    assert switches.dtype == np.int32
    assert switches[0, :, :, 0].tolist() == [[0, 2], [8, 10]]
    assert not values.any()


def test_double_precision_is_written_in_single(runtime):
    x = ls.Input((3,))
    model = Model(x, ls.Dense(2)(x))
    model.compile("sgd", "mse", precision="float64")
    given = [np.ones((2, 3), np.float32)]
    (found,) = answers(model, given, runtime)
    assert found.dtype == np.float32
    assert distance([model.predict(given[0])], [found]) <= NEAR


def test_an_input_that_is_also_an_output(runtime):
    x = ls.Input((3,), name="x")
    model = Model(x, [x, ls.Dropout(0.5)(x)])
    proto = model.to_onnx()
    assert [value.name for value in proto.graph.output] == ["x#2", "dropout"]
    given = np.ones((2, 3), np.float32)
    assert all(np.array_equal(found, given) for found in answers(model, [given], runtime))


def test_layers_that_cannot_be_written_are_all_named(runtime):
    x = ls.Input((4, 4, 1))
    types = (TensorType((named("batch"), 4, 4, 1)),)
    norm = Symbolic(Call(ls.Opaque("Norm", types, name="norm"), (x,), types))
    only = "is described only, so there is nothing to compute; take it out, or replace it by layers that compute"
    with pytest.raises(ExportError) as caught:
        Model(x, norm).to_onnx()
    assert str(caught.value) == f"this model cannot become ONNX:\n  norm (Norm): {only}"
    swish = Symbolic(Call(ls.Opaque("Swish", types), (norm,), types))
    with pytest.raises(ExportError) as caught:
        Model(x, swish).to_onnx()
    assert str(caught.value) == (f"this model cannot become ONNX:\n  norm (Norm): {only}\n  swish (Swish): {only}")


def test_weights_that_one_file_cannot_hold(runtime, monkeypatch):
    from layerscope.targets import onnx

    monkeypatch.setattr(onnx, "LIMIT", (1 << 24) + 100)
    x = ls.Input((30,))
    with pytest.raises(ExportError) as caught:
        Model(x, ls.Dense(2)(x)).to_onnx()
    assert str(caught.value) == (
        "this model cannot become ONNX: the weights take 248 bytes, and one ONNX file holds 16,777,316; use a .pt2 or .npz "
        "file"
    )


def test_every_layer_that_computes_has_a_form(runtime):
    from layerscope.targets import _onnx_normalisation, _onnx_pointwise, _onnx_spatial  # which register more
    from layerscope.targets._onnx_layers import FORMS

    assert _onnx_normalisation.form is _onnx_pointwise.form is _onnx_spatial.form
    assert sorted(FORMS) == KINDS
