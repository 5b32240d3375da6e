"""Broken input is refused with a reason: every file of the corpus, within a second and 200 MB; and mutations of it.

`make fuzz READER=onnx SECONDS=600` looks for more; what it finds goes into tests/data/corpus.
"""

import json
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.fuzzing import mutations, readers
from tests.fuzzing.readers import CORPUS, READERS, Reader, judge

from layerscope.core.errors import SourceError, TextError

ROOT = Path(__file__).parent.parent
FOUND = re.compile(r"^[0-9a-f]{12}\.")
"""The name of a find; the others are what mutations start from."""


def asked(*arguments):
    """What a process of its own finds of a corpus."""
    command = [sys.executable, "-m", "tests.fuzzing.asking", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", READERS)
def test_every_file_of_the_corpus_is_answered_or_refused(name):
    found = asked(name)
    assert len(found) >= 2
    assert [row["file"] for row in found] == sorted(path.name for path in READERS[name].folder.iterdir())
    broken = {row["file"]: row["broken"][0] for row in found if row["broken"]}
    assert broken == {}, "\n".join(row["broken"][1] for row in found if row["broken"])
    begins = {row["file"]: row["refused"] for row in found if not FOUND.match(row["file"])}
    assert len(begins) >= 2
    assert set(begins.values()) == {None}, "what mutations start from is right"


def test_every_corpus_has_its_reader():
    assert {path.name for path in CORPUS.iterdir()} == set(READERS)


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 1_000_000


# --- the judge judges ---


def reader(ask):
    return Reader("made", ".txt", mutations.of_bytes, ask)


def forever(path):
    while True:
        try:
            sum(range(1000))
        except Exception:
            continue


def refuse(path):
    raise SourceError("because")


def silent(path):
    raise TextError("")


CASES = {
    "answers": (lambda path: None, None),
    "refuses": (refuse, None),
    "refuses without a reason": (silent, "no reason at ?"),
    "too slow": (forever, "too slow"),
    "too large": (lambda path: bytearray(400_000_000), "MemoryError at ?"),
    "wrong": (lambda path: [][0], "IndexError at ?"),
    "leaves": (lambda path: sys.exit(3), "SystemExit at ?"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_counts_as_a_find(name, tmp_path):
    ask, cause = CASES[name]
    found = judge(reader(ask), tmp_path / "case.txt")
    assert (found and found.cause) == cause


def test_the_test_of_the_corpus_can_fail(tmp_path, monkeypatch):
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe 8x8x1 | flatten")
    (tmp_path / "good.txt").write_text("8x8x1 | flatten")
    found = {row["file"]: row["broken"] for row in asked("text", tmp_path)}
    assert found["good.txt"] is None
    assert found["bad.txt"][0] == "UnicodeDecodeError at ?"


# --- the mutations ---


@pytest.mark.parametrize("name", READERS)
def test_mutations_follow_from_their_number_and_differ(name):
    one = READERS[name]
    seeds = one.seeds()

    def made(number):
        chance = random.Random(number)
        return one.mutate(chance, chance.choice(seeds), seeds)

    cases = [made(number) for number in range(60)]
    assert cases[:10] == [made(number) for number in range(10)]
    assert len(set(cases)) > 45
    assert len(set(cases) - set(seeds)) > 40


@pytest.mark.parametrize("path", sorted((CORPUS / "onnx").iterdir()), ids=lambda path: path.name)
def test_messages_are_taken_apart_and_put_together(path):
    fields = mutations.parsed(path.read_bytes())
    if fields is None:
        assert not path.stem.isalpha()  # a find may be no message at all
    else:
        assert mutations.assembled(fields) == path.read_bytes()


def test_archives_keep_their_entries_when_they_are_mutated():
    """A part of the mutations lies within the JSON, behind a whole archive."""
    one = READERS["model"]
    seeds, whole = one.seeds(), 0
    for number in range(100):
        case = one.mutate(random.Random(number), seeds[0], seeds)
        whole += bool(mutations.entries(case))
    assert 50 < whole < 100


# --- hostile files by hand ---


def refused(path):
    with pytest.raises(SourceError) as caught, readers.limited():
        readers.whole(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["", ".json", ".keras", ".h5", ".onnx", ".npz"])
def test_an_empty_file_of_any_name(suffix, tmp_path):
    path = tmp_path / f"empty{suffix}"
    path.touch()
    assert refused(path).startswith(str(path))


@pytest.mark.parametrize(("inner", "suffix"), [("graph.json", ".npz"), ("config.json", ".keras")])
def test_a_bomb(inner, suffix, tmp_path):
    """An archive of some kilobytes that would be a gigabyte."""
    path = tmp_path / f"bomb{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        with archive.open(inner, "w", force_zip64=True) as entry:
            for _ in range(1000):
                entry.write(bytes(1 << 20))
    assert path.stat().st_size < 2 << 20
    assert refused(path).startswith(str(path))


@pytest.mark.parametrize(
    "inner", ["[" + "[],[],[],[],[],[],[],[]," * 1_300_000 + "0]", "[" + '"' + "x" * (33 << 20) + '"]']
)
def test_graphs_of_more_values_than_any_network(inner, tmp_path):
    written = '{"layerscope": 1, "nodes": ' + inner + "}"
    (tmp_path / "graph.json").write_text(written)
    with zipfile.ZipFile(tmp_path / "model.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("graph.json", written)
    for path in tmp_path.iterdir():
        assert refused(path).startswith(str(path))


def test_names_that_lead_out_of_an_archive_write_nothing(tmp_path):
    path = tmp_path / "in" / "traversal.keras"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../escaped", "/escaped", "..\\escaped", "config.json/../../escaped"):
            archive.writestr(name, "{}")
    assert refused(path).startswith(str(path))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "traversal.keras"]
