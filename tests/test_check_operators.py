"""Warnings about networks of ONNX's operators, whose axes may have any order; and that no layer is too much for them."""

import math

import pytest
from tests import onnx_writer as w
from tests.operator_cases import EXAMPLES, graph_of, title

from layerscope import layers
from layerscope.analyses.warnings import warn
from layerscope.checking import check
from layerscope.studies.drawn_checks import check_picture

POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
SKIPPED = (
    "the last of 11 positions along axis 2 and the last of 13 positions along axis 3 of its output are read by nothing: "
    "max_pool skips them"
)
UNSEEN = ("LS104", "x", "23 of its 143 positions (11 × 13) reach no output")


def weight(name, *dims):
    return w.tensor(name, dims, [0.0] * math.prod(dims))


def deep(side):
    """Five convolutions, each with a pool behind it."""
    nodes, weights, last = [], [], "x"
    for k in range(5):
        nodes.append(w.node("Conv", f"{last} w{k}", f"c{k}", pads=[1, 1, 1, 1]))
        nodes.append(w.node("MaxPool", f"c{k}", f"p{k}", **POOL))
        weights.append(weight(f"w{k}", 2, 2 if k else 1, 3, 3))
        last = f"p{k}"
    return [*nodes, w.node("Relu", last, "y")], (1, 1, side, side), weights


NETWORKS = {
    "dropped": ([w.node("MaxPool", "x", "y", **POOL)], (1, 1, 11, 13), [], [UNSEEN, ("LS104", "x", SKIPPED)]),
    "dropped, channels last": (
        [w.node("Transpose", "x", "h", perm=[0, 3, 1, 2]), w.node("MaxPool", "h", "y", **POOL)],
        (1, 11, 13, 1),
        [],
        [UNSEEN, ("LS104", "transpose", SKIPPED)],
    ),
    "skipped": (
        [w.node("Conv", "x a", "h", pads=[1, 1, 1, 1]), w.node("Conv", "h b", "y", strides=[2, 2])],
        (1, 1, 12, 12),
        [weight("a", 4, 1, 3, 3), weight("b", 2, 4, 1, 1)],
        [
            (
                "LS104",
                "conv",
                "6 of 12 positions along axis 2 and 6 of 12 positions along axis 3 of its output are read by nothing: "
                "conv_1 skips them",
            )
        ],
    ),
    "uneven": (
        [w.node("ConvTranspose", "x a", "y", strides=[2, 2])],
        (1, 3, 7, 7),
        [weight("a", 3, 2, 3, 3)],
        [
            (
                "LS105",
                "conv_transpose",
                "a kernel of 3×3 at a stride of 2×2 puts 4 cells of the kernel onto some positions and 1 onto others "
                "(4:1), which shows as a checkerboard",
            )
        ],
    ),
    "even": ([w.node("ConvTranspose", "x a", "y", strides=[2, 2])], (1, 3, 7, 7), [weight("a", 3, 2, 4, 4)], []),
    "wide": (
        *deep(32),
        [
            (
                "LS103",
                "conv_4",
                "reads a tensor whose receptive field is 46 × 46 already, larger than the image (32 × 32)",
            )
        ],
    ),
    "not wide": (*deep(64), []),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_warnings_about_an_onnx_file(name, tmp_path):
    nodes, shape, weights, expected = NETWORKS[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(w.model(w.Graph(nodes, [w.value("x", shape)], [w.value("y", None)], weights)))
    found = check(path)
    assert [(one.id, one.layer, one.message) for one in found.warnings] == expected
    drawn = [row.cells[0].tensor for row in check_picture(found).rows]
    assert drawn[-1].channels == 2 or name.startswith("dropped")


def test_channels_that_stand_first_are_no_rows():
    (first, second) = check("3x11x13 | maxpool 2 data_format=channels_first").warnings
    assert first.message == "23 of its 143 positions (11 × 13) reach no output"
    assert second.message == (
        "the last of 11 rows and the last of 13 columns of its output are read by nothing: max_pooling2d skips them"
    )


LAYERS = [case for cls in layers.kinds().values() for case in cls.examples()]
FED = [case for case in [*EXAMPLES, *LAYERS] if case.inputs and all(type.rank for type in case.inputs)]


@pytest.mark.parametrize("case", FED, ids=title)
def test_no_layer_is_too_much_for_the_warnings(case):
    graph = graph_of(case)
    for one in warn(graph):
        assert one.id in ("LS103", "LS104", "LS105", "LS109")
        assert one.message
        assert one.layer is None or any(node.label == one.layer for node in graph.nodes)
