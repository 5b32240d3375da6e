"""The decoder that leads back: exact for any encoder, with the fewest crops and pads, and the command that prints it."""

import json
import re

import numpy as np
import pytest
from tests.commands import layerscope
from tests.random_encoders import encoder as random_encoder

from layerscope import sources
from layerscope.analyses.mirror import WAYS, mirror
from layerscope.core import propagate
from layerscope.core.errors import GraphError
from layerscope.core.graph import trace_calls
from layerscope.layers import Conv2D, Input, MaxPooling2D
from layerscope.models import Model
from layerscope.telling.written import one_line, python

DOCUMENT = "28x28x1 | conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same | conv 4 3 same relu | maxpool 2 same as code"


def read(text):
    return sources.read(text)


def shapes(graph):
    return [types[0].shape[1:] for types in propagate.types(graph)]


# --- exactness ---


@pytest.mark.parametrize("up", WAYS)
def test_a_thousand_random_encoders_are_led_back(up):
    frames = []
    for seed in range(1000):
        encoder = random_encoder(seed, up)
        found = mirror(encoder, up)
        before, after = shapes(encoder), shapes(found.graph)
        assert after[: len(before)] == before, seed
        assert after[-1] == before[0], seed
        assert found.graph.outputs == ((len(after) - 1, 0),)
        frames.append(len(found.extra))
        if seed % 20 == 0:
            placed = mirror(encoder, up, in_place=True)
            assert shapes(placed.graph)[-1] == before[0], seed
            assert len(placed.extra) >= len(found.extra), seed
    assert 100 < frames.count(0) < 1000  # most need none or one, by any way


def test_an_encoder_and_its_decoder_compute():
    text = "13x11x2 | conv 4 3 relu | maxpool 2 same | conv 3 3 stride 2 same relu | flatten | dense 5"
    for up in ("nearest", "transpose", "subpixel", "nails", "bilinear"):
        model = Model.from_graph(mirror(read(text), up).graph)
        made = model.predict(np.random.default_rng(0).uniform(0, 1, (2, 13, 11, 2)).astype(np.float32), verbose=0)
        assert made.shape == (2, 13, 11, 2)
        assert 0 < made.min() < made.max() < 1


# --- the fewest ---


def fewest(image, stages):
    """By trying everything: the fewest frames of a nearest decoder for (kernel, padding, factor, padding) on squares."""
    twins, n = [], image
    for kernel, padding, factor, pooling in stages:
        twins.append(n)
        n = n if padding == "same" else n - kernel + 1
        n = -(-n // factor) if pooling == "same" else n // factor
    best = {n: 0}
    for (kernel, _, factor, _), twin in zip(reversed(stages), reversed(twins), strict=True):
        reached = {}
        for size, cost in best.items():
            big = size * factor
            for made, more in ((big, 0), (big - kernel + 1, 0), (big + kernel - 1, 0), (twin, 1)):
                if made >= 1 and abs(made - twin) <= 16:
                    reached[made] = min(cost + more, reached.get(made, 99))
        best = reached
    return best[image]


def test_no_decoder_has_fewer_crops_and_pads():
    rng, counts = np.random.default_rng(0), []
    for _ in range(300):
        image, text, stages = int(rng.integers(16, 60)), "", []
        for _ in range(int(rng.integers(1, 4))):
            kernel, factor = int(rng.choice([1, 3, 5])), int(rng.choice([2, 3]))
            padding, pooling = (str(rng.choice(["same", "valid"])) for _ in range(2))
            stages.append((kernel, padding, factor, pooling))
            text += f" | conv 2 {kernel} {padding} relu | maxpool {factor} {pooling}"
        try:
            encoder = read(f"{image}x{image}x1{text}")
        except ValueError:  # nothing left of the image
            continue
        counts.append(len(mirror(encoder, "nearest").extra))
        assert counts[-1] == fewest(image, stages), text
    assert set(counts) == {0, 1}


def test_the_documents_encoder_leads_back_by_the_documents_sizes():
    """4, 8, 16, 14, 28: its third convolution is valid, and nothing is cropped."""
    found = mirror(read(DOCUMENT))
    assert [shape[0] for shape in shapes(found.graph)[found.decoder - 1 :]] == [4, 8, 8, 16, 14, 28, 28]
    assert (found.extra, found.displaced) == ((), (2.0, 2.0))
    document = read("example:autoencoder")
    kinds = [(node.layer.kind, getattr(node.layer, "padding", None)) for node in document.nodes[8:]]
    assert [(n.layer.kind, getattr(n.layer, "padding", None)) for n in found.graph.nodes[found.decoder :]] == kinds


def test_how_far_the_decoder_lies_off_is_measured_on_images():
    """A dot comes back where `displaced` says, with convolutions that only copy what stands in their middle."""
    model = Model.from_graph(
        mirror(read(DOCUMENT.replace("16", "1").replace("8 3", "1 3").replace("4 3", "1 3"))).graph
    )
    for layer in model.layers:
        if layer.weights:
            kernel = np.zeros((3, 3, 1, 1), np.float32)
            kernel[1, 1] = 1
            layer.set_weights([kernel, np.zeros(1, np.float32)])
    image = np.zeros((1, 28, 28, 1), np.float32)
    image[0, 8:16, 16:24] = 1  # one cell of the code
    rows, columns = np.nonzero(model.predict(image, verbose=0)[0, :, :, 0] > 0.6)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8 - 2, 15 - 2, 16 - 2, 23 - 2)


def test_output_padding_needs_no_crop():
    found = mirror(read(DOCUMENT), "transpose")
    first = found.graph.nodes[found.decoder].layer
    assert (first.padding, first.output_padding, first.kernel_size) == ("same", (1, 1), (4, 4))
    assert (found.extra, found.displaced) == ((), (0.0, 0.0))


def test_valid_convolutions_grow_back_without_padding():
    found = mirror(read("28x28x1 | conv 16 3 relu | maxpool 2"), "nearest")
    assert [node.layer.kind for node in found.graph.nodes[found.decoder :]] == ["UpSampling2D", "Conv2DTranspose"]
    grouped = mirror(read("28x28x2 | conv 4 3 groups 2"), "nearest")  # Keras's transposed convolutions have no groups
    assert [node.layer.kind for node in grouped.graph.nodes[grouped.decoder :]] == ["ZeroPadding2D", "Conv2D"]


# --- written down ---


@pytest.mark.parametrize("up", WAYS)
def test_text_and_python_build_the_same_network(up):
    texts, told = 0, []
    for seed in range(80):
        graph = mirror(random_encoder(seed, up), up).graph
        space = {}
        exec(python(graph, "autoencoder"), space)
        built = space["autoencoder"].graph
        assert [n.layer.kind for n in built.nodes] == [n.layer.kind for n in graph.nodes], seed
        assert shapes(built) == shapes(graph), seed
        try:
            text = one_line(graph)
        except GraphError as refused:
            told.append(str(refused))
            continue
        texts += 1
        assert shapes(read(text)) == shapes(graph), text
        weights = [[row.shape for row in g.parameters.values()] for g in (read(text), graph, built)]
        assert weights[0] == weights[1] == weights[2], text
    assert texts > 20
    assert all(re.search(r"stands in branches|has no word|one line would make", one) for one in told)


def test_what_one_line_cannot_say():
    conv, image = Conv2D(1, 3, padding="same", name="twice"), Input((8, 8, 1))
    shared = trace_calls([image], [conv(conv(image))])
    message = "twice is used twice with the same weights, which one line cannot say; write it as JSON (--save) or as Python (--python)"
    with pytest.raises(GraphError, match=f"^{re.escape(message.replace('twice is', 'twice#2 is'))}$"):
        one_line(shared)
    space = {}
    exec(python(shared), space)
    assert len(space["model"].weights) == 2
    pools = mirror(read("9x9x1 | maxpool 3 same | maxpool 3 strides=1 same"), "unpool").graph
    with pytest.raises(GraphError, match=r"^one line would make MaxPooling2D"):
        one_line(pools)
    odd = trace_calls([image], [Conv2D(1, 3, kernel_initializer=np.zeros, name="odd")(image)])
    with pytest.raises(GraphError, match=r"^kernel_initializer of odd is "):
        one_line(odd)
    with pytest.raises(GraphError, match=r"^kernel_initializer of odd is .* write it as JSON"):
        python(odd)


def test_frames_are_read_from_text():
    pads = read("9x9x1 | zeropad 0,1x2,3 | crop 1,0x0,2")
    assert [node.layer.ends for node in pads.nodes[1:]] == [((0, 1), (2, 3)), ((-1, 0), (0, -2))]
    assert read("6x4 | reshape 24,").nodes[1].layer.target_shape == (24,)


# --- the command ---


def test_the_command_prints_the_whole_journey(capsys):
    code, out, err = layerscope(capsys, "mirror", DOCUMENT)
    assert (code, err) == (0, "")
    told = re.sub(r"\s+", " ", out)
    assert (
        "code 4 × 4 × 4, where the decoder begins decoder 1,609 parameters, back to 28 × 28 × 1 crops and pads none"
        in told
    )
    assert (
        "upsample 2 | conv 8 3 same relu | upsample 2 | conv 16 3 relu | upsample 2 | conv 1 3 same sigmoid" in told
    )
    assert "the enlarged image lies 2 × 2 pixels off its place" in told


def test_text_goes_on_the_encoders(capsys):
    code, out, _ = layerscope(capsys, "mirror", DOCUMENT, "--up", "unpool", "--text")
    assert (code, out) == (
        0,
        "unpool | conv 8 3 same relu | unpool | conv 16 3 same relu | unpool | conv 1 3 same sigmoid\n",
    )
    assert shapes(read(f"{DOCUMENT} | {out}"))[-1] == (28, 28, 1)


def test_python_and_json(capsys, tmp_path):
    code, out, _ = layerscope(capsys, "mirror", "784 | dense 32 relu as code", "--python")
    assert code == 0
    assert out == (
        "from layerscope.layers import Input, Dense\nfrom layerscope.models import Model\n\nimage = Input((784,))\n"
        'x = Dense(32, activation="relu", name="code")(image)\nx = Dense(784, activation="sigmoid")(x)\n'
        "autoencoder = Model(image, x)\n"
    )
    both = tmp_path / "both.json"
    code, out, _ = layerscope(capsys, "mirror", DOCUMENT, "--in-place", "--format", "json", "--save", str(both))
    told = json.loads(out)["mirror"]
    assert told == {
        "up": "nearest", "code": [4, 4, 4], "shape": [28, 28, 1], "extra": ["cropping2d"], "displaced": [],
        "decoder": ["up_sampling2d", "cropping2d", "conv2d_3", "up_sampling2d_1", "conv2d_4", "up_sampling2d_2", "conv2d_5"],
        "text": "upsample 2 | crop 0,1x0,1 | conv 8 3 same relu | upsample 2 | conv 16 3 same relu | upsample 2 | conv 1 3 same sigmoid",
    }  # fmt: skip
    assert shapes(read(str(both))) == shapes(mirror(read(DOCUMENT), in_place=True).graph)


def test_mistakes(capsys):
    assert layerscope(capsys, "mirror", "8x8x1 | conv 2 3", "--up", "nearst") == (
        2, "", "layerscope mirror: unknown decoder 'nearst'. Did you mean 'nearest' or 'bilinear' or 'nails'?\n",
    )  # fmt: skip
    code, out, err = layerscope(capsys, "mirror", "8x8x1 | conv 2 3 stride 2", "--up", "unpool")
    assert (code, out) == (2, "")
    assert err.endswith("is a convolution with strides and keeps no switches; only max pooling can be unpooled\n")
    code, out, err = layerscope(capsys, "mirror", "heightxwidthx1 | conv 2 3")
    assert (code, out) == (2, "")
    assert layerscope(capsys, "mirror", "heightxwidthx1 | conv 2 3", "--set", "height=9", "--set", "width=8", "--text") == (
        0, "convt 1 3 sigmoid\n", "",
    )  # fmt: skip


def test_a_shared_pool_is_unpooled_twice():
    pool, image = MaxPooling2D(2, padding="same"), Input((9, 9, 2))
    graph = mirror(trace_calls([image], [pool(pool(image))]), "unpool").graph
    assert [n.layer.kind for n in graph.nodes[3:]] == ["MaxUnpooling2D", "Conv2D"] * 2
    assert [n.inputs[1] for n in graph.nodes if n.layer.kind == "MaxUnpooling2D"] == [(2, 1), (1, 1)]
