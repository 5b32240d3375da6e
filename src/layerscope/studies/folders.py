"""Folders of picture files as images to train on: their sizes, colour, labels and split."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from layerscope.core.errors import DataError
from layerscope.core.types import show
from layerscope.datasets import _listing, _pictures
from layerscope.datasets._pictures import Frame, Header, Unreadable
from layerscope.models.progress import Counting
from layerscope.studies import keeping
from layerscope.studies.parts import SHOWN, Asked, Images, Part, Skipped, across, agree, printable, spread, unreadable

LOOKED_AT = 2000
"""Files whose headers are all read even where the size is given, so that what is no image does not count."""

SAMPLE, GREY_SAMPLE = 64, 16
"""Files that stand for all others where these are too many: for the depth of their pixels, and for colour."""

HOW = {
    "crop": "cut about the centre and resized",
    "fit": "resized, with a border around",
    "stretch": "stretched",
}


@contextmanager
def counting(title: str, count: int, asked: Asked) -> Iterator[Counting]:
    """Progress of reading, while Pillow's warnings are kept quiet."""
    with Counting(f"{title} {count:,} images", count, asked.verbose) as progress, _pictures.quiet():
        yield progress


def load(root: str, asked: Asked) -> Images:
    """The images of a folder, split. Errors: DataError when it cannot be read, or has too few images."""
    paths, skipped = all_files(root)
    total = len(paths) + len(skipped)
    headers, bad = _headers(root, paths, asked)
    skipped += bad
    good = _readable(root, paths, skipped, total)
    listed = _listing.listing(good, root, paths)
    _none_empty(root, listed.train, listed.test, skipped, total)
    frame = _frame(root, [*listed.train, *listed.test], headers, asked)
    agree(frame.shape, asked.wanted, root)
    if asked.most is not None and listed.classes:  # some of each class
        listed.train, listed.test = _spread(listed.train, asked.most), _spread(listed.test, asked.most)
    everything = len(listed.train) + len(listed.test)
    with counting("Reading", everything if asked.most is None else 2 * asked.most, asked) as progress:
        train, test = (
            _part(root, own, listed, frame, asked, len(own) / everything, progress)
            for own in (listed.train, listed.test)
        )
    skipped = _in_order([*skipped, *train.skipped, *test.skipped])
    _none_empty(root, train.names, test.names, skipped, total)
    resized = _resized(frame, headers)
    lines = [
        f"{printable(root)}: {len(train):,} images to train on, {len(test):,} to test with ({listed.how}); "
        f"{across(frame.shape)}{resized}."
    ]
    if listed.classes:
        more = f", … ({len(listed.classes) - 10:,} more)" if len(listed.classes) > 10 else ""
        lines.append(f"{len(listed.classes)} classes: {', '.join(map(printable, listed.classes[:10]))}{more}.")
    if skipped:
        lines.append(f"{unreadable(skipped, total)}.")
    lines += keeping.told([train.source, test.source])
    return Images(train, test, train.classes, frame.shape, skipped, "\n".join(lines))


def read(paths: Sequence[str], root: str, shape: Sequence[int], asked: Asked, skipped: Skipped) -> Part:
    """These files in the given shape, all in one part. Errors: DataError when none can be read."""
    what = root or (printable(paths[0]) if len(paths) == 1 else f"{len(paths)} files")
    total = len(paths) + len(skipped)
    headers, bad = _headers(root, paths, asked)
    skipped = [*skipped, *bad]
    good = _readable(what, paths, skipped, total)
    if len(shape) == 3:
        height, width, channels = shape
        if channels not in (1, 3):
            raise DataError(f"the network takes {show(tuple(shape))}, but picture files have 1 channel or 3")
        deep = any(header.deep for header in headers.values())
        frame = Frame(height, width, channels, asked.fit, deep)
    else:
        frame = _frame(what, good, headers, asked)
        agree(frame.shape, shape, what)
    listed = _listing.Listing(good, [], _listing.classes(good), "")
    with counting("Reading", len(good) if asked.most is None else min(asked.most, len(good)), asked) as progress:
        part = _part(root, good, listed, frame, asked, 1.0, progress)
    part.skipped = _in_order([*skipped, *part.skipped])
    if not len(part):
        _readable(what, [], part.skipped, total)
    part.source = part.source.reshape(len(part), *shape)
    return part


def all_files(root: str) -> tuple[list[str], Skipped]:
    """All files of a folder in order, and what could not be entered. Errors: DataError for an empty one."""
    paths, skipped = _listing.files(root)
    if not paths:
        blocked = f" {unreadable(skipped, len(skipped))}." if skipped else ""
        raise DataError(f"{root}: the folder is empty (what begins with a dot does not count).{blocked}")
    return paths, skipped


def _resized(frame: Frame, headers: dict[str, Header]) -> str:
    """What happened to the images to bring them into the frame, or nothing."""
    if all((header.height, header.width) == frame.shape[:2] for header in headers.values()):
        return ""
    alike = all(header.height * frame.width == header.width * frame.height for header in headers.values())
    return ", resized" if alike else f", {HOW[frame.fit]}"


def _none_empty(root: str, train: Sequence[str], test: Sequence[str], skipped: Skipped, total: int) -> None:
    for names, purpose in ((train, "train on"), (test, "test with")):
        if not names:
            why = f" {unreadable(_in_order(skipped), total)}." if skipped else ""
            raise DataError(f"{root}: no image is left to {purpose}.{why}")


def _in_order(skipped: Skipped) -> Skipped:
    return sorted(skipped, key=lambda one: (_listing.natural(one[0]), one[0]))


def _readable(what: str, paths: Sequence[str], skipped: Skipped, total: int) -> list[str]:
    left = {name for name, _ in skipped}
    good = [path for path in paths if path not in left]
    if not good:
        raise DataError(f"{what}: there is no image that can be read. {unreadable(_in_order(skipped), total)}.")
    return good


def _headers(root: str, paths: Sequence[str], asked: Asked) -> tuple[dict[str, Header], Skipped]:
    """Headers of all files, or of some where they are many and their sizes do not matter."""
    if asked.size is not None and len(paths) > LOOKED_AT:
        paths = _spread(paths, SAMPLE)
    headers: dict[str, Header] = {}
    bad: Skipped = []
    with counting("Looking at", len(paths), asked) as progress:
        for path in paths:
            progress.one()
            try:
                headers[path] = _pictures.header(os.path.join(root, path))
            except Unreadable as error:
                bad.append((path, str(error)))
    return headers, bad


def _frame(root: str, paths: Sequence[str], headers: dict[str, Header], asked: Asked) -> Frame:
    """What the images are brought to: as asked, as they are, or as the network takes them."""
    wanted = asked.wanted if asked.wanted is not None and len(asked.wanted) == 3 else (None, None, None)
    own = [headers[path] for path in paths if path in headers]
    sizes = Counter((header.height, header.width) for header in own)
    size = asked.size
    if size is None and len(sizes) == 1:
        size = next(iter(sizes))
    if size is None and wanted[0] is not None and wanted[1] is not None:
        size = wanted[0], wanted[1]
    if size is None:
        common = sorted(sizes.items(), key=lambda one: (-one[1], one[0]))[:SHOWN]
        shown = ", ".join(f"{across(one)} ({count:,})" for one, count in common)
        more = f" and {len(sizes) - SHOWN:,} more" if len(sizes) > SHOWN else ""
        raise DataError(
            f"the images of {root} have different sizes (height×width): {shown}{more}. Give the size that they are "
            "brought to: --size 64x48, or --size 64 for a square."
        )
    channels = {"grey": 1, "rgb": 3}.get(asked.colour) or (wanted[2] if wanted[2] in (1, 3) else None)
    if channels is None:
        channels = 1 if _all_grey(root, [path for path in paths if path in headers]) else 3
    return Frame(*size, channels, asked.fit, any(header.deep for header in own))


def _spread(paths: Sequence[str], count: int) -> list[str]:
    """So many of the paths, at equal distances, or all."""
    return [paths[int(n)] for n in spread(len(paths), count)]


def _all_grey(root: str, paths: Sequence[str]) -> bool:
    """Whether some of the files, spread over all, have no colour in them."""
    with _pictures.quiet():
        for path in _spread(paths, GREY_SAMPLE):
            try:
                if not _pictures.is_grey(os.path.join(root, path)):
                    return False
            except Unreadable:
                continue  # told when all are read
    return True


def _part(
    root: str,
    paths: Sequence[str],
    listed: _listing.Listing,
    frame: Frame,
    asked: Asked,
    share: float,
    progress: Counting,
) -> Part:
    places = [os.path.join(root, path) for path in paths]
    kept = keeping.keep(
        lambda number: _pictures.decode(places[number], frame),
        places,
        frame.shape,
        frame.dtype,
        share=share,
        most=asked.most,
        progress=progress,
    )
    names = [paths[number] for number in kept.numbers]
    labels = listed.labels(names)
    return Part(
        kept.source,
        None if labels is None else np.array(labels, np.int64),
        [printable(name) for name in names],
        tuple(map(printable, listed.classes)),
        [(paths[number], reason) for number, reason in kept.skipped],
    )
