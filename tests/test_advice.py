"""What would make a network fit: every proposal is tried here by reading the mended network anew."""

import json
from dataclasses import replace

import pytest

import layerscope as ls
from broken_networks import KINDS, broken, fate, network
from layerscope.analyses.advice import advise, factored, fix_words
from layerscope.core import propagate, sketch
from layerscope.core.errors import LayerscopeError, ShapeError
from layerscope.core.types import TensorType
from layerscope.layers import Add, Conv2D, Dense, Flatten, Input, Reshape
from layerscope.models import Model, Sequential
from layerscope.sources import json as graph_json
from layerscope.sources import text

DECODER = (
    "28x28x1 | [ conv 8 3 same relu | maxpool 2 same ] x3 | [ conv 8 3 same relu | upsample 2 ] x3 | "
    "conv 1 3 same sigmoid"
)


def mended(fix):
    """The output's shape of the network with a fix, written as JSON and read again."""
    again = graph_json.load(json.loads(json.dumps(graph_json.dump(fix.graph))))
    return propagate.output_types(again)[0].shape[1:]


NETWORKS, WANTED = 500, 0.95


@pytest.fixture(scope="module")
def outcomes():
    """For each of the random broken networks: its kind, and whether it got a fix; all fixes are tried."""
    found = []
    for seed in range(NETWORKS):
        graph = network(seed)
        shape = propagate.output_types(graph)[0].shape[1:]
        worse = broken(graph, seed)
        assert worse is not None
        target = shape if fate(worse) is not None or seed % 2 else None
        advice = advise(worse, target)
        assert advice.misfit is not None
        for fix in advice.fixes:
            assert 1 <= len(fix.edits) <= 3
            assert mended(fix) == (target or fix.outputs[0].shape[1:])
        found.append((KINDS[seed % len(KINDS)].__name__, bool(advice.fixes)))
    return found


def test_random_networks_broken_by_one_change_are_mended(outcomes):
    assert sum(fixed for _, fixed in outcomes) >= WANTED * NETWORKS


@pytest.mark.parametrize("kind", [kind.__name__ for kind in KINDS])
def test_no_kind_of_network_is_left_out(outcomes, kind):
    mine = [fixed for name, fixed in outcomes if name == kind]
    assert sum(mine) >= 0.9 * len(mine) > 0


def test_the_same_network_gets_the_same_advice():
    graph = broken(network(7), 7)
    assert [fix_words(fix) for fix in advise(graph).fixes] == [fix_words(fix) for fix in advise(graph).fixes]


PROPOSALS = {
    "the document's trick": (
        DECODER,
        (28, 28, 1),
        ["conv2d_5: padding='valid' instead of 'same'", "put Cropping2D(cropping=2) at the end"],
    ),
    "units or shape": (
        "28x28x1 | flatten | dense 392 | reshape 7x7x4 | upsample 4",
        None,
        ["dense: units=196 instead of 392", "reshape: target_shape=(7, 7, 8) instead of (7, 7, 4)"],
    ),
    "flatten": (
        "28x28x1 | conv 4 3 | dense 10",
        (10,),
        ["put Flatten() before dense", "put GlobalAveragePooling2D() at the end"],
    ),
    "channels": (
        "28x28 | conv 4 3",
        None,
        [
            "put Reshape(target_shape=(28, 28, 1)) before conv2d",
            "input_layer: shape=(28, 28, 1) instead of (28, 28)",
        ],
    ),
    "sequences": ("10x4 | lstm 5 | lstm 6", None, ["lstm: return_sequences=True instead of False"]),
    "nothing": ("8x8x1 | conv 4 3", (3, 5, 7, 11), []),
}


@pytest.mark.parametrize("name", PROPOSALS)
def test_the_smallest_changes_come_first(name):
    line, target, expected = PROPOSALS[name]
    fixes = advise(text.sketched(line), target).fixes
    assert [fix_words(fix) for fix in fixes] == expected
    for fix in fixes:
        assert mended(fix) == (target or fix.outputs[0].shape[1:])
    assert [fix.cost for fix in fixes] == sorted(fix.cost for fix in fixes)


def test_what_fits_needs_no_advice():
    advice = advise(text.read(DECODER), (32, 32, 1))
    assert advice.misfit is None
    assert advice.fixes == ()


def test_a_merge_is_given_its_partner():
    start = Input((16, 16, 3))
    with sketch.sketching():
        end = Add()([Conv2D(8, 3, name="a")(start), Conv2D(4, 3, padding="same", name="b")(start)])
    graph = ls.models.model.trace_calls([start], [end])
    (first, *_) = advise(graph).fixes
    assert fix_words(first) == "b: padding='valid' instead of 'same'; b: filters=8 instead of 4"
    assert mended(first) == (14, 14, 8)


def test_search_ends_where_its_work_is_done():
    advice = advise(text.sketched(DECODER), (28, 28, 1), work=20)
    assert advice.fixes == ()
    assert advice.tried <= 20 + 15 + 1


@pytest.mark.parametrize(
    ("type", "flattened", "expected"),
    [
        (TensorType((2, 7, 7, 8)), None, "7·7·8 = 392"),
        (TensorType((2, 392)), None, "392 = 8·7·7 = 2·14·14"),
        (TensorType((2, 392)), TensorType((2, 7, 7, 8)), "7·7·8 = 392"),
        (TensorType((2, 13)), None, "13"),
    ],
)
def test_numbers_are_told_as_products(type, flattened, expected):
    assert factored(type, flattened) == expected


# --- errors that carry their network ---

FITS = "With one of these changes the whole network fits:\n"
CHANGES = (
    "  1. dense: units=196 instead of 392 → (7, 7, 4)\n"
    "  2. reshape: target_shape=(7, 7, 8) instead of (7, 7, 4) → (7, 7, 8)"
)


def notes(make):
    with pytest.raises(LayerscopeError) as caught:
        make()
    return caught.value.__notes__


def test_a_sequential_knows_all_of_its_layers():
    def make():
        Sequential([Input((28, 28, 1)), Flatten(), Dense(392), Reshape((7, 7, 4)), Conv2D(2, 9), Conv2D(1, 1)])

    way = (
        "The way there: input_layer 28·28·1 = 784 → flatten 28·28·1 = 784 → dense 392 = 8·7·7 = 2·14·14\n"
        "With one of these changes the whole network fits:\n"
    )
    (note,) = notes(make)
    assert note.startswith(way)
    assert "units=196 instead of 392; conv2d: " in note


def test_a_layer_called_by_itself_knows_what_leads_to_it():
    def make():
        Reshape((7, 7, 4))(Dense(392)(Flatten()(Input((28, 28, 1)))))

    (note,) = notes(make)
    assert note.endswith(FITS.replace("the whole network", "the network up to here") + CHANGES)


def test_json_and_text_know_the_whole_network():
    line = "28x28x1 | flatten | dense 392 | reshape 7x7x4"
    assert notes(lambda: ls.trace(line)) == [FITS + CHANGES]
    data = graph_json.dump(text.read("28x28x1 | flatten | dense 392 | reshape 7x7x8"))
    data["nodes"][-1]["settings"]["target_shape"] = [7, 7, 4]
    (note,) = notes(lambda: graph_json.load(data))
    assert note.endswith(FITS + CHANGES)


def test_a_size_that_is_put_in_later_is_advised_on(tmp_path):
    start = Input((None, 8, 1), name="image")
    graph = Model(start, Conv2D(2, 5)(start)).graph
    (note,) = notes(lambda: ls.trace(graph, sizes={"image_height": 3}))
    assert "conv2d: padding='same' instead of 'valid' → (3, 8, 2)" in note


def test_errors_without_a_network_have_no_notes():
    assert notes(lambda: Dense(0)) == []
    assert ShapeError("does not fit").__notes__ == []


def test_sketches_end_with_the_block():
    with sketch.sketching():
        assert Conv2D(2, 5)(Input((3, 3, 1))).shape == (None, None, None, None)
    with pytest.raises(ShapeError):
        Conv2D(2, 5)(Input((3, 3, 1)))


def test_a_fix_keeps_shared_layers_shared():
    start, dense = Input((6,)), Dense(4)
    one = dense(start)
    with sketch.sketching():
        graph = ls.models.model.trace_calls([start], [Reshape((3, 3))(dense(one))])
    advice = advise(replace(graph, name="shared"))
    for fix in advice.fixes:
        uses = [node for node in fix.graph.nodes if node.layer.kind == "Dense"]
        assert uses[0].layer is uses[1].layer
        assert uses[0].weights == uses[1].weights


def test_fixes_have_layers_of_their_own():
    """So that two of them can be models at once, each with its own weights."""
    made = [
        Model.from_graph(fix.graph) for fix in advise(text.sketched("8 | dense 392 | reshape 7x7x4 | conv 2 3")).fixes
    ]
    assert [model.output_shape for model in made] == [(None, 5, 5, 2), (None, 5, 5, 2)]
