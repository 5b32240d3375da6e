"""Who says what of small networks whose cost is known by hand: the peers beside the truth and ours.

Run: python benchmarks/disagreements.py [--write]   (pip install torch==2.13.0 -r benchmarks/peers.txt)
Each peer runs in a process of its own, as its documentation has it; --write puts the table into the page.
"""

import argparse
import contextlib
import importlib
import io
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != HERE.resolve()]  # it holds a trace.py
PAGE = HERE.parent / "docs" / "disagreements.md"
START, END = "<!-- peers: benchmarks/disagreements.py -->\n", "<!-- end of peers -->\n"


@dataclass(frozen=True)
class Case:
    """A network with its input, and what it costs by hand: `truth` in MACs, or in parameters."""

    title: str
    make: Callable[[], tuple[Any, Any]]
    truth: int
    why: str
    counts: str = "MACs"


def _module(forward: Callable[..., Any], **parts: Any) -> Any:
    """A module with these parts, whose forward is the function."""
    from torch import nn

    class Case(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    return Case().eval()


def transposed() -> tuple[Any, Any]:
    import torch

    return torch.nn.Sequential(torch.nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False)), torch.zeros(1, 8, 8, 8)


def transposed_in_groups() -> tuple[Any, Any]:
    import torch

    layer = torch.nn.ConvTranspose2d(8, 8, 3, 2, groups=4, bias=False)
    return torch.nn.Sequential(layer), torch.zeros(1, 8, 4, 4)


def same_padding() -> tuple[Any, Any]:
    import torch

    return torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, padding="same", bias=False)), torch.zeros(8, 3, 32, 32)


def linear() -> tuple[Any, Any]:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(64, 128, bias=False)), torch.zeros(2, 10, 64)


def embedding() -> tuple[Any, Any]:
    import torch

    return torch.nn.Sequential(torch.nn.Embedding(1000, 64)), torch.zeros(2, 10, dtype=torch.int64)


def lstm() -> tuple[Any, Any]:
    import torch

    part = torch.nn.LSTM(32, 64, num_layers=2, batch_first=True)
    return _module(lambda self, x: self.part(x)[0], part=part), torch.zeros(2, 10, 32)


def dot_product() -> tuple[Any, Any]:
    import torch

    def forward(self: Any, x: Any) -> Any:
        heads = self.part(x).unflatten(-1, (4, 16)).transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(heads, heads, heads)

    return _module(forward, part=torch.nn.Linear(64, 64, bias=False)), torch.zeros(2, 10, 64)


def multihead() -> tuple[Any, Any]:
    import torch

    part = torch.nn.MultiheadAttention(64, 4, batch_first=True)
    return _module(lambda self, x: self.part(x, x, x, need_weights=False)[0], part=part), torch.zeros(2, 10, 64)


def functional() -> tuple[Any, Any]:
    import torch

    kernel = torch.nn.Parameter(torch.zeros(16, 3, 3, 3))
    convolve = torch.nn.functional.conv2d
    return _module(lambda self, x: convolve(x, self.kernel, padding=1), kernel=kernel), torch.zeros(1, 3, 32, 32)


def tied() -> tuple[Any, Any]:
    import torch

    table = torch.nn.Embedding(1000, 64)
    head = torch.nn.Linear(64, 1000, bias=False)
    head.weight = table.weight
    tokens = torch.zeros(2, 10, dtype=torch.int64)
    return _module(lambda self, x: self.head(self.table(x)), table=table, head=head), tokens


CASES = (
    Case("transposed convolution 8→4, 4×4, stride 2, padding 1, on 8×8", transposed, 32_768,
         "each input position stamps the kernel: 8·8·16·8·4; counting output positions gives four times that"),
    Case("the same in 4 groups: 8→8, 3×3, stride 2, on 4×4", transposed_in_groups, 2_304, "4·4·9·8·8 / 4"),
    Case('convolution 3→16, 3×3, `padding="same"`, on 8 images of 32×32', same_padding, 3_538_944,
         "8·32·32·9·3·16"),
    Case("Linear(64→128) on (2, 10, 64)", linear, 163_840, "20 positions·64·128"),
    Case("Embedding(1000, 64) on (2, 10)", embedding, 0, "it looks up"),
    Case("LSTM(32, 64), two layers, on (2, 10, 32)", lstm, 1_146_880,
         "20 steps·4·((32 + 64)·64 + (64 + 64)·64)"),
    Case("Linear(64→64), then scaled dot-product attention of 4 heads, on (2, 10, 64)", dot_product, 107_520,
         "20·64·64, and two products 2·4·10·10·16"),
    Case("MultiheadAttention(64, 4 heads) on (2, 10, 64)", multihead, 353_280,
         "four projections 20·64·64, and the two products"),
    Case("a functional convolution 3→16, 3×3, padding 1, on 32×32", functional, 442_368, "32·32·9·3·16"),
    Case("an output head tied to its embedding, on (2, 10)", tied, 1_280_000, "20·64·1000"),
    Case("the same, parameters", tied, 64_000, "one table, once", counts="parameters"),
)  # fmt: skip


# --- who says what: (MACs, parameters), None where a tool gives none ---

Said = tuple[int | None, int | None]


def layerscope(model: Any, x: Any) -> Said:
    from layerscope import trace

    totals = trace(model, input=(tuple(x.shape), str(x.dtype).removeprefix("torch."))).totals
    return totals["macs"], totals["parameters"]


def torchinfo(model: Any, x: Any) -> Said:
    told = importlib.import_module("torchinfo").summary(model, input_data=x, verbose=0, device="cpu")
    return told.total_mult_adds, told.total_params


def fvcore(model: Any, x: Any) -> Said:
    count = importlib.import_module("fvcore.nn")
    told = count.FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(told.total()), count.parameter_count(model)[""]


def flop_counter_mode(model: Any, x: Any) -> Said:
    import torch

    counter = importlib.import_module("torch.utils.flop_counter").FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(x)
    return counter.get_total_flops() // 2, None


def torchlens(model: Any, x: Any) -> Said:
    told = importlib.import_module("torchlens").trace(model, x)
    return int(told.total_macs_forward), told.num_params


def thop(model: Any, x: Any) -> Said:
    macs, parameters = importlib.import_module("thop").profile(model, inputs=(x,), verbose=False)
    return int(macs), int(parameters)


def ptflops(model: Any, x: Any) -> Said:
    asked: Any = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    asked["input_constructor"] = lambda _: {("input" if "Sequential" in type(model).__name__ else "x"): x}
    macs, parameters = importlib.import_module("ptflops").get_model_complexity_info(model, tuple(x.shape), **asked)
    return (None if macs is None else int(macs)), (None if parameters is None else int(parameters))


def onnx_tool(model: Any, x: Any) -> Said:
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "case.onnx"))
        torch.onnx.export(model, (x,), path, dynamo=False)
        graph = importlib.import_module("onnx_tool").Model(path).graph
        graph.shape_infer({})
        graph.profile()
    return int(graph.macs[0]), int(graph.params)


PEERS: Mapping[str, tuple[str, Callable[[Any, Any], Said]]] = {
    "layerscope": ("Layerscope", layerscope),
    "torchinfo": ("torchinfo", torchinfo),
    "fvcore": ("fvcore", fvcore),
    "torch": ("FlopCounterMode", flop_counter_mode),
    "torchlens": ("TorchLens", torchlens),
    "thop": ("thop", thop),
    "ptflops": ("ptflops", ptflops),
    "onnx-tool": ("onnx-tool", onnx_tool),
}
"""By the name of the package: what people call it, and how it is asked."""


def answers(peer: str) -> list[int | str | None]:
    """What one peer says of each case; a case that it does not take is the name of its error."""
    said: list[int | str | None] = []
    for case in CASES:
        try:
            macs, parameters = PEERS[peer][1](*case.make())
            said.append(macs if case.counts == "MACs" else parameters)
        except Exception as error:  # whatever a peer raises is its answer
            said.append(type(error).__name__)
    return said


def ask(peer: str) -> list[int | str | None]:
    """The same from a process of its own: some change PyTorch's modules for good."""
    command = [sys.executable, str(Path(__file__).resolve()), "--answers", peer]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{peer} could not be asked: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def version(package: str) -> str:
    """The installed version, without what says how it was built."""
    from importlib import metadata

    told = metadata.version(package)
    for sign in ("+", ".post", "-"):
        told = told.split(sign)[0]
    return told


def table(said: Mapping[str, list[int | str | None]]) -> str:
    """The Markdown table; a figure that is not the truth is struck."""
    titles = [f"{PEERS[peer][0]} {version(peer)}" for peer in said if peer != "layerscope"]
    lines = ["| " + " | ".join(["case", "by hand", "Layerscope", *titles]) + " |", "|---" * (3 + len(titles)) + "|"]
    for number, case in enumerate(CASES):
        cells = [_cell(row[number], case.truth) for row in said.values()]
        lines.append("| " + " | ".join([case.title, f"{case.truth:,} ({case.why})", *cells]) + " |")
    right = [sum(row[i] == case.truth for i, case in enumerate(CASES)) for row in said.values()]
    lines.append("| " + " | ".join(["right", f"of {len(CASES)}", *(f"**{count}**" for count in right)]) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: int | str | None, truth: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return f"*{value}*"
    return f"{value:,}" if value == truth else f"~~{value:,}~~"


def main() -> None:
    """Ask all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/disagreements.md")
    parser.add_argument("--answers", choices=PEERS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.answers:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            said = answers(asked.answers)
        print(json.dumps(said))
        return
    made = table({peer: ask(peer) for peer in PEERS})
    print(made, end="")
    if asked.write:
        text = PAGE.read_text("utf-8")
        before, _, rest = text.partition(START)
        _, found, after = rest.partition(END)
        if not found:
            raise SystemExit(f"{PAGE} has no place for the table")
        PAGE.write_text(f"{before}{START}\n{made}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
