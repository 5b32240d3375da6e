"""Encoders to order: the smallest of the space against trying all of it, limits, and proofs that there is none."""

import itertools
import json
import re

import pytest
from tests.commands import layerscope

import layerscope as ls
from layerscope import sources
from layerscope.analyses.design import Wish, build, design
from layerscope.analyses.mirror import mirror
from layerscope.core import propagate
from layerscope.core.errors import SettingError, SizeError
from layerscope.telling.designed import texts

# --- against trying everything, each encoder read from its text and traced ---

SMALL = {"depth": 2, "kernels": (1, 3), "filters": (2, 4)}
SIDE = (9, 6, 1)


def every_text():
    """All encoders of the small space, as text, in the order of their choices; `{}` is where Dense may go."""
    kinds = [(1, ""), (3, ""), (3, "stride"), (3, "pool")]
    for layers in (1, 2):
        for chosen in itertools.product(*[list(itertools.product(kinds, (2, 4)))] * layers):
            stages = []
            for (kernel, down), filters in chosen:
                stages.append(f"conv {filters} {kernel}{' stride 2' if down == 'stride' else ''} same relu")
                if down == "pool":
                    stages.append("maxpool 2 same")
            yield " | ".join(["9x6x1", *stages])


def measured(code):
    """Of all encoders that end at so many numbers: parameters, MACs, reach."""
    found = []
    for text in every_text():
        for dense in (False, True):
            told = ls.trace(text + (f" | flatten | dense {code}" if dense else ""))
            shape = told.layers[-1]["output_shape"][1:]
            if shape != [code] and (dense or shape[0] * shape[1] * shape[2] != code):
                continue
            features = told.layers[-3 if dense else -1]
            reach = min(axis["min"] for axis in features["receptive_field"][:2])
            found.append((told.totals["parameters"], told.totals["macs"], reach))
    return sorted(found)


@pytest.fixture(scope="module")
def all_of_twelve():
    return measured(12)


LIMITS = [
    {}, {"reach": 3}, {"reach": 5}, {"reach": 7}, {"reach": 8}, {"reach": 9}, {"parameters": 40}, {"parameters": 100, "reach": 5},
    {"macs": 900}, {"macs": 500, "reach": 4}, {"macs": 1500, "reach": 6, "parameters": 200},
]  # fmt: skip


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_the_smallest_are_those_that_trying_everything_finds(limits, all_of_twelve):
    fits = [
        one for one in all_of_twelve
        if one[0] <= limits.get("parameters", 10**9) and one[1] <= limits.get("macs", 10**9) and one[2] >= limits.get("reach", 1)
    ]  # fmt: skip
    found = design(Wish(SIDE, 12, **limits, **SMALL), count=12)
    assert [(p.parameters, p.macs) for p in found.proposals] == [one[:2] for one in fits[:12]]
    assert len(set(texts(found))) == len(found.proposals)
    if not fits:
        for key in found.would_do:
            others = {k: v for k, v in limits.items() if k != key}
            kept = [
                one for one in all_of_twelve
                if one[0] <= others.get("parameters", 10**9) and one[1] <= others.get("macs", 10**9) and one[2] >= others.get("reach", 1)
            ]  # fmt: skip
            place = {"parameters": 0, "macs": 1, "reach": 2}[key]
            best = (max if key == "reach" else min)((one[place] for one in kept), default=None)
            assert found.would_do[key] == best, key


def test_the_small_space_is_as_large_as_is_said():
    assert Wish(SIDE, 12, **SMALL).chains == len(list(every_text())) == 8 + 64
    assert Wish((28, 28, 1), 16).chains == sum(35**n for n in range(1, 6))


# --- what is proposed ---


def test_the_documents_question():
    found = design(Wish((28, 28, 1), 16, reach=20, parameters=10_000))
    assert len(found.proposals) == 5
    assert [(p.parameters, p.macs) for p in found.proposals] == sorted(
        (p.parameters, p.macs) for p in found.proposals
    )
    for text, proposal in zip(texts(found), found.proposals, strict=True):
        told = ls.trace(text)
        assert told.totals["parameters"] == proposal.parameters <= 10_000
        assert told.totals["macs"] == proposal.macs
        assert told.layers[-1]["output_shape"] == ["batch", 2, 2, 4]
        assert [axis["min"] for axis in told.layers[-1]["receptive_field"][:2]] == [proposal.reach] * 2
        assert proposal.reach >= 20


def test_the_documents_encoder_is_in_the_space():
    wish = Wish((28, 28, 1), 64, reach=20, depth=3, kernels=(3,), filters=(4, 8, 16))
    by = {(c.kernel, c.filters, c.down): c for c in wish.choices}
    graph = build(wish, [by[3, 16, "pool"], by[3, 8, "pool"], by[3, 4, "pool"]], dense=False)
    document = sources.read("example:autoencoder")
    types = propagate.types(graph)
    assert types == propagate.types(document)[: len(types)]
    smallest = design(wish, 1).proposals[0]
    assert smallest.parameters < 1_612  # what the document's encoder has


def test_one_and_three_dimensions():
    line = design(Wish((100, 3), 8, reach=12), 1)
    for found in (line, design(Wish((9, 10, 11, 1), 8, reach=6), 2)):
        for text, proposal in zip(texts(found), found.proposals, strict=True):
            assert ls.trace(text).totals["parameters"] == proposal.parameters


# --- mistakes, and the command ---


@pytest.mark.parametrize(
    ("wish", "kind", "message"),
    [
        ({"shape": (28,), "code": 4}, SettingError, "an encoder takes sizes and channels, such as 28x28x1, 128x3 or 16x16x16x1, not 28"),
        ({"shape": (8, 8, 1), "code": 4, "filters": (4, 6)}, SettingError, "filters are powers of two, such as 4, 8, 16, not 6"),
        ({"shape": (8, 8, 1), "code": 0}, SizeError, "code must be at least 1, not 0"),
        ({"shape": (8, 0, 1), "code": 1}, SizeError, "a size must be at least 1, not 0"),
        ({"shape": (8, 8, 1), "code": 1, "kernels": ()}, SizeError, "kernels must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_refused(wish, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        Wish(**wish)


def test_the_command(capsys):
    code, out, err = layerscope(
        capsys, "design", "--input", "28x28x1", "--code", "16", "--reach", "20", "--params", "10000", "--count", "2"
    )
    assert (code, err) == (0, "")
    told = re.sub(r"\s+", " ", out)
    assert told.startswith("Encoders of 28 × 28 × 1 to 16 numbers reach at least 20, at most 10,000 parameters")
    assert "1 484 16,992 31 2 × 2 × 4 4" in told
    assert "these are the smallest of all 54,066,635 chains of 1 to 5 convolutions, each with two ends" in told


def test_lines_with_a_decoder_lead_back(capsys):
    code, out, _ = layerscope(
        capsys, "design", "--input", "27x31x3", "--code", "16", "--count", "3", "--decoder", "transpose", "--text"
    )
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 3)
    for line in lines:
        assert ls.trace(line).layers[-1]["output_shape"] == ["batch", 27, 31, 3]
    code, out, _ = layerscope(
        capsys,
        "design",
        "--input",
        "27x31x3",
        "--code",
        "16",
        "--count",
        "3",
        "--decoder",
        "transpose",
        "--format",
        "json",
    )
    assert [one["text"] for one in json.loads(out)["encoders"]] == lines
    parameters = [one["autoencoder_parameters"] for one in json.loads(out)["encoders"]]
    assert parameters == [ls.trace(line).totals["parameters"] for line in lines]


def test_none_is_said_with_what_would_do(capsys):
    asked = ["--input", "28x28x1", "--code", "16", "--reach", "60"]
    code, out, err = layerscope(capsys, "design", *asked, "--params", "400")
    assert (code, err) == (1, "")
    told = re.sub(r"\s+", " ", out)
    assert "none of all 54,066,635 chains of 1 to 5 convolutions, each with two ends, satisfies all of it" in told
    assert "one change alone would do: --params 632." in told
    assert layerscope(capsys, "design", *asked, "--params", "632", "--text", "--count", "1")[0] == 0
    code, out, err = layerscope(capsys, "design", *asked, "--params", "631", "--text")
    assert (code, out) == (1, "")
    assert err == (
        "layerscope design: none of all 54,066,635 chains of 1 to 5 convolutions, each with two ends, satisfies all of it: what "
        "was not looked at is beyond a limit or no better. one change alone would do: --params 632, or --reach 48.\n"
    )


def test_mistakes_of_the_command(capsys):
    assert layerscope(capsys, "design", "--input", "8x8x1", "--code", "4", "--decoder", "neerest") == (
        2, "", "layerscope design: unknown decoder 'neerest'. Did you mean 'nearest'?\n",
    )  # fmt: skip
    code, out, err = layerscope(capsys, "design", "--input", "8by8", "--code", "4")
    assert (code, out) == (2, "")
    assert "sizes with x between are needed, channels last, such as 28x28x1, not '8by8'" in err


def test_a_decoder_for_each_proposal_is_the_mirror():
    found = design(Wish((13, 13, 1), 8), 2)
    for whole, proposal in zip(texts(found, "nearest"), found.proposals, strict=True):
        assert propagate.types(sources.read(whole)) == propagate.types(mirror(proposal.graph).graph)
