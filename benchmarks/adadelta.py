"""The learning-rate trap: the document's autoencoder with Adadelta at 1.0 (its paper) and 0.001 (Keras 3).

Trains on scikit-learn's digits with the same seed; prints the validation loss of both.
Run: python benchmarks/adadelta.py [epochs]
"""

import sys

import layerscope as ls
from layerscope.models import Model
from layerscope.studies.images import load_images


def losses(rate: float, epochs: int) -> list[float]:
    """Validation loss after each epoch."""
    ls.utils.set_random_seed(0)
    images = load_images("digits")
    x, x_test = images.train.array(), images.test.array()
    model = Model.from_graph(ls.trace("example:autoencoder").graph)
    model.compile(ls.optimizers.Adadelta(learning_rate=rate), "binary_crossentropy")
    return model.fit(x, x, 16, epochs, verbose=0, validation_data=(x_test, x_test)).history["val_loss"]


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    found = {rate: losses(rate, epochs) for rate in (1.0, 0.001)}
    print(f"{'epoch':>5}" + "".join(f"{f'rate {rate:g}':>12}" for rate in found))
    for epoch in sorted({1, epochs // 4, epochs // 2, epochs} - {0}):
        print(f"{epoch:>5}" + "".join(f"{values[epoch - 1]:>12.4f}" for values in found.values()))


if __name__ == "__main__":
    main()
