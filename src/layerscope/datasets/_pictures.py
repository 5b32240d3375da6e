"""Picture files as arrays of one shape: PNG, JPEG, TIFF, BMP, GIF, WebP and PPM, read by Pillow.

The orientation that a camera notes is applied, transparency is laid over white, palettes become colours, 16 bits a
pixel stay 16 bits. Of several frames or pages the first is read. Only these formats are tried, whatever a file's
name says, as others are read by starting programs.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import SettingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Array = NDArray[Any]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
FITS = ("crop", "fit", "stretch")
COLOURS = ("auto", "grey", "rgb")
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
ORIENTATION = 0x0112
MOST = 65535


class Unreadable(Exception):
    """A file that cannot be read as a picture; the message is the reason in a few words."""


@dataclass(frozen=True)
class Frame:
    """What pictures are brought to: sizes, how they fit in, and whether they keep 16 bits.

    "crop" cuts what is left over about the centre; "fit" keeps all, with the mean of the picture's outermost
    pixels around it; "stretch" changes the proportions.
    """

    height: int
    width: int
    channels: int
    fit: str = "crop"
    deep: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    @property
    def most(self) -> int:
        """The number that stands for white."""
        return MOST if self.deep else 255

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8, or uint16."""
        import numpy as np

        return np.dtype(np.uint16 if self.deep else np.uint8)


def checked(fit: str, colour: str) -> None:
    """SettingError for a fit or colour that there is not."""
    if fit not in FITS:
        raise SettingError(f"fit must be one of {', '.join(FITS)}, not {fit!r}")
    if colour not in COLOURS:
        raise SettingError(f"colour must be one of {', '.join(COLOURS)}, not {colour!r}")


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Pillow's warnings neither reach the user nor stop a file, but for that of a picture too large to be one.

    To be entered by the main thread, around all that other threads read meanwhile.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        yield


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those that this Pillow was built with."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextlib.contextmanager
def opened(path: str) -> Generator[Image.Image]:
    """A picture whose header is read; Unreadable with the reason when this or what the block does fails."""
    from PIL import Image

    try:
        with Image.open(path, formats=_formats()) as image:
            yield image
    except Unreadable:
        raise
    except Exception as error:  # a damaged file makes Pillow's readers raise nearly anything
        raise Unreadable(_reason(path, error)) from None


def _reason(path: str, error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    text = str(error)
    if isinstance(error, UnidentifiedImageError):
        with contextlib.suppress(OSError):
            if not os.path.getsize(path):
                return "empty"
        return "not an image"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if isinstance(error, OSError) and error.errno is not None:
        known = {
            errno.ENOENT: "a link to nothing",
            errno.ELOOP: "a link to itself",
            errno.EACCES: "permission denied",
        }
        return known.get(error.errno, error.strerror or text)
    if isinstance(error, EOFError) or "truncated" in text or "Truncated" in text:
        return "cut short"
    return "damaged"


@dataclass(frozen=True)
class Header:
    """What a file says of itself: sizes as seen, and whether it has more than 8 bits of grey."""

    height: int
    width: int
    deep: bool


def header(path: str) -> Header:
    """The header of a file; Unreadable."""
    with opened(path) as image:
        width, height = _seen(image)
        return Header(height, width, image.mode in DEEP)


def _seen(image: Image.Image) -> tuple[int, int]:
    """Width and height once the orientation is applied."""
    turned = image.format != "TIFF" and image.getexif().get(ORIENTATION) in (5, 6, 7, 8)  # Pillow turns TIFFs itself
    return (image.height, image.width) if turned else image.size


def is_grey(path: str) -> bool:
    """Whether a picture has no colour in it, however it is stored; Unreadable."""
    import numpy as np

    with opened(path) as image:
        if image.mode in ("1", "L", "LA", "La", *DEEP):
            return True
        image.draft("RGB", (256, 256))
        red, green, blue = np.moveaxis(np.asarray(_flat(image, 3)), -1, 0)
        return bool((red == green).all() and (green == blue).all())


def decode(path: str, frame: Frame) -> Array:
    """A file as uint8 or uint16 of the frame's shape; Unreadable."""
    import numpy as np
    from PIL import ImageOps

    with opened(path) as image:
        if image.mode in DEEP:
            ImageOps.exif_transpose(image, in_place=True)
            return _framed_deep(_deep(image), frame)
        if image.format in ("JPEG", "MPO"):
            _draft(image, frame)
        ImageOps.exif_transpose(image, in_place=True)
        flat = _flat(image, frame.channels)
        pixels = np.asarray(_framed(flat, frame)).reshape(frame.shape)
        return pixels.astype(np.uint16) * (MOST // 255) if frame.deep else pixels


def _draft(image: Image.Image, frame: Frame) -> None:
    """Have a JPEG decoded at a fraction of its size where that is still twice what is needed."""
    width, height = _seen(image)
    scales = frame.width / width, frame.height / height
    scale = 2 * (min(scales) if frame.fit == "fit" else max(scales))
    if scale < 1:
        image.draft(
            "L" if frame.channels == 1 else "RGB", (int(image.width * scale) + 1, int(image.height * scale) + 1)
        )


def _flat(image: Image.Image, channels: int) -> Image.Image:
    """Grey or RGB, without transparency."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "La", "RGBa", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert("L" if channels == 1 else "RGB")


def _deep(image: Image.Image) -> Array:
    """Pixels of 16 bits, from any of the modes that hold more than 8."""
    import numpy as np

    pixels = np.asarray(image)
    low, high = pixels.min(), pixels.max()
    if image.mode == "F":
        if not (low >= 0 and high <= 1):
            raise Unreadable(f"its numbers lie within {low:g} to {high:g}, not 0 to 1")
        return (pixels * MOST).round().astype(np.uint16)
    if low < 0 or high > MOST:
        raise Unreadable(f"its numbers lie within {low:,} to {high:,}, not 0 to {MOST:,}")
    if image.mode == "I" and image.format == "TIFF" and high <= 255:
        raise Unreadable(f"32-bit integers up to {high:,}, which do not say what is white")
    return pixels.astype(np.uint16)


def _framed_deep(pixels: Array, frame: Frame) -> Array:
    import numpy as np
    from PIL import Image

    if pixels.shape != (frame.height, frame.width):
        # Pillow resizes 16 bits as floats only.
        image = _framed(Image.fromarray(pixels.astype(np.float32)), frame)
        pixels = np.asarray(image).round().clip(0, MOST).astype(np.uint16)
    if not frame.deep:
        pixels = ((pixels.astype(np.uint32) + 128) // (MOST // 255)).astype(np.uint8)
    return np.repeat(pixels[..., None], frame.channels, -1)


def _framed(image: Image.Image, frame: Frame) -> Image.Image:
    """A grey, RGB or floating picture in the sizes of the frame, by antialiased bilinear interpolation."""
    from PIL import Image

    width, height = image.size
    target = frame.width, frame.height
    if image.size == target:
        return image
    ways = Image.Resampling.BILINEAR
    if frame.fit == "stretch":
        return image.resize(target, ways, reducing_gap=3.0)
    if frame.fit == "crop":
        scale = min(width / frame.width, height / frame.height)
        across, down = frame.width * scale, frame.height * scale
        left, top = (width - across) / 2, (height - down) / 2
        box = (left, top, min(width, left + across), min(height, top + down))
        return image.resize(target, ways, box, reducing_gap=3.0)
    scale = min(frame.width / width, frame.height / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    small = image if image.size == inner else image.resize(inner, ways, reducing_gap=3.0)
    padded = Image.new(image.mode, target, _border(small))
    padded.paste(small, ((target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2))
    return padded


def _border(image: Image.Image) -> Any:
    """The mean of the outermost pixels."""
    import numpy as np

    pixels = np.asarray(image, np.float64).reshape(image.height, image.width, -1)
    edges = [pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]]
    mean = np.concatenate(edges).mean(0)
    if image.mode == "F":
        return float(mean[0])
    found = tuple(int(value) for value in mean.round())
    return found[0] if image.mode == "L" else found


def fitted(pixels: Array, white: int, frame: Frame) -> Array:
    """Pixels (height, width, channels), in which `white` is white, as a picture of a frame."""
    import numpy as np
    from PIL import Image

    if pixels.dtype == np.uint8 and not frame.deep and pixels.shape[-1] in (1, 3):
        image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
        return np.asarray(_framed(_flat(image, frame.channels), frame)).reshape(frame.shape)
    scaled = pixels.astype(np.float32) * np.float32(frame.most / white)
    if pixels.shape[-1] == 3 and frame.channels == 1:
        scaled = scaled @ np.array([[0.299], [0.587], [0.114]], np.float32)
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(scaled, -1, 0)]
    made = [np.asarray(_framed(plane, frame)).round().clip(0, frame.most).astype(frame.dtype) for plane in planes]
    return np.stack(made * (frame.channels // len(made)), -1)
