"""Skips are failures where LAYERSCOPE_NO_SKIPS is set; nothing is written outside of temporary folders."""

import gc
import os
from importlib.util import find_spec
from itertools import count

import pytest

# Libraries' own threads, which wait for each other by spinning, beside as many processes as there are cores.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

collect_ignore = ["browser", "conformance"] if os.environ.get("LAYERSCOPE_NO_FRAMEWORKS") else []
if find_spec("playwright") is None:
    collect_ignore.append("browser")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    forbid(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    forbid(outcome.get_result())


def forbid(report):
    """Turn a skip (or an expected failure) into a failure, so that no test is missing unseen."""
    if report.skipped and os.environ.get("LAYERSCOPE_NO_SKIPS"):
        report.outcome = "failed"
        vars(report).pop("wasxfail", None)  # pytest does not count an expected failure as one
        report.longrepr = f"skipped, which LAYERSCOPE_NO_SKIPS forbids: {report.longrepr}"


@pytest.fixture(scope="session")
def _caches(tmp_path_factory):
    """Paths of folders that are not there yet: to make each would take longer than most tests do."""
    base = tmp_path_factory.mktemp("caches")
    return (str(base / str(number)) for number in count())


@pytest.fixture(autouse=True)
def _own_cache(_caches, monkeypatch):
    """Whatever a test keeps goes into a folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", next(_caches))


@pytest.fixture(scope="module")
def kernel_cache(tmp_path_factory):
    """A folder for what the tests of a file compile."""
    return str(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def one_cache(_own_cache, kernel_cache, monkeypatch):
    """For files whose tests run the same networks by other ways, so that each is compiled once."""
    monkeypatch.setenv("XDG_CACHE_HOME", kernel_cache)


def pytest_collection_finish():
    """What was imported and collected stays: it is not looked through each time that garbage is collected."""
    gc.collect()
    gc.freeze()
