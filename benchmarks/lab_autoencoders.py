"""The autoencoders of the lab: trains them on MNIST, as `layerscope compare decoders` does, and writes them.

Run: python benchmarks/lab_autoencoders.py [--epochs 30] [--out runs/lab-autoencoders] [--write]
The same command goes on where it was stopped. --write puts src/layerscope/lab/autoencoder.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import layerscope as ls
from layerscope import datasets, sources
from layerscope.analyses.mirror import autoencoder
from layerscope.core.graph import Graph
from layerscope.lab import autoencoders, drawing
from layerscope.models import Model, load_model
from layerscope.studies.comparison import Row

PLACE = Path(__file__).parent.parent / "src" / "layerscope" / "lab" / autoencoders.FILE
DECODERS = ("nearest", "bilinear", "nails", "unpool", "transpose", "subpixel")
RATE = 0.002
CODE = {
    "nearest": {
        "keras": 'UpSampling2D(2)\nConv2D(8, 3, padding="same", activation="relu")',
        "torch": "torch.nn.Upsample(scale_factor=2)\ntorch.nn.Conv2d(4, 8, 3, padding=1)\ntorch.nn.ReLU()",
        "numpy": "x.repeat(2, axis=0).repeat(2, axis=1)",
    },
    "bilinear": {
        "keras": 'UpSampling2D(2, interpolation="bilinear")\nConv2D(8, 3, padding="same", activation="relu")',
        "torch": (
            'torch.nn.Upsample(scale_factor=2, mode="bilinear")\ntorch.nn.Conv2d(4, 8, 3, padding=1)\ntorch.nn.ReLU()'
        ),
        "numpy": 'scipy.ndimage.zoom(x, (2, 2, 1), order=1, mode="nearest", grid_mode=True)',
    },
    "nails": {
        "keras": 'layerscope.keras.BedOfNails2D(2)\nConv2D(8, 3, padding="same", activation="relu")',
        "torch": (
            "y = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])\ny[..., ::2, ::2] = x\n"
            "torch.nn.Conv2d(4, 8, 3, padding=1)\ntorch.nn.ReLU()"
        ),
        "numpy": "y = numpy.zeros((2 * h, 2 * w, c))\ny[::2, ::2] = x",
    },
    "unpool": {
        "keras": 'layerscope.keras.MaxUnpooling2D(2)([x, switches])\nConv2D(8, 3, padding="same", activation="relu")',
        "torch": (
            "torch.nn.MaxUnpool2d(2)(x, indices, output_size)\ntorch.nn.Conv2d(4, 8, 3, padding=1)\ntorch.nn.ReLU()"
        ),
        "numpy": "y = numpy.zeros((2 * h, 2 * w))\ny.flat[switches] = x",
    },
    "transpose": {
        "keras": 'Conv2DTranspose(8, 4, strides=2, padding="same", activation="relu")',
        "torch": "torch.nn.ConvTranspose2d(4, 8, 4, stride=2, padding=1)\ntorch.nn.ReLU()",
        "numpy": "y[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += kernel @ x[i, j]",
    },
    "subpixel": {
        "keras": 'Conv2D(32, 3, padding="same", activation="relu")\nlayerscope.keras.PixelShuffle2D(2)',
        "torch": "torch.nn.Conv2d(4, 32, 3, padding=1)\ntorch.nn.ReLU()\ntorch.nn.PixelShuffle(2)",
        "numpy": "x.reshape(h, w, 8, 2, 2).transpose(0, 3, 1, 4, 2).reshape(2 * h, 2 * w, 8)",
    },
}
"""The first enlargement of each decoder, from 4 × 4 × 4."""
TESTED = 10_000


def layers(graph: Graph, model: Model) -> list[dict]:
    """The layers with all that the page needs to compute them: no shape law is left to it."""
    shapes = autoencoders.shapes(graph)
    weights = dict(zip(graph.parameters, model.get_weights(), strict=True))
    found = []
    for node, shape in zip(graph.nodes, shapes, strict=True):
        told = {
            "name": node.label,
            "kind": node.layer.kind,
            "inputs": [list(edge) for edge in node.inputs],
            "shape": list(shape),
            **settings(node.layer, [shapes[n] for n, _ in node.inputs], shape),
            "weights": [autoencoders.packed(weights[id]) for id in node.weights.values()],
        }
        found.append(told)
    return found


def settings(layer, given: list[tuple[int, ...]], shape: tuple[int, ...]) -> dict:
    """Kernel, strides, what stands (or is cut) before the image along each axis, and the activation."""
    kind = layer.kind
    if kind == "Cropping2D":
        return {"before": [begin for begin, _ in layer.ends]}
    if kind in ("UpSampling2D", "BedOfNails2D", "PixelShuffle2D"):
        more = {"interpolation": layer.interpolation} if kind == "UpSampling2D" else {}
        return {"strides": list(layer.size), **more}
    if kind in ("MaxPooling2D", "MaxUnpooling2D"):
        image = given[0] if kind == "MaxPooling2D" else shape
        lost = [
            max((-(-n // s) - 1) * s + k - n, 0) if layer.padding == "same" else 0
            for n, k, s in zip(image[:2], layer.pool_size, layer.strides, strict=True)
        ]
        before = [n // 2 for n in lost]
        return {"kernel": list(layer.pool_size), "strides": list(layer.strides), "before": before}
    if kind in ("Conv2D", "Conv2DTranspose"):
        places = layer.placements(ls.core.types.TensorType((1, *given[0])))
        return {
            "kernel": list(layer.kernel_size),
            "strides": list(layer.strides),
            "before": [place.pads[0] for place in places],
            "activation": layer.activation or "linear",
        }
    return {}


def digits() -> list[str]:
    """One of MNIST's test digits of each class, with 16 levels: the first that is as typical as its neighbours, which
    is the one nearest to the mean of the first hundred of its class.
    """
    _, (images, labels) = datasets.load("mnist")
    found = []
    for label in range(10):
        some = images[labels == label][:100].astype(np.float64)
        nearest = int(np.square(some - some.mean(0)).sum((1, 2)).argmin())
        found.append(drawing.written(np.rint(some[nearest] * (drawing.FULL / 255)).astype(int).ravel().tolist()))
    return found


def measured(model: Model, images: np.ndarray) -> float:
    """Mean squared error of the test images."""
    return float(np.square(images.astype(np.float64) - model.predict(images)).mean())


def network(row: Row, encoder: str, place: Path, images: np.ndarray) -> dict:
    """A trained decoder's layers, its weights in 12 bits, and how well it does with these."""
    model = load_model(place / f"{row.decoder}-0" / "model.npz")
    told = layers(autoencoder(sources.read(encoder), row.decoder), model)
    before, weights = measured(model, images), model.get_weights()
    short = [autoencoders.unpacked(one) for layer in told for one in layer["weights"]]
    model.set_weights([one.reshape(weight.shape) for one, weight in zip(short, weights, strict=True)])
    after = measured(model, images)
    print(f"{row.decoder}: MSE {before:.6f} with float32 weights, {after:.6f} with 12 bits")
    parameters = sum(weight.size for weight in weights)
    return {"mse": round(after, 6), "parameters": parameters, "switches": row.switch_bits, "layers": told}


def recipe(settings: dict, epochs: int) -> str:
    """How the file was made."""
    return (
        f"python benchmarks/lab_autoencoders.py --epochs {epochs} --write: layerscope compare decoders on MNIST, "
        f"{epochs} epochs of batches of {settings['batch_size']}, {settings['optimizer']} "
        f"{settings['learning_rate']:g}, {settings['loss']}, seed 0. Digits: MNIST's test images "
        "(Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", default="runs/lab-autoencoders")
    parser.add_argument("--write", action="store_true", help=f"write {PLACE.name}")
    asked = parser.parse_args()
    study = ls.studies.compare_decoders(
        "mnist", decoders=DECODERS, seeds=1, epochs=asked.epochs, learning_rate=RATE, out=asked.out
    )
    print(study)
    if study.interrupted:
        return
    encoder = study.settings["encoder"]
    _, (test, _) = datasets.load("mnist")
    images = (test[:TESTED, ..., None] / 255).astype(np.float32)
    found = {
        "recipe": recipe(study.settings, asked.epochs),
        "encoder": encoder,
        "digits": digits(),
        "code": CODE,
        "networks": {row.decoder: network(row, encoder, Path(asked.out), images) for row in study.rows},
    }
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    print(f"{len(text):,} bytes")
    if asked.write:
        PLACE.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
