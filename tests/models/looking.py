"""What the tests of encode, score, plot and reconstruct share: runs trained in a moment."""

from layerscope import studies

IMAGES = "28x28x1 | maxpool 4 | flatten | dense 12 relu as code | dense 784 sigmoid | reshape 28x28x1"
LABELS = "28x28x1 | conv 4 3 relu as look | maxpool 7 | flatten | dense 10 softmax"


def trained(folder, network=IMAGES, epochs=2):
    """A run on digits."""
    return studies.train(network, "digits", out=folder, epochs=epochs, batch_size=64, optimizer="adam", verbose=0)
