"""Where decoded images are kept: memory, a temporary file, or nowhere; all give the same numbers."""

import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple

import numpy as np
import pytest
from tests.models.helpers import environment, equal, refuses

from layerscope import studies
from layerscope.core.errors import DataError, OutputError, SettingError
from layerscope.models.streams import ArraySource
from layerscope.studies import keeping
from layerscope.studies.images import load_images

from .making import noise, pictures, write

NETWORK = "6x5x1 | conv 2 3 same relu | conv 1 3 same sigmoid"
WAYS = {"memory": ArraySource, "file": keeping.FileSource, "nowhere": keeping.DecodedSource}


@pytest.fixture
def kept(monkeypatch):
    """Has images kept in one of the three ways."""

    def choose(way):
        monkeypatch.setenv(keeping.MEMORY, "1GB" if way == "memory" else "1kB")
        free = namedtuple("Usage", "total used free")(0, 0, 0 if way == "nowhere" else 1 << 40)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
        monkeypatch.setattr(keeping, "WHOLE", 0 if way != "memory" else 1 << 30)

    return choose


@pytest.fixture
def folder(tmp_path):
    pictures(tmp_path / "photos", [f"{n}.png" for n in range(60)])
    (tmp_path / "photos" / "31.png").write_bytes((tmp_path / "photos" / "31.png").read_bytes()[:60])
    return tmp_path / "photos"


@pytest.mark.parametrize("way", WAYS)
def test_all_ways_give_the_same_images(way, folder, kept):
    kept("memory")
    first = load_images(folder, verbose=0)
    kept(way)
    found = load_images(folder, verbose=0)
    assert type(found.train.source) is WAYS[way]
    assert (found.train.names, found.test.names, found.skipped) == (
        first.train.names,
        first.test.names,
        first.skipped,
    )
    assert np.array_equal(found.train.array(), first.train.array())
    rows = np.random.default_rng(0).integers(0, len(found.train), 200)
    assert np.array_equal(found.train.source.read(rows), first.train.source.read(rows))
    more = "Decoded they take more than the memory for images (LAYERSCOPE_MEMORY changes it), so they "
    assert (
        found.description.splitlines()[2:]
        == {
            "memory": [],
            "file": [more + "wait decoded in a temporary file."],
            "nowhere": [more + "are decoded anew for each epoch."],
        }[way]
    )


@pytest.mark.parametrize("way", ["file", "nowhere"])
def test_training_is_the_same_however_images_are_kept(way, folder, kept, tmp_path):
    kept("memory")
    settings = {"epochs": 2, "batch_size": 16, "verbose": 0}
    first = studies.train(NETWORK, folder, out=tmp_path / "a", **settings)
    kept(way)
    run = studies.train(NETWORK, folder, out=tmp_path / "b", **settings)
    assert run.history.history == first.history.history
    assert equal(run.model.get_weights(), first.model.get_weights())


def test_nothing_is_left_of_the_temporary_file(folder, kept):
    kept("file")
    images = load_images(folder, verbose=0)
    cache = keeping._folder()
    assert cache is not None
    assert os.listdir(cache) == []
    assert str(cache).startswith(os.environ["XDG_CACHE_HOME"])
    assert len(images.train.array()) == len(images.train)


def test_sixteen_bits_in_a_file(tmp_path, kept):
    made = [noise(6, 5, high=65536, dtype=np.uint16, seed=n) for n in range(30)]
    for n, pixels in enumerate(made):
        write(tmp_path / f"{n}.png", pixels)
    kept("file")
    part = load_images(tmp_path, verbose=0).train
    expected = np.stack([made[int(name[:-4])] for name in part.names]).astype(np.float32) / 65535
    assert type(part.source) is keeping.FileSource
    assert np.array_equal(part.array()[..., 0], expected)


def test_a_full_disk(folder, kept, monkeypatch):
    kept("file")

    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(keeping.tempfile, "TemporaryFile", lambda **settings: Full())
    with refuses(
        OutputError,
        f"decoded images do not fit into {keeping._folder()}: No space left on device. Free space there, choose a "
        "smaller --size, or allow more memory with LAYERSCOPE_MEMORY.",
    ):
        load_images(folder, verbose=0)


def test_without_a_cache_nothing_is_kept(folder, kept, monkeypatch, tmp_path):
    kept("file")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert type(load_images(folder, verbose=0).train.source) is keeping.DecodedSource


def test_a_file_that_vanishes_while_training_is_named(folder, kept, tmp_path):
    kept("nowhere")
    images = load_images(folder, verbose=0)
    name = images.train.names[7]
    (folder / name).unlink()
    with refuses(DataError, f"{folder}/{name} could be read at first, but no longer: a link to nothing"):
        images.train.array()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("layerscope")]


@pytest.mark.parametrize(
    ("text", "bytes"),
    [("500MB", 500_000_000), ("2 GB", 2_000_000_000), ("1.5GiB", 3 << 29), ("64k", 64_000), ("123", 123), ("7B", 7)],
)
def test_budgets(text, bytes, monkeypatch):
    monkeypatch.setenv(keeping.MEMORY, text)
    assert keeping.budget() == bytes


def test_a_budget_that_is_none(monkeypatch):
    monkeypatch.setenv(keeping.MEMORY, "lots")
    with refuses(SettingError, "LAYERSCOPE_MEMORY is 'lots'; it must be a size such as 500MB or 2GB, or unset"):
        keeping.budget()


def test_without_a_budget_it_is_a_quarter_of_what_is_there(monkeypatch):
    monkeypatch.delenv(keeping.MEMORY, raising=False)
    monkeypatch.setattr(keeping, "_available", lambda: 4000)
    assert keeping.budget() == 1000


def test_what_is_there_is_never_more_than_the_machine_has():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < keeping._available() <= max(memory, 4 * keeping.UNKNOWN)


PEAK = """
import resource, sys
import numpy as np
from layerscope import studies
from layerscope.studies import keeping
keeping.WHOLE = 0
data, out = sys.argv[1:]
studies.train("256x256x3 | maxpool 16 | conv 3 3 same sigmoid | upsample 16", data, out=out, epochs=2, batch_size=8, verbose=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("way", ["file", "nowhere"])
def test_memory_is_bounded_however_many_images_there_are(way, tmp_path):
    """640 images more are 126 MB more decoded and 503 MB more as floats; the process grows by none of that.

    Fewer than some 400 would be measured before all of its queues have been full.
    """
    peaks = []
    for count in (440, 1080):
        folder = tmp_path / str(count)
        for n in range(count):
            write(folder / f"{n}.png", np.full((256, 256, 3), n % 256, np.uint8))
        settings = {**environment(), keeping.MEMORY: "1MB", "LAYERSCOPE_THREADS": "1"}
        code = (
            PEAK if way == "file" else "from layerscope.studies import keeping\nkeeping._folder = lambda: None" + PEAK
        )
        command = [sys.executable, "-c", code, str(folder), str(tmp_path / f"run{count}")]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1000)
    assert peaks[1] - peaks[0] < 40, peaks
