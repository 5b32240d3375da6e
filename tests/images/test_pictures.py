"""One picture file as an array: formats, modes, orientation, depth, transparency, sizes, and what is no picture."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from layerscope.core.errors import SettingError
from layerscope.datasets import _pictures
from layerscope.datasets._pictures import Frame, Header, Unreadable

from .making import halved, noise, smooth, write

GREY, RGB, DEEP = Frame(12, 10, 1), Frame(12, 10, 3), Frame(12, 10, 1, deep=True)


def decoded(path, frame):
    """What is read, in the type and shape that the frame promises."""
    with _pictures.quiet():
        pixels = _pictures.decode(str(path), frame)
    assert (pixels.dtype, pixels.shape) == (frame.dtype, frame.shape)
    return pixels


def mode(path):
    """How Pillow says a file stores its pixels."""
    with Image.open(path) as image:
        return image.mode


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm"])
def test_lossless_formats_give_the_pixels(suffix, tmp_path):
    pixels = noise(12, 10, 3)
    settings = {"lossless": True} if suffix == "webp" else {}
    path = write(tmp_path / f"a.{suffix}", pixels, **settings)
    assert np.array_equal(decoded(path, RGB), pixels)
    assert _pictures.header(path) == Header(12, 10, False)


def test_a_jpeg_is_near(tmp_path):
    pixels = smooth(12, 10)
    path = write(tmp_path / "a.jpg", pixels, quality=98, subsampling=0)
    assert np.abs(decoded(path, RGB).astype(int) - pixels).max() <= 4


def test_of_a_moving_picture_the_first_frame_is_read(tmp_path):
    first, second = (Image.fromarray(noise(12, 10, seed=seed)) for seed in (0, 1))
    for suffix in ("gif", "tif"):
        first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
        assert np.array_equal(decoded(tmp_path / f"a.{suffix}", GREY)[..., 0], np.asarray(first))


def test_the_content_decides_not_the_name(tmp_path):
    pixels = noise(12, 10, 3)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", format="PNG")
    assert np.array_equal(decoded(tmp_path / "a.jpg", RGB), pixels)


def test_a_grey_picture_has_equal_colours(tmp_path):
    pixels = noise(12, 10)
    path = write(tmp_path / "a.png", pixels)
    assert np.array_equal(decoded(path, GREY)[..., 0], pixels)
    assert np.array_equal(decoded(path, RGB), np.repeat(pixels[..., None], 3, -1))


def test_colours_become_grey_by_how_bright_they_are(tmp_path):
    pixels = noise(12, 10, 3)
    expected = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decoded(write(tmp_path / "a.png", pixels), GREY)[..., 0] - expected).max() <= 0.51


def test_black_and_white(tmp_path):
    pixels = noise(12, 10, high=2).astype(bool)
    path = write(tmp_path / "a.png", pixels)
    assert mode(path) == "1"
    assert np.array_equal(decoded(path, GREY)[..., 0], pixels * 255)


def test_a_palette_is_its_colours(tmp_path):
    colours, places = noise(7, 3), noise(12, 10, high=7, seed=1)
    image = Image.fromarray(places)
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "a.png")
    assert mode(tmp_path / "a.png") == "P"
    assert np.array_equal(decoded(tmp_path / "a.png", RGB), colours[places])


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    colours, places = noise(7, 3), noise(12, 10, high=7, seed=1)
    image = Image.fromarray(places)
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "a.png", transparency=4)
    colours[4] = 255
    assert np.array_equal(decoded(tmp_path / "a.png", RGB), colours[places])


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_lies_over_white(channels, tmp_path):
    pixels = noise(12, 10, channels)
    alpha = pixels[..., -1:] / 255
    expected = pixels[..., :-1] * alpha + 255 * (1 - alpha)
    found = decoded(write(tmp_path / "a.png", pixels), GREY if channels == 2 else RGB)
    assert np.abs(found - expected).max() <= 1


def test_cmyk(tmp_path):
    inks = noise(12, 10, 4)
    Image.frombytes("CMYK", (10, 12), inks.tobytes()).save(tmp_path / "a.tif")
    expected = (255 - inks[..., :3].astype(float)) * (255 - inks[..., 3:]) / 255
    assert np.abs(decoded(tmp_path / "a.tif", RGB) - expected).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_stay(suffix, tmp_path):
    pixels = noise(12, 10, high=65536, dtype=np.uint16)
    path = write(tmp_path / f"a.{suffix}", pixels)
    assert _pictures.header(path) == Header(12, 10, True)
    assert np.array_equal(decoded(path, DEEP)[..., 0], pixels)
    assert np.abs(decoded(path, GREY)[..., 0] - pixels / 257).max() <= 0.5
    assert np.array_equal(decoded(path, Frame(12, 10, 3, deep=True)), np.repeat(pixels[..., None], 3, -1))


def test_eight_bits_among_sixteen(tmp_path):
    pixels = noise(12, 10)
    assert np.array_equal(decoded(write(tmp_path / "a.png", pixels), DEEP)[..., 0], pixels * np.uint16(257))


def test_floats(tmp_path):
    pixels = noise(12, 10).astype(np.float32) / 255
    assert np.array_equal(decoded(write(tmp_path / "a.tif", pixels), DEEP)[..., 0], (pixels * 65535).round())


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.array([[0, 1.5]], np.float32), "its numbers lie within 0 to 1.5, not 0 to 1"),
        (np.array([[0, np.nan]], np.float32), "its numbers lie within nan to nan, not 0 to 1"),
        (np.array([[-1, 70000]], np.int32), "its numbers lie within -1 to 70,000, not 0 to 65,535"),
        (np.array([[0, 255]], np.int32), "32-bit integers up to 255, which do not say what is white"),
    ],
)
def test_numbers_that_are_no_brightness(pixels, reason, tmp_path):
    refused(write(tmp_path / "a.tif", pixels), reason)


def test_sixteen_bits_in_a_larger_type(tmp_path):
    pixels = np.array([[0, 256], [7, 65535]], np.int32)
    assert np.array_equal(decoded(write(tmp_path / "a.tif", pixels), Frame(2, 2, 1, deep=True))[..., 0], pixels)


ORIENTATIONS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""What is seen, from what is stored, by the first row and column that Exif names for each number."""


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
@pytest.mark.parametrize("number", ORIENTATIONS)
def test_the_orientation_of_the_camera_is_applied(number, suffix, tmp_path):
    stored = smooth(12, 10)
    exif = Image.Exif()
    exif[0x0112] = number
    settings = {"jpg": {"quality": 98, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    path = write(tmp_path / f"a.{suffix}", stored, exif=exif, **settings)
    seen = ORIENTATIONS[number](stored)
    frame = Frame(*seen.shape)
    assert _pictures.header(path) == Header(*seen.shape[:2], False)
    assert np.abs(decoded(path, frame).astype(int) - seen).max() <= (4 if suffix == "jpg" else 0)


def test_sixteen_bits_are_turned_too(tmp_path):
    stored = noise(12, 10, high=65536, dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write(tmp_path / "a.png", stored, exif=exif)
    assert np.array_equal(decoded(path, Frame(10, 12, 1, deep=True))[..., 0], ORIENTATIONS[6](stored))


def test_resizing_is_by_the_triangle_filter(tmp_path):
    pixels = noise(24, 20, 3)
    expected = halved(halved(pixels).swapaxes(0, 1)).swapaxes(0, 1)
    assert np.abs(decoded(write(tmp_path / "a.png", pixels), RGB) - expected).max() <= 1
    deep = noise(24, 20, 1, high=65536, dtype=np.uint16)
    expected = halved(halved(deep).swapaxes(0, 1)).swapaxes(0, 1)
    assert np.abs(decoded(write(tmp_path / "b.png", deep[..., 0]), DEEP) - expected).max() <= 1


@pytest.mark.parametrize("tall", [False, True])
def test_cropping_keeps_the_middle(tall, tmp_path):
    pixels = noise(12, 30, 3).swapaxes(0, int(tall))
    frame = Frame(10, 12, 3) if tall else RGB
    middle = pixels[10:20] if tall else pixels[:, 10:20]
    assert np.array_equal(decoded(write(tmp_path / "a.png", np.ascontiguousarray(pixels)), frame), middle)


@pytest.mark.parametrize("deep", [False, True])
def test_fitting_in_keeps_all_with_the_mean_of_the_edge_around(deep, tmp_path):
    pixels = noise(12, 4, dtype=np.uint16 if deep else np.uint8, high=65536 if deep else 256)
    found = decoded(write(tmp_path / "a.png", pixels), Frame(12, 10, 1, "fit", deep))[..., 0]
    edge = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]]).mean()
    assert np.array_equal(found[:, 3:7], pixels)
    assert np.abs(found[:, :3] - edge).max() <= 0.51
    assert np.abs(found[:, 7:] - edge).max() <= 0.51


def test_fitting_in_a_colour(tmp_path):
    pixels = np.zeros((2, 40, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    found = decoded(write(tmp_path / "a.png", pixels), Frame(12, 10, 3, "fit"))
    assert (found == [200, 100, 50]).all()


def test_stretching_changes_the_proportions(tmp_path):
    pixels = noise(24, 10, 3)
    found = decoded(write(tmp_path / "a.png", pixels), Frame(12, 10, 3, "stretch"))
    assert np.abs(found - halved(pixels)).max() <= 1


@pytest.mark.parametrize("fit", _pictures.FITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 999), (999, 1), (3, 4000)])
def test_pictures_of_all_proportions_can_be_brought_to_a_frame(fit, size, tmp_path):
    path = write(tmp_path / "a.png", np.full(size, 77, np.uint8))
    assert (decoded(path, Frame(12, 10, 1, fit)) == 77).all()


@pytest.mark.parametrize("fit", _pictures.FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_large_jpegs_are_decoded_small_and_look_the_same(fit, channels, tmp_path):
    """What is decoded at a fraction of its size is near what is decoded whole."""
    pixels = smooth(1200, 800)
    exif = Image.Exif()
    exif[0x0112] = 6
    frame = Frame(50, 70, channels, fit)
    fast = decoded(write(tmp_path / "a.jpg", pixels, quality=95, exif=exif), frame)
    whole = decoded(write(tmp_path / "a.png", pixels, exif=exif), frame)
    assert np.abs(fast.astype(int) - whole).max() <= 6
    with Image.open(tmp_path / "a.jpg") as image:
        _pictures._draft(image, frame)
        assert image.size == ((100, 150) if fit == "fit" else (200, 300))


def test_grey_is_what_has_no_colour_in_it(tmp_path):
    grey, colour = noise(12, 10), noise(12, 10, 3)
    thrice = np.repeat(grey[..., None], 3, -1)
    one = thrice.copy()
    one[5, 5, 2] ^= 1
    cases = {"a.png": (grey, True), "b.png": (thrice, True), "c.png": (one, False), "d.jpg": (colour, False)}
    cases["e.jpg"] = (thrice, True)
    cases["f.png"] = (noise(12, 10, high=65536, dtype=np.uint16), True)
    for name, (pixels, expected) in cases.items():
        assert _pictures.is_grey(write(tmp_path / name, pixels)) is expected, name


# --- what is no picture ---


def refused(path, reason):
    with _pictures.quiet(), pytest.raises(Unreadable) as caught:
        _pictures.decode(str(path), RGB)
    assert str(caught.value) == reason


def png(width, height, data=b""):
    """A PNG file whose header promises a size."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def bytes_of(suffix):
    file = io.BytesIO()
    Image.fromarray(noise(60, 60, 3)).save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()))
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "ppm"])
def test_files_that_are_cut_short(suffix, tmp_path):
    data = bytes_of(suffix)
    (tmp_path / "a").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "a", "cut short")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "ppm", "gif", "tif", "webp"])
def test_no_damage_raises_anything_else(suffix, tmp_path):
    """Bytes changed, cut or lost anywhere: a picture, or Unreadable."""
    data, chance = bytes_of(suffix), np.random.default_rng(0)
    reasons = set()
    for _ in range(60):
        broken = bytearray(data)
        for place in chance.integers(0, len(data), 12):
            broken[place] = chance.integers(256)
        head = chance.integers(0, 40)
        broken[head] = chance.integers(256)
        (tmp_path / "a").write_bytes(broken[: chance.integers(len(data))])
        with _pictures.quiet():
            try:
                _pictures.header(str(tmp_path / "a"))
                _pictures.decode(str(tmp_path / "a"), RGB)
            except Unreadable as error:
                reasons.add(str(error))
    assert reasons <= {"cut short", "damaged", "not an image", "empty"} | {r for r in reasons if "pixels" in r}
    assert reasons


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"name,label\na.png,3\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
        (png(12, 10), "cut short"),
        (png(20_000, 20_000), "more than 89,478,485 pixels"),
        (png(9_500, 9_500), "more than 89,478,485 pixels"),
    ],
)
def test_reasons(data, reason, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    refused(tmp_path / "a.png", reason)


def test_links(tmp_path):
    os.symlink("nowhere", tmp_path / "a.png")
    os.symlink("b.png", tmp_path / "b.png")
    refused(tmp_path / "a.png", "a link to nothing")
    refused(tmp_path / "b.png", "a link to itself")


def test_quiet_leaves_warnings_as_they_were():
    with warnings.catch_warnings():
        before = list(warnings.filters)
        with _pictures.quiet():
            assert warnings.filters != before
        assert warnings.filters == before


def test_settings_that_there_are_not():
    with pytest.raises(SettingError) as caught:
        _pictures.checked("zoom", "grey")
    assert str(caught.value) == "fit must be one of crop, fit, stretch, not 'zoom'"
    with pytest.raises(SettingError) as caught:
        _pictures.checked("fit", "gray")
    assert str(caught.value) == "colour must be one of auto, grey, rgb, not 'gray'"
