"""PyTorch modules traced as they are: parameters, multiply-accumulates, shapes and receptive fields."""

from __future__ import annotations

import json

import pytest

import layerscope as ls
from layerscope.sources import json as graph_json

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

from . import torch_cases as cases  # noqa: E402
from . import torch_networks as networks  # noqa: E402


def built(make):
    """The module with no memory for its weights."""
    with torch.device("meta"):
        return make()


def wanted(input):
    return input if isinstance(input, list) else [input]


def tensor(one):
    sizes, dtype = one if isinstance(one[0], tuple) else (one, "float32")
    if dtype == "int64":
        return torch.randint(0, 4, sizes)
    return torch.rand(sizes)


def outputs(made):
    if isinstance(made, tuple | list):
        return [one for part in made for one in outputs(part)]
    return [] if made is None else [made]


@pytest.mark.parametrize("name", cases.NETWORKS)
def test_parameters_and_multiply_accumulates_of_networks(name):
    make, input, parameters, macs = cases.NETWORKS[name]
    module = built(make)
    trace = ls.trace(module, input=input)
    own = sum(one.numel() for one in module.parameters())
    assert parameters in (own, None)
    assert (trace.totals["parameters"], trace.totals["macs"]) == (own, macs)
    assert not trace.totals["at_least"]
    assert not trace.totals["operations_at_least"]


@pytest.mark.parametrize("name", cases.DISAGREEMENTS)
def test_where_other_tools_go_wrong(name):
    make, input, parameters, macs = cases.DISAGREEMENTS[name]
    module = make()
    totals = ls.trace(module, input=input).totals
    assert totals["parameters"] == (parameters or sum(one.numel() for one in module.parameters()))
    assert (totals["macs"], totals["at_least"]) == (macs, False)


def test_functional_calls_count():
    kernel = nn.Parameter(torch.zeros(16, 3, 3, 3))
    totals = ls.trace(lambda x: functional.conv2d(x, kernel, padding=1), input=(1, 3, 32, 32)).totals
    assert (totals["parameters"], totals["macs"]) == (432, 442_368)
    projection = nn.Linear(64, 64)

    def attend(x):
        heads = projection(x).view(2, 10, 4, 16).transpose(1, 2)
        return functional.scaled_dot_product_attention(heads, heads, heads)

    totals = ls.trace(attend, input=(2, 10, 64)).totals
    assert (totals["parameters"], totals["macs"]) == (4_160, 107_520)


def test_a_tied_weight_counts_once():
    table = nn.Embedding(1000, 64)
    head = nn.Linear(64, 1000, bias=False)
    head.weight = table.weight
    trace = ls.trace(nn.Sequential(table, head), input=((2, 10), "int64"))
    assert (trace.totals["parameters"], trace.totals["macs"]) == (64_000, 1_280_000)
    assert [(row["name"], row["parameters"], row["shared"]) for row in trace.layers[1:]] == [
        ("0", 64_000, False),
        ("1", 64_000, True),
    ]


@pytest.mark.parametrize("name", cases.MODULES)
def test_modules(name):
    make, input, macs = cases.MODULES[name]
    module = make().eval()
    trace = ls.trace(module, input=input)
    with torch.no_grad():
        real = outputs(module(*map(tensor, wanted(input))))
    steps = trace.journey.steps
    made = [steps[node].outputs[number] for node, number in trace.graph.outputs]
    assert [one.shape for one in made] == [tuple(one.shape) for one in real]
    assert [one.dtype for one in made] == [str(one.dtype).removeprefix("torch.") for one in real]
    assert trace.totals["parameters"] == sum(one.numel() for one in module.parameters())
    assert (trace.totals["macs"], trace.totals["at_least"], trace.totals["operations_at_least"]) == (
        macs,
        False,
        False,
    )
    again = graph_json.load(json.loads(json.dumps(graph_json.dump(trace.graph))))
    assert ls.trace(again).totals == trace.totals


def field(trace, name):
    """The receptive field of a layer along the height and the width."""
    (row,) = [row for row in trace.journey.steps if row.name == name]
    ((_, axes),) = row.fields.items()
    return [(axis.min, axis.max) for axis in axes]


@pytest.mark.parametrize(
    ("name", "size"),
    [("ResNet-18", 435), ("ResNet-34", 899), ("ResNet-50", 427), ("ResNet-101", 971), ("ResNet-152", 1451)],
)
def test_receptive_fields_of_resnets(name, size):
    trace = ls.trace(built(cases.NETWORKS[name][0]), input=cases.IMAGE)
    last = [row.name for row in trace.journey.steps if row.name.endswith("/add")][-1]
    assert field(trace, last) == [(size, size)] * 2


def test_a_u_net():
    trace = ls.trace(networks.UNet(4), input=(1, 3, 64, 64))
    assert trace.layers[-1]["output_shape"] == [1, 2, 64, 64]
    assert field(trace, "head") == [(188, 204)] * 2
    assert ls.trace(networks.UNet(4, 2), input=(1, 3, 32, 32)).totals["macs"] == (
        1024 * 9 * (3 * 4 + 4 * 4) + 256 * 9 * (4 * 8 + 8 * 8) + 64 * 9 * (8 * 16 + 16 * 16)
        + 64 * 4 * 16 * 8 + 256 * 9 * (16 * 8 + 8 * 8) + 256 * 4 * 8 * 4 + 1024 * 9 * (8 * 4 + 4 * 4) + 1024 * 4 * 2
    )  # fmt: skip


def test_images_whose_channels_are_last_are_told_from_the_first_convolution():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, image):
            return self.conv((image / 255 - 0.5).permute(0, 3, 1, 2))

    trace = ls.trace(Turned(), input=(1, 9, 8, 3))
    assert trace.graph.nodes[0].layer.channel_axis == 3
    assert field(trace, "conv") == [(3, 3)] * 2
    first = ls.trace(nn.Conv2d(9, 4, 3), input=(1, 9, 8, 3))
    assert first.graph.nodes[0].layer.channel_axis == 1
    assert repr(first.receptive_field("conv2d", (2, 0))) == (
        "conv2d, 6 × 1 positions\n"
        "  of input, 8 × 3, it sees 3 × 3\n"
        "    at (2, 0) 2 … 4 × 0 … 2 (3 × 3)"
    )  # fmt: skip


def test_rows_have_the_names_of_modules():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

        def forward(self, x):
            return self.act(self.conv(self.act(x))) + x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.pool = Block(), nn.AdaptiveAvgPool2d(1)

        def forward(self, image):
            return torch.flatten(self.pool(self.block(self.block(image))), 1).softmax(-1)

    trace = ls.trace(Net(), input=(1, 4, 8, 8))
    assert [(row["name"], row["kind"]) for row in trace.layers] == [
        ("image", "InputLayer"),
        ("block/act", "ReLU"),
        ("block/conv", "Conv2d"),
        ("block/act_1", "ReLU"),
        ("block/add", "add"),
        ("block#2/act", "ReLU"),
        ("block#2/conv", "Conv2d"),
        ("block#2/act_1", "ReLU"),
        ("block#2/add", "add"),
        ("pool", "AdaptiveAvgPool2d"),
        ("flatten", "flatten"),
        ("softmax", "softmax"),
    ]
    assert trace.totals["parameters"] == 148
    folded = trace.render("csv", columns="name,layers,macs", depth=1).splitlines()
    assert folded == [
        "name,layers,macs",
        "image,1,0",
        "block,4,9216",
        "block#2,4,9216",
        "pool,1,0",
        "flatten,1,0",
        "softmax,1,0",
    ]


def test_what_nobody_described_is_unknown():
    trace = ls.trace(nn.Sequential(nn.Conv2d(4, 4, 1), nn.FractionalMaxPool2d(2, output_size=4)), input=cases.SMALL)
    row = trace.layers[-1]
    assert (row["kind"], row["output_shape"], row["macs"]) == ("FractionalMaxPool2d", [1, 4, 4, 4], None)
    assert trace.totals["at_least"]
    assert "MACs          at least 1,024" in trace.render()


def test_a_function_without_a_rule_keeps_its_name():
    trace = ls.trace(lambda x: torch.linalg.inv(x.t() @ x), input=(5, 3))
    assert [(row["name"], row["kind"], row["macs"]) for row in trace.layers[1:]] == [
        ("t", "t", 0),
        ("matmul", "matmul", 45),
        ("linalg_inv", "linalg_inv", None),
    ]
    assert trace.totals["at_least"]


def test_written_in_place():
    """What is written through a view is read through its base, and the other way round."""

    def written(x, y):
        kept = x * 2
        view = kept[:, 1:]
        view.add_(y)
        kept += 1
        kept[:, 0] = 3
        return kept.sum(), view * 2

    trace = ls.trace(written, input=[(2, 4), (2, 3)])
    assert not trace.totals["at_least"]
    assert trace.totals["operations"]["pointwise"] == 8 + 6 + 8 + 6
    seen = trace.receptive_field("sum")
    assert [one.input for one in seen.inputs] == ["x", "y"]


SEEDS = range(30)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_convolutions_against_the_flop_counter(seed):
    """FlopCounterMode is right for convolutions of both kinds."""
    from random import Random

    from torch.utils.flop_counter import FlopCounterMode

    draw = Random(seed)
    rank, groups = draw.choice((1, 2, 2, 3)), draw.choice((1, 2))
    told = {
        "kernel_size": [draw.randint(1, 3) for _ in range(rank)],
        "stride": [draw.randint(1, 3) for _ in range(rank)],
        "dilation": [draw.randint(1, 2) for _ in range(rank)],
        "padding": [draw.randint(0, 1) for _ in range(rank)],
    }
    kind = draw.choice(("Conv", "ConvTranspose"))
    if kind == "ConvTranspose":
        told["output_padding"] = [
            draw.randint(0, max(s, d) - 1) for s, d in zip(told["stride"], told["dilation"], strict=True)
        ]
    module = getattr(nn, f"{kind}{rank}d")(4, 6, groups=groups, bias=draw.random() < 0.5, **told)
    x = torch.zeros(2, 4, *(draw.randint(7, 9) for _ in range(rank)))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shape = module(x).shape
    trace = ls.trace(module, input=tuple(x.shape))
    assert trace.layers[-1]["output_shape"] == list(shape)
    assert trace.totals["macs"] * 2 == counter.get_total_flops()
    again = ls.trace(torch.export.export(module.eval(), (x,)))
    assert again.totals == trace.totals
