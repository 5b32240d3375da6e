"""Picture files for the tests of this folder, and their pixels computed without Pillow."""

import numpy as np
from PIL import Image


def noise(*shape, seed=0, high=256, dtype=np.uint8):
    """Pixels that are the same every time."""
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def smooth(height, width):
    """A picture that JPEG keeps well: slow waves of three colours."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 17), np.cos(y / 23), np.sin((x + y) / 31)]
    return (np.stack(waves, -1) * 100 + 128).astype(np.uint8)


def write(path, pixels, **settings):
    """An array as a picture file; its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **settings)
    return str(path)


def pictures(folder, names, size=(6, 5), seed=0):
    """Grey PNG files of these names, each with pixels of its own; their pixels by name."""
    made = {name: noise(*size, seed=seed + n) for n, name in enumerate(names)}
    for name, pixels in made.items():
        write(folder / name, pixels)
    return made


def halved(pixels):
    """Half the size by the triangle filter: weights 1, 3, 3, 1 over 8, those within the picture."""
    taps = np.zeros((pixels.shape[0] // 2, pixels.shape[0]))
    for row in range(len(taps)):
        for offset, weight in ((-1, 1), (0, 3), (1, 3), (2, 1)):
            if 0 <= 2 * row + offset < taps.shape[1]:
                taps[row, 2 * row + offset] = weight
    taps /= taps.sum(1, keepdims=True)
    return np.einsum("ij,jkc->ikc", taps, pixels.astype(float))
