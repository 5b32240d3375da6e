"""One cache of kernels for the tests of a file, as in tests/compare: many fit the same network by other ways."""

from tests.compare.conftest import _one_cache, cache

__all__ = ["_one_cache", "cache"]
