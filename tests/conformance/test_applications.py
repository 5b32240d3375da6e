"""Every network of `keras.applications`: its shapes and parameters, every warning about it, and that each is so.

Receptive fields and what is read are worked out again from Keras's JSON (`walking`), parameters counted by Keras.
"""

from __future__ import annotations

import json
import math
from functools import cache, lru_cache

import pytest

import layerscope as ls
from layerscope.checking import check
from layerscope.layers import Opaque
from layerscope.sources._keras import files

from . import keras_oracle, walking
from .keras_comparing import keras_shapes, shapes_of, size

WARNINGS = {
    "ConvNeXtBase": [
        ("LS103", "convnext_base_stage_2_block_0_depthwise_conv"),
    ],
    "ConvNeXtLarge": [
        ("LS103", "convnext_large_stage_2_block_0_depthwise_conv"),
    ],
    "ConvNeXtSmall": [
        ("LS103", "convnext_small_stage_2_block_0_depthwise_conv"),
    ],
    "ConvNeXtTiny": [
        ("LS103", "convnext_tiny_stage_2_block_0_depthwise_conv"),
    ],
    "ConvNeXtXLarge": [
        ("LS103", "convnext_xlarge_stage_2_block_0_depthwise_conv"),
    ],
    "DenseNet121": [
        ("LS103", "conv3_block12_2_conv"),
    ],
    "DenseNet169": [
        ("LS103", "conv3_block12_2_conv"),
    ],
    "DenseNet201": [
        ("LS103", "conv3_block12_2_conv"),
    ],
    "EfficientNetB0": [],
    "EfficientNetB1": [],
    "EfficientNetB2": [],
    "EfficientNetB3": [],
    "EfficientNetB4": [],
    "EfficientNetB5": [],
    "EfficientNetB6": [],
    "EfficientNetB7": [],
    "EfficientNetV2B0": [],
    "EfficientNetV2B1": [],
    "EfficientNetV2B2": [],
    "EfficientNetV2B3": [],
    "EfficientNetV2L": [],
    "EfficientNetV2M": [],
    "EfficientNetV2S": [],
    "InceptionResNetV2": [
        ("LS103", "conv2d_59"),
    ],
    "InceptionV3": [
        ("LS103", "conv2d_45"),
    ],
    "MobileNet": [
        ("LS103", "conv_dw_13"),
    ],
    "MobileNetV2": [
        ("LS103", "block_12_depthwise"),
    ],
    "MobileNetV3Large": [],
    "MobileNetV3Small": [],
    "NASNetLarge": [
        ("LS103", "separable_conv_2_normal_left1_3"),
    ],
    "NASNetMobile": [
        ("LS103", "separable_conv_2_normal_left1_1"),
        ("LS104", "input_layer"),
        ("LS104", "input_layer"),
    ],
    "ResNet101": [
        ("LS103", "conv4_block5_2_conv"),
        ("LS104", "conv2_block3_out"),
        ("LS104", "conv3_block4_out"),
        ("LS104", "conv4_block23_out"),
    ],
    "ResNet101V2": [
        ("LS103", "conv4_block5_2_conv"),
    ],
    "ResNet152": [
        ("LS103", "conv4_block3_2_conv"),
        ("LS104", "conv2_block3_out"),
        ("LS104", "conv3_block8_out"),
        ("LS104", "conv4_block36_out"),
    ],
    "ResNet152V2": [
        ("LS103", "conv4_block3_2_conv"),
    ],
    "ResNet50": [
        ("LS103", "conv4_block5_2_conv"),
        ("LS104", "conv2_block3_out"),
        ("LS104", "conv3_block4_out"),
        ("LS104", "conv4_block6_out"),
    ],
    "ResNet50V2": [
        ("LS103", "conv4_block5_2_conv"),
    ],
    "VGG16": [
        ("LS102", "fc1"),
    ],
    "VGG19": [
        ("LS102", "fc1"),
    ],
    "Xception": [
        ("LS103", "block7_sepconv2"),
    ],
}
"""By network, in the order in which they are told: the identifier, and the layer."""
COUNTS = {
    "MobileNet": 4_253_864, "MobileNetV2": 3_538_984, "ResNet50": 25_636_712, "ResNet101": 44_707_176,
    "ResNet152": 60_419_944, "DenseNet121": 8_062_504, "InceptionV3": 23_851_784, "Xception": 22_910_480,
    "EfficientNetB0": 5_330_571, "InceptionResNetV2": 55_873_736,
}  # fmt: skip
"""Parameters: numbers.md, section 2."""
PUBLISHED = {
    "VGG16": 212, "MobileNet": 315, "ResNet50": 483, "ResNet101": 1027, "ResNet152": 1507, "InceptionV3": 1311,
    "InceptionResNetV2": 3039,
}  # fmt: skip
"""Receptive fields of the last features: Araujo, Norris & Sim, "Computing receptive fields", Distill (2019)."""


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@lru_cache(maxsize=1)
def made(name):
    """The network, with weights that have shapes and no memory, and the names that it has when it is made first."""
    keras, _ = keras_oracle.modules()
    keras.backend.clear_session(free_memory=False)
    with keras_oracle.without_values():
        return getattr(keras.applications, name)(weights=None)


@cache
def text(name):
    return made(name).to_json()


@pytest.fixture(scope="module", params=WARNINGS)
def name(request, keras):
    """Each network in turn, for all tests of it, as Keras takes a while to make one."""
    return request.param


def test_these_are_all_applications(keras):
    found = {name for name, made in vars(keras.applications).items() if name[0].isupper() and callable(made)}
    assert found == set(WARNINGS)
    assert set(COUNTS) <= found


def test_every_application_from_its_json(name):
    model = made(name)
    graph = files.load(json.loads(text(name)))
    assert shapes_of(graph) == keras_shapes(model)
    rows = graph.parameters.values()
    assert sum(row.size for row in rows) == size(model.weights) == COUNTS.get(name, size(model.weights))
    assert sum(row.size for row in rows if row.trainable) == size(model.trainable_weights)
    totals = ls.trace(graph).totals
    assert not totals["at_least"]
    assert not [node.label for node in graph.nodes if isinstance(node.layer, Opaque)]


def test_the_warnings_are_these_and_each_is_so(name):
    model, data = made(name), json.loads(text(name))
    found = check(files.load(data))
    assert found.fits
    assert [(one.id, one.layer) for one in found.warnings] == WARNINGS[name]
    network = walking.layers(data)
    told = [expected for rule in (large, wide, unread) for expected in rule(model, network)]
    assert [one.message for one in found.warnings] == told


def large(model, network):
    """Dense layers behind a flattened image that have most of the parameters."""
    for layer in model.layers:
        if type(layer).__name__ != "Dense":
            continue
        flattened = [one for one in network[layer.name].inputs if network[one].kind == "Flatten"]
        if flattened:
            mine, total = layer.count_params(), model.count_params()
            *image, inputs = *model.get_layer(flattened[0]).input.shape[1:], layer.input.shape[-1]
            if inputs >= 10_000 and 2 * mine > total:
                yield (
                    f"holds {mine:,} of the network's {total:,} parameters ({mine / total:.0%}), as it reads an image "
                    f"of {' × '.join(map(str, image))} = {inputs:,} numbers at once"
                )


def wide(model, network):
    """Convolutions whose input has a receptive field larger than the image."""
    found = walking.wide(network)
    if found:
        seen, image = (" × ".join(map(str, sizes)) for sizes in found[0][1:])
        yield (
            f"reads a tensor whose receptive field is {seen} already, larger than the image ({image})"
            + (f", the first of {len(found)} such convolutions (the last is {found[-1][0]})" if found[1:] else "")
        )


def unread(model, network):
    """Of the input what nothing reads; rows and columns that are lost behind layers all of whose output is read."""
    entry = next(iter(network))
    both = [walking.read(network, axis) for axis in (0, 1)]
    lost = walking.unread(network, both)
    if lost and not all(masks[entry].all() for masks in both):
        sizes, seen = zip(*((len(masks[entry]), int(masks[entry].sum())) for masks in both), strict=True)
        total = math.prod(sizes)
        yield f"{total - math.prod(seen):,} of its {total:,} positions ({' × '.join(map(str, sizes))}) reach no output"
    for name, missing in lost.items():
        sizes = [len(masks[name]) for masks in both]
        readers = [one for one, layer in network.items() if name in layer.inputs]
        words = [
            f"the last of {size} {kind}" if count == 1 else f"{count} of {size} {kind}"
            for count, size, kind in zip(missing, sizes, ("rows", "columns"), strict=True)
        ]
        yield (
            f"{' and '.join(words)} of its output are read by nothing: {', '.join(readers)} "
            f"{'skips' if len(readers) == 1 else 'skip'} them"
        )


@pytest.mark.parametrize("published", PUBLISHED)
def test_what_is_held_against_gives_the_published_figures(keras, published):
    network = walking.layers(json.loads(text(published)))
    for axis in (0, 1):
        seen = [field for field in walking.fields(network, axis).values() if field is not None]
        assert seen[-1].size == PUBLISHED[published]
