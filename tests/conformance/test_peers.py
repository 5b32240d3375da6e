"""What other tools say of small networks whose cost is known by hand; docs/disagreements.md has the table."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
for name in ("fvcore", "onnx_tool", "ptflops", "thop", "torchinfo", "torchlens"):
    pytest.importorskip(name)

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("disagreements", ROOT / "benchmarks" / "disagreements.py")
assert spec is not None
assert spec.loader is not None
peers = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = peers
spec.loader.exec_module(peers)


@pytest.fixture(scope="module")
def said():
    return {peer: peers.ask(peer) for peer in peers.PEERS}


def test_ours_is_the_truth(said):
    assert said["layerscope"] == [case.truth for case in peers.CASES]


def test_no_peer_is_right_everywhere(said):
    truth = [case.truth for case in peers.CASES]
    assert [peer for peer, row in said.items() if row == truth] == ["layerscope"]


def test_the_page_has_what_they_say(said):
    page = peers.PAGE.read_text("utf-8")
    assert page.count(peers.START) == page.count(peers.END) == 1
    shown = page.split(peers.START)[1].split(peers.END)[0].strip()
    assert shown == peers.table(said).strip()
