"""summary() prints what Keras 3 prints, character by character."""

import pytest

import layerscope as ls
from layerscope import layers, models

keras = pytest.importorskip("keras")


def chain(found, model):
    image = found.Input((28, 28, 1))
    x = found.Conv2D(16, 3, activation="relu", padding="same")(image)
    x = found.UpSampling2D(2)(found.MaxPooling2D(2, padding="same")(x))
    return model.Model(image, found.Dense(10)(found.Flatten()(x)), name="a_chain")


def branching(found, model):
    image = found.Input((28, 28, 1))
    x = found.MaxPooling2D(2)(found.Conv2D(16, 3, padding="same")(image))
    y = found.Conv2D(16, 3, padding="same", name="a_rather_long_name_for_a_layer_here")(x)
    added = found.Add()([x, y])
    other = found.Input((14, 14, 16))  # made here: Keras orders rows by depth, we by creation
    x = found.Concatenate()([added, other])
    return model.Model([image, other], found.Dense(10)(found.Flatten()(x)))


def shared(found, model):
    one, two = found.Input((3,)), found.Input((3,))
    dense = found.Dense(4)
    return model.Model([one, two], found.Add()([dense(one), dense(two)]))


@pytest.mark.parametrize("columns", ["60", "80", "150"])
@pytest.mark.parametrize("build", [chain, branching, shared])
def test_the_same_text(build, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    keras.backend.clear_session()
    theirs, ours = [], []
    build(keras.layers, keras.models).summary(print_fn=lambda text, **_: theirs.append(text))
    build(layers, models).summary(print_fn=ours.append)
    assert "\n".join(ours).strip() == "\n".join(theirs).strip()


def test_names_come_out_as_in_keras():
    text = "28x28x1 | conv 2 3 | conv 2 3 | maxpool 2 | upsample 2 | convt 2 3 | nails 2 | flatten"
    names = [row["name"] for row in ls.trace(text).layers]
    assert names == [
        "input_layer", "conv2d", "conv2d_1", "max_pooling2d", "up_sampling2d", "conv2d_transpose",
        "bed_of_nails2d", "flatten",
    ]  # fmt: skip
