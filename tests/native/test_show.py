"""What is shown of generated code is what is compiled, and can be asked for on any machine."""

from __future__ import annotations

import pytest

from layerscope.core.errors import SettingError
from layerscope.engine.native import assembly, show
from layerscope.engine.native.engine import options_for
from layerscope.engine.native.targets import TARGETS
from layerscope.layers import Conv2D, Conv2DTranspose, Input, MaxPooling2D
from layerscope.models import Sequential


@pytest.fixture
def model():
    first = Conv2D(2, 2, activation="relu", name="first")
    second = Conv2DTranspose(1, 3, strides=2, name="second")
    found = Sequential([Input((6, 6, 1)), first, MaxPooling2D(2, name="pool"), second])
    found.compile("sgd", "mse")
    return found


def test_kernels_are_those_of_the_recipe(model):
    job = model.engine().job
    options = options_for("float32")
    for program, arrays in (("inference", 1), ("evaluation", 2), ("training", 2)):
        recipe = assembly.assembled(
            getattr(job, program), assembly.Options(**{**vars(options), "dtypes": ("float32",) * arrays})
        )
        shown = show.kernels(model.engine(), program)
        assert len(shown) == len(recipe.stages)
        for (_, text), step in zip(shown, recipe.stages, strict=True):
            assert text.count("define internal void") == 1
            assert text.endswith(f"{step.kernel.text()}}}")
            for name, _ in step.kernel.parameters:
                assert f"; %{name}: " in text


def test_titles_name_layers_and_ways(model):
    titles = [title for title, _ in show.kernels(model.engine(), target="avx2")]
    assert titles[0].startswith("first, pool: convolution; tile of ")
    assert any(title.startswith("second: transposed convolution; ") for title in titles)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_shown_on_any_machine(model, target):
    for (title, text), (same, code) in zip(
        show.kernels(model.engine(), "training", target),
        show.machine(model.engine(), "training", target),
        strict=True,
    ):
        assert title == same
        lines = code.splitlines()
        assert lines[0].startswith("kernel")
        assert text.count(f"@{lines[0].removesuffix(':')}(") == 1
        assert lines[-1].split()[0] in ("ret", "retq")
        assert not any(line.strip().startswith((".p2align", ".cfi", "#")) for line in lines)


def test_this_processor_is_the_default(model):
    assert show.machine(model.engine())[0].text.startswith("kernel")
    assert "<8 x float>" in show.kernels(model.engine(), lanes=8)[0].text


def test_mistakes(model):
    with pytest.raises(SettingError, match="the program must be one of inference, evaluation, training, not 'fit'"):
        show.kernels(model.engine(), "fit")
    with pytest.raises(SettingError, match="the target must be one of avx512, avx2, neon, plain, not 'sse'"):
        show.machine(model.engine(), target="sse")
