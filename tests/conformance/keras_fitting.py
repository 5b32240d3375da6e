"""Keras 3 on JAX and our engines in double precision: the same model, trained by the same calls."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np

import layerscope as ls

from . import keras_oracle

RTOL = 1e-9


@contextlib.contextmanager
def doubled():
    """Keras in which all numbers are float64: also those that it rounds on JAX, but not on TensorFlow."""
    keras, jax = keras_oracle.modules()
    from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE as ROUNDED

    assert ROUNDED["float64"] == "float32", "Keras now computes in double precision by itself"
    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore", DeprecationWarning)
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        ROUNDED["float64"] = "float64"
        try:
            yield keras
        finally:
            ROUNDED["float64"] = "float32"
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")
            keras.backend.clear_session(free_memory=False)  # of names


def pair(build, seed=3):
    """Keras's model and ours, uncompiled, with the same weights: `build(layers, Input, Model)` makes both."""
    keras, _ = keras_oracle.modules()
    keras.utils.set_random_seed(seed)
    theirs = build(keras.layers, keras.Input, keras.Model, keras)
    ours = build(ls.layers, ls.Input, ls.Model, ls)
    return theirs, ours


def copied(theirs, ours):
    """Ours gets the weights of Keras's."""
    arrays = [np.asarray(array) for array in theirs.get_weights()]
    ours.set_weights(arrays)


def same_history(mine, other, rtol=RTOL):
    """The same names, and the same numbers in each epoch."""
    assert set(mine) == set(other)
    for name, values in other.items():
        np.testing.assert_allclose(mine[name], values, rtol=rtol, atol=1e-12, err_msg=name)


def same_weights(ours, theirs, rtol=RTOL):
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-11)


def trained_alike(build, compiled, fitted, ready=lambda model: None, tested=None, engine="reference"):
    """Compile and fit both; histories, weights and evaluations are the same.

    `compiled(home)` and `fitted` are the arguments, `ready` is called on both models before.
    """
    with doubled() as keras:
        theirs, ours = pair(build)
        for model in (theirs, ours):
            ready(model)
        theirs.compile(**compiled(keras))
        ours.compile(**compiled(ls), precision="float64", engine=engine)
        copied(theirs, ours)
        asked = {"shuffle": False, "verbose": 0} | fitted
        other, mine = theirs.fit(**asked), ours.fit(**asked)
        same_history(mine.history, other.history)
        same_weights(ours, theirs)
        left_out = {"batch_size", "validation_data", "epochs", "validation_split", "class_weight", "steps_per_epoch"}
        left_out |= {"validation_freq", "initial_epoch", "validation_steps", "validation_batch_size", "shuffle"}
        given = {key: value for key, value in (tested or fitted).items() if key not in left_out}
        if not any("weighted_" in name for name in mine.history):  # Keras lists what these are called after twice
            told, found = (model.evaluate(**given, batch_size=7, verbose=0) for model in (theirs, ours))
            np.testing.assert_allclose(found, told, rtol=RTOL)
        named = [model.evaluate(**given, batch_size=7, verbose=0, return_dict=True) for model in (theirs, ours)]
        same_history(named[1], named[0])
    return ours, theirs
