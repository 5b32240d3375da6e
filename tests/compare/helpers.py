"""A comparison of decoders that takes a second."""

from layerscope import studies

ENCODER = "conv 2 3 same relu | maxpool 2 | conv 2 3 same relu | maxpool 4 same as code"


def compare(out, **settings):
    given = {
        "encoder": ENCODER,
        "decoders": "nearest,unpool",
        "seeds": 2,
        "epochs": 2,
        "batch_size": 256,
        "verbose": 0,
    }
    return studies.compare_decoders("digits", out=out, **(given | settings))
