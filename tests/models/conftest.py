"""One cache of kernels for the tests of a file."""

import pytest


@pytest.fixture(autouse=True)
def _one_cache(one_cache):
    """Many fit the same networks."""
