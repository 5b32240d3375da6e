"""Networks of Hugging Face's transformers, by their configurations, and one of 70 billion parameters without memory."""

from __future__ import annotations

import pytest

import layerscope as ls

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

WORDS = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128,
    "vocab_size": 1000,
}  # fmt: skip
IDS = {"input_ids": ((1, 16), "int64")}
IMAGE = {"pixel_values": (1, 3, 32, 32)}
VISION = {key: value for key, value in WORDS.items() if key != "vocab_size"} | {"image_size": 32, "patch_size": 8}
CASES = {
    # configuration, model, settings, what it is given
    "BERT": ("BertConfig", "BertModel", WORDS, IDS | {"attention_mask": ((1, 16), "int64")}),
    "ViT": ("ViTConfig", "ViTModel", VISION, IMAGE),
    "Llama": ("LlamaConfig", "LlamaForCausalLM", WORDS | {"num_key_value_heads": 2}, IDS),
    "GPT-2": ("GPT2Config", "GPT2LMHeadModel", {"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 1000}, IDS),
    "Mamba": ("MambaConfig", "MambaModel", {"num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 1000}, IDS),
    "ConvNeXt": ("ConvNextConfig", "ConvNextModel", {"hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2}, IMAGE),
    "CLIP": (
        "CLIPConfig", "CLIPModel",
        {"text_config": WORDS | {"max_position_embeddings": 20}, "vision_config": VISION}, IDS | IMAGE,
    ),
}  # fmt: skip


def example(given):
    sizes, dtype = given if isinstance(given[0], tuple) else (given, "float32")
    return torch.ones(sizes, dtype=getattr(torch, dtype))


@pytest.fixture(autouse=True)
def quiet():
    transformers.logging.set_verbosity_error()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_parameters_and_multiply_accumulates(name):
    """FlopCounterMode is right where attention is written out as products."""
    config, model, settings, given = CASES[name]
    made = getattr(transformers, config)(**settings)
    made._attn_implementation = "eager"
    module = getattr(transformers, model)(made).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(**{key: example(one) for key, one in given.items()})
    trace = ls.trace(module, input=given)
    assert trace.totals["macs"] * 2 == counter.get_total_flops()
    assert trace.totals["parameters"] == sum(one.numel() for one in module.parameters())
    assert not trace.totals["at_least"]


@pytest.mark.filterwarnings("ignore")
def test_attention_in_one_function_costs_the_same():
    config, model, settings, given = CASES["Llama"]
    totals = []
    for how in ("eager", "sdpa"):
        made = getattr(transformers, config)(**settings)
        made._attn_implementation = how
        totals.append(ls.trace(getattr(transformers, model)(made), input=given).totals["macs"])
    assert totals[0] == totals[1]


@pytest.mark.filterwarnings("ignore")
def test_experts_are_counted_once_for_each_row():
    """Mixtral: each of 16 positions goes to two of four experts, of three matrices each."""
    settings = WORDS | {"num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2}
    module = transformers.MixtralForCausalLM(transformers.MixtralConfig(**settings))
    trace = ls.trace(module, input=IDS)
    experts = 2 * (16 * 2 * 3 * 64 * 128)
    attention = 2 * (16 * 64 * (64 + 32 + 32 + 64) + 2 * 16 * 16 * 64)
    router, head = 2 * (16 * 64 * 4), 16 * 64 * 1000
    assert trace.totals["macs"] == experts + attention + router + head
    assert trace.totals["parameters"] == sum(one.numel() for one in module.parameters())


@pytest.mark.filterwarnings("ignore")
def test_seventy_billion_parameters_without_memory():
    width, inner, words, depth, length = 8192, 28672, 32000, 80, 4096
    with torch.device("meta"):
        module = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=words, hidden_size=width, intermediate_size=inner, num_hidden_layers=depth,
                num_attention_heads=64, num_key_value_heads=8, max_position_embeddings=length,
            )
        )  # fmt: skip
    totals = ls.trace(module, input={"input_ids": ((1, length), "int64"), "use_cache": False}).totals
    projections = width * (width + 1024 + 1024 + width) + 3 * width * inner
    assert totals["parameters"] == 2 * words * width + depth * (projections + 2 * width) + width == 68_976_648_192
    products = depth * (length * projections + 2 * length * length * width) + length * words * width
    assert totals["macs"] == products
    assert not totals["at_least"]
