"""One cache of kernels for the tests of a file, so that its networks are compiled once."""

import pytest


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The folder of the cache."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _one_cache(_own_cache, cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
