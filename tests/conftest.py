"""Skips are failures where LAYERSCOPE_NO_SKIPS is set; nothing is written outside of temporary folders."""

import os

import pytest

collect_ignore = ["browser", "conformance"] if os.environ.get("LAYERSCOPE_NO_FRAMEWORKS") else []


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


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Whatever a test keeps goes into a folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
