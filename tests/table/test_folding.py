"""Rows put together: nested models by depth, blocks that repeat, what is left out at the end; nothing is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.table.networks import ALL, interleaved, residual, stack, traced, twins

from layerscope import Input
from layerscope.layers import Activation, Add, Conv2D, Dense, Dropout
from layerscope.telling.amounts import ordinal
from layerscope.telling.describing import _lines
from layerscope.telling.lines import OPERATIONS
from layerscope.telling.view import View


def rows(trace, **view):
    """What stands first in each row: its sentence or its name."""
    lines, rest = _lines(trace.graph, trace.journey, View(**view))
    return [line.sentence or line.name for line in [*lines, *rest]]


def test_blocks_that_repeat_are_shown_once():
    assert rows(residual()) == [
        "image", "stem",
        "stage1_block1_0_conv", "stage1_block1_1_conv", "stage1_block1_1_relu", "stage1_block1_2_conv",
        "stage1_block1_add", "stage1_block1_out",
        "stage1_block2_1_conv", "stage1_block2_1_relu", "stage1_block2_2_conv", "stage1_block2_add", "stage1_block2_out",
        "stage1_block3: the same 5 layers",
        "stage2_block1_0_conv", "stage2_block1_1_conv", "stage2_block1_1_relu", "stage2_block1_2_conv",
        "stage2_block1_add", "stage2_block1_out",
        "stage2_block2_1_conv", "stage2_block2_1_relu", "stage2_block2_2_conv", "stage2_block2_add", "stage2_block2_out",
        "stage2_block3 … stage2_block5: 3 times the same 5 layers",
        "pool", "head",
    ]  # fmt: skip
    assert rows(residual(), full=True) == [step.name for step in residual().journey.steps]


def test_nested_models_fold_by_depth_and_repeat():
    assert rows(stack()) == [
        "tokens", "block_0/up", "block_0/down", "block_0/add", "block_1 … block_5: 5 times the same 3 layers", "head",
    ]  # fmt: skip
    assert rows(stack(), depth=1) == ["tokens", "block_0", "block_1 … block_5: 5 times the same 3 layers", "head"]
    assert rows(stack(), depth=1, full=True) == ["tokens", *(f"block_{n}" for n in range(6)), "head"]
    assert rows(stack(), depth=2) == rows(stack())


def test_a_scope_is_one_row_even_where_layers_of_others_stand_between():
    assert rows(interleaved()) == ["image", "a/conv1", "b/conv1", "a/conv2", "b/conv2", "sum"]
    assert rows(interleaved(), depth=1) == ["image", "a", "b", "sum"]


def test_each_use_of_a_nested_model_has_its_row():
    assert rows(twins(), depth=1) == ["left", "right", "block_0", "block_0#2", "both", "head"]


def chain(*layers):
    tokens = x = Input((4,), name="tokens")
    for layer in layers:
        x = layer(x)
    return traced([tokens], [x])


def dense(**settings):
    return Dense(4, **settings)


def test_one_layer_that_repeats():
    assert rows(chain(*(dense(name=f"d{n}") for n in range(5)))) == [
        "tokens", "d0", "d1 … d4: 4 times the same layer",
    ]  # fmt: skip
    few = chain(*(dense(name=f"d{n}") for n in range(3)))
    assert rows(few) == ["tokens", "d0", "d1", "d2"], "a fold has to save rows"


def test_what_differs_is_not_folded():
    assert len(rows(chain(*(dense(activation=a) for a in ("relu", "tanh", "relu", "relu", "tanh"))))) == 6
    assert len(rows(chain(*(Dense(units) for units in (4, 5, 6, 7, 8))))) == 6
    assert len(rows(chain(*(dense(use_bias=n % 3 > 0) for n in range(5))))) == 6


def test_initial_values_are_no_difference():
    kinds = ("zeros", "ones", "glorot_uniform", "he_normal", "zeros")
    assert len(rows(chain(*(dense(kernel_initializer=kind) for kind in kinds)))) == 3


def test_rates_of_dropout_are_no_difference_but_those_of_dilation_are():
    assert len(rows(chain(*(Dropout(rate) for rate in (0.1, 0.2, 0.3, 0.4, 0.5))))) == 3
    image = x = Input((9, 9, 2), name="image")
    for rate in (1, 2, 3, 4, 5):
        x = Conv2D(2, 3, dilation_rate=rate, padding="same")(x)
    assert len(rows(traced([image], [x]))) == 6


def test_names_that_a_layer_got_by_itself_do_not_name_a_block():
    image = x = Input((4, 4, 2), name="image")
    for n in range(4):
        x = Add()([x, Activation("relu", name=f"b{n}_relu")(Conv2D(2, 1, name=f"b{n}_conv")(x))])
    assert rows(traced([image], [x]))[-1] == "b1 … b3: 3 times the same 3 layers"


def test_layers_that_share_weights_fold_apart_from_the_first():
    layer = dense(name="d")
    trace = chain(*[layer] * 7)
    assert rows(trace) == ["tokens", "d", "d#2", "d#3 … d#7: 5 times the same layer"]
    lines, _ = _lines(trace.graph, trace.journey, View())
    assert [line.shared for line in lines] == [0, 0, 20, 20]
    assert [line.parameters.size for line in lines] == [0, 20, 20, 20]


def test_a_block_that_is_fed_from_elsewhere_is_another_block():
    def network(far):
        tokens = x = Input((4,), name="tokens")
        seen = [x]
        for n in range(4):
            y = Activation("tanh", name=f"b{n}_act")(dense(name=f"b{n}_dense")(x))
            x = Add(name=f"b{n}_add")([seen[0] if n == far else x, y])
            seen.append(x)
        return traced([tokens], [x])

    assert rows(network(None)) == [
        "tokens", "b0_dense", "b0_act", "b0_add", "b1 … b3: 3 times the same 3 layers",
    ]  # fmt: skip
    assert rows(network(3)) == [
        "tokens", "b0_dense", "b0_act", "b0_add", "b1 … b2: 2 times the same 3 layers", "b3_dense", "b3_act", "b3_add",
    ]  # fmt: skip


def test_something_that_all_blocks_read_is_no_difference():
    mask, tokens = Input((4,), name="mask"), Input((4,), name="tokens")
    x = tokens
    for n in range(5):
        x = Add(name=f"b{n}_add")([mask, dense(name=f"b{n}_dense")(x)])
    assert rows(traced([mask, tokens], [x])) == [
        "mask", "tokens", "b0_dense", "b0_add", "b1 … b4: 4 times the same 2 layers",
    ]  # fmt: skip


def test_blocks_without_names_of_their_own():
    image = x = Input((8, 8, 4), name="image")
    for _ in range(4):
        y = Conv2D(4, 1)(Activation("relu")(Conv2D(4, 3, padding="same")(x)))
        x = Add()([x, y])
    assert rows(traced([image], [x])) == [
        "image", "conv2d", "activation", "conv2d_1", "add", "conv2d_2 … add_3: 3 times the same 4 layers",
    ]  # fmt: skip


VIEWS = {
    "usual": {},
    "full": {"full": True},
    "depth": {"depth": 1},
    "depth, full": {"depth": 1, "full": True},
    "sorted": {"sort": "macs"},
    "top": {"top": 2},
    "top of models": {"depth": 1, "sort": "saved_bytes", "top": 1},
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ALL)
def test_folding_loses_nothing(name, view):
    trace = ALL[name]()
    cost, memory = trace.journey.cost, trace.journey.memory
    lines, rest = _lines(trace.graph, trace.journey, View(**VIEWS[view]))
    lines += rest
    assert sorted(number for line in lines for number in line.members) == list(range(len(trace)))

    def total(pick):
        known = [pick(line).size for line in lines]
        return sum((size for size in known if size is not None), 0)

    assert total(lambda line: line.parameters) - sum(line.shared for line in lines) == cost.parameters
    assert total(lambda line: line.macs) == cost.macs
    for kind in OPERATIONS:
        assert total(lambda line, kind=kind: line.operations[kind]) == getattr(cost.operations, kind)
    assert total(lambda line: line.output_bytes) == memory.inputs + memory.outputs
    assert total(lambda line: line.saved_bytes) == memory.saved
    assert max(ordinal(line.live_bytes.size) for line in lines) == ordinal(memory.peak)
    unknown = any(line.macs.at_least or line.macs.size is None for line in lines)
    assert unknown == any(step.macs is None for step in trace.journey.steps)


MAKERS = (
    lambda: dense(),
    lambda: dense(use_bias=False),
    lambda: dense(activation="relu"),
    lambda: Activation("tanh"),
)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(1, 5)), max_size=4))
def test_what_is_folded_was_the_same(pieces):
    """Random blocks, each several times: a fold stands for rows that repeat what stands before it."""
    trace = chain(*(MAKERS[number]() for block, times in pieces for _ in range(times) for number in block), dense())
    layers = [node.layer for node in trace.graph.nodes]

    def told(number):
        layer = layers[number]
        return layer.kind, getattr(layer, "use_bias", None), getattr(layer, "activation", None)

    lines, _ = _lines(trace.graph, trace.journey, View())
    assert [number for line in lines for number in line.members] == list(range(len(trace)))
    for line in lines:
        if line.sentence:
            first, count = line.members[0], len(line.members)
            times = int(line.sentence.split(": ")[1].split(" times")[0]) if " times " in line.sentence else 1
            period = count // times
            assert count >= 3
            assert [told(n) for n in line.members] == [told(first - period + k % period) for k in range(count)]
    most = max((len(block) * (times - 1) for block, times in pieces), default=0)
    assert len(lines) < len(trace) or most < 3, "a block that repeats is folded"
