"""Spectra, noise, losses and texts."""

from __future__ import annotations

from layerscope.core.contract import Layer
from layerscope.core.sizes import floor_div
from layerscope.operators.losses import CrossEntropy
from layerscope.operators.signal import FourierTransform, FrameTransform, Made
from layerscope.operators.strings import TextTransform
from layerscope.sources._onnx.asking import constant, dtype, elements, number, parts, whole_numbers, word
from layerscope.sources._onnx.site import Refused, Rule, Site

CHANNELS = {"RGB": 3, "BGR": 3, "Grayscale": 1}


def fourier(site: Site) -> Layer:
    """DFT; the axis is an attribute before operator set 20."""
    if site.version >= 20:
        axis = -2 if site.operand(2) is None else constant(elements(site, 2, "the axis")[0], "the axis")
    else:
        axis = number(site, "axis", 1)
    length = None if site.operand(1) is None else (site.integers(1) or (site.fresh("frame"),))[0]
    flags = (bool(number(site, "onesided", 0)), bool(number(site, "inverse", 0)))
    return FourierTransform(site.op, axis, length, *flags, **parts(site, drop=(1, 2)))


def frames(site: Site) -> Layer:
    """STFT."""
    step = constant(elements(site, 1, "frame_step")[0], "frame_step")
    window, length = site.operand(2), site.operand(3)
    frame = None
    if length is not None:
        frame = constant(elements(site, 3, "frame_length")[0], "frame_length")
    elif window is not None:
        frame = constant(window.type.shape[0], "the length of the window")
    return FrameTransform(site.op, step, frame, bool(number(site, "onesided", 1)), **parts(site, drop=(1, 3)))


def window(site: Site) -> Layer:
    """HannWindow, HammingWindow, BlackmanWindow."""
    size = site.integers(0) or (site.fresh("window"),)
    return Made(site.op, size[:1], dtype(site, "output_datatype", "float32"), **parts(site, drop=(0,)))


def mel(site: Site) -> Layer:
    """MelWeightMatrix."""
    (bins, *_) = site.integers(0) or (site.fresh("mel_bins"),)
    (length, *_) = site.integers(1) or (site.fresh("frame"),)
    kind = dtype(site, "output_datatype", "float32")
    return Made(site.op, (floor_div(length, 2) + 1, bins), kind, **parts(site, drop=range(5)))


def noise(site: Site) -> Layer:
    """RandomNormal, RandomUniform."""
    return Made(site.op, whole_numbers(site, "shape"), dtype(site, "dtype", "float32"), 1, **parts(site))


def noise_like(site: Site) -> Layer:
    """RandomNormalLike, RandomUniformLike, Bernoulli."""
    by_place = site.op == "Bernoulli"
    return Made(site.op, dtype=dtype(site, "dtype"), work=1, elementwise_of=by_place, **parts(site))


def multinomial(site: Site) -> Layer:
    """Multinomial."""
    size = (number(site, "sample_size", 1),)
    return Made(site.op, size, dtype(site, "dtype", "int32"), 1, True, **parts(site))


def image(site: Site) -> Layer:
    """ImageDecoder: the file in the operand says how large the image is."""
    form = word(site, "pixel_format", "RGB")
    if form not in CHANNELS:
        raise Refused(f"pixel_format must be one of {', '.join(CHANNELS)}, not {form!r}")
    return Made(site.op, (site.fresh("height"), site.fresh("width"), CHANNELS[form]), "uint8", **parts(site))


def loss(site: Site) -> Layer:
    """SoftmaxCrossEntropyLoss, NegativeLogLikelihoodLoss."""
    scores = site.op == "SoftmaxCrossEntropyLoss"
    return CrossEntropy(site.op, word(site, "reduction", "mean"), scores, **parts(site))


def normalise_text(site: Site) -> Layer:
    """StringNormalizer: without stop words nothing is left out."""
    size = site.fresh("texts") if site.attributes.get("stopwords") else None
    return TextTransform(site.op, size, **parts(site))


def split_text(site: Site) -> Layer:
    """StringSplit: the longest list of pieces decides."""
    return TextTransform(site.op, site.fresh("pieces"), appended=True, **parts(site))


def count_texts(site: Site) -> Layer:
    """TfIdfVectorizer: as many numbers as the largest index asks for."""
    indices = whole_numbers(site, "ngram_indexes")
    if not indices:
        raise Refused("ngram_indexes is left out")
    return TextTransform(site.op, max(indices) + 1, "float32", **parts(site))


RULES: dict[str, Rule] = {
    "DFT": fourier,
    "STFT": frames,
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), window),
    "MelWeightMatrix": mel,
    **dict.fromkeys(("RandomNormal", "RandomUniform"), noise),
    **dict.fromkeys(("RandomNormalLike", "RandomUniformLike", "Bernoulli"), noise_like),
    "Multinomial": multinomial,
    "ImageDecoder": image,
    **dict.fromkeys(("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"), loss),
    "StringNormalizer": normalise_text,
    "StringSplit": split_text,
    "TfIdfVectorizer": count_texts,
}
