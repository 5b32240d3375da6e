"""What benchmarks/trace.py measures with, and how it words what it found."""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
spec = importlib.util.spec_from_file_location("benchmark_trace", FOLDER / "trace.py")
assert spec is not None
assert spec.loader is not None
bench = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = bench
sys.path.insert(0, str(FOLDER))  # where the script finds its neighbours
spec.loader.exec_module(bench)
sys.path.remove(str(FOLDER))


def measured(tmp_path, script, seconds=60, megabytes=1000):
    """Seconds, peak MB and end of a Python script, and what it printed."""
    files = [str(tmp_path / "output"), str(tmp_path / "errors")]
    watch = [sys.executable, "-I", "-S", str(FOLDER / "measured.py"), str(seconds), str(megabytes), *files]
    told = subprocess.run([*watch, sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    took, peak, end = told.split(maxsplit=2)
    return float(took), float(peak), end.strip(), (tmp_path / "output").read_text()


def test_a_process_is_measured_by_itself(tmp_path):
    """The peak is the child's, however large the process that asks is."""
    kept = bytearray(300_000_000)
    took, small, end, printed = measured(tmp_path, "print('here')")
    assert (end, printed) == ("ok", "here\n")
    assert took > 0
    assert 4 < small < 40
    _, large, _, _ = measured(tmp_path, "kept = b'x' * 100_000_000")
    assert 95 < large - small < 110
    assert len(kept) == 300_000_000


@pytest.mark.parametrize(
    ("script", "limits", "end"),
    [
        ("raise SystemExit(3)", {}, "code 3"),
        ("import os; os.kill(os.getpid(), 11)", {}, "signal 11"),
        ("while True: pass", {"seconds": 0.3}, "time"),
        ("kept = b'x' * 400_000_000\nwhile True: pass", {"megabytes": 200}, "memory"),
    ],
)
def test_how_a_process_ends(script, limits, end, tmp_path):
    assert measured(tmp_path, script, **limits)[2] == end


def test_a_wrong_number_says_how_wrong():
    right = frozenset({1000, 5000})
    told = [bench.cell(value, right) for value in (1000, 5000, 1100, 5005, "batch", None)]
    assert told == ["1,000", "5,000", "1,100 (×1.1)", "5,005 (×1.001)", "open", "–"]


def test_verdicts_compare_with_the_best_peer_in_each_respect():
    found = bench.Findings()
    found.runs = {
        ("resnet152", "ours-json"): [bench.Run(0.2, 30.0), bench.Run(0.1, 25.0), bench.Run(0.1, 25.0)],
        ("resnet152", "torchinfo"): [bench.Run(2.0, 300.0)],
        ("resnet152", "fvcore"): [bench.Run(3.0, 240.0)],
        ("resnet152", "onnx-tool"): [bench.Run(0.01, 1.0)],
    }
    found.failed = {("resnet152", "torchlens"): "killed: more than 12 GB (after 3.1 s and 12,100 MB)"}
    asked = argparse.Namespace(contenders=list(bench.CONTENDERS))
    assert bench.verdicts(asked, found, "resnet152") == [
        "- layerscope, graph as JSON: 0.10 s, 30 MB; 20 times as fast as torchinfo, 8 times as small as fvcore "
        "(goal 10: missed) (goal 0.3 s and 40 MB: reached)"
    ]
    assert bench.failures(asked, found, "resnet152") == [
        "- TorchLens: `killed: more than 12 GB (after 3.1 s and 12,100 MB)`"
    ]
    rows = bench.rows_of(asked, found, "resnet152")
    assert [row[0] for row in rows] == [
        "layerscope, graph as JSON",
        "torchinfo",
        "TorchLens",
        "fvcore",
        "onnx-tool, .onnx file",
    ]
    assert rows[0][1:4] == ["0.100", "0.100", "30.0"]
    assert rows[2][4] == "killed"
