"""Blind spots as a document, as a picture, and as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import OutputError
from layerscope.core.files import replacing
from layerscope.probes.blindspot import Pair
from layerscope.report.document import Column, Document, TableRow, count
from layerscope.report.figures import blindspots as figure
from layerscope.studies.blindspots import FEW, BlindSpots, Row
from layerscope.studies.opened import PathLike
from layerscope.studies.parts import printable
from layerscope.studies.pictured import written

Array = NDArray[Any]
PRINTED, MOST_NUMBERS = 16, 12
"""Numbers of an input, and of an output, that are printed."""


def document(found: BlindSpots) -> Document:
    """The ranks as a table, the pairs below it."""
    columns = [
        Column("layer", "layer", least=16),
        Column("kind", "kind", rank=3, least=12),
        Column("output", "output", rank=2),
        Column("numbers", "numbers", right=True, rank=1),
        Column("capacity", "capacity", right=True),
        Column("rank", "seen", right=True),
        Column("invisible", "invisible", right=True),
    ]
    if found.read:
        columns.append(Column("recovered", "recovered", right=True, meaning=_recovered(found)))
    return Document(
        title=f"What {printable(found.network)} cannot tell apart",
        subtitle=_where(found),
        columns=columns,
        rows=[TableRow(_cells(row, found)) for row in found.rows],
        totals=_totals(found),
        notes=[str(found.about["unread"])] if "unread" in found.about else [],
        definitions=[
            "Capacity: at most so many independent numbers about the input can be in the output, whatever the "
            "weights.",
            f"Seen: in how many directions the input can change so that the output changes, {_holds(found)}; the "
            "rank of the derivative. Invisible: in how many the output does not change, to first order.",
            "The same: no number of the outputs differs by more than 1e-9, times the largest where that is above 1; "
            "both were computed in double precision. Without blind spots: the outputs of the first and of the input "
            "towards which the second was led.",
        ],
        data=lambda: facts(found),
        records=lambda: [_record(row, found) for row in found.rows],
    )


def _where(found: BlindSpots) -> str:
    at = f"at {printable(found.names[0])}" if found.names else "at a random input"
    behind = "" if found.whole else f"up to {found.layer}, "
    return behind + ("linear: the same at every input" if found.linear else at)


def _holds(found: BlindSpots) -> str:
    return "anywhere" if found.linear else "near this input"


def _recovered(found: BlindSpots) -> str:
    return (
        "Recovered: R² of the input as a linear readout of the output gives it back (ridge regression on "
        f"{found.read:,} images, a quarter of them held out)."
    )


def _cells(row: Row, found: BlindSpots) -> dict[str, str]:
    left = found.numbers - row.rank
    return {
        "layer": printable(row.layer),
        "kind": row.kind,
        "output": " × ".join(map(str, row.shape)) or "1 number",
        "numbers": count(row.numbers),
        "capacity": count(row.capacity),
        "rank": count(row.rank) if row.exact else f"≥ {row.rank:,}",
        "invisible": count(left) if row.exact else f"≤ {left:,}",
        "recovered": "" if row.recovered is None else f"{row.recovered:.3f}",
    }


def _totals(found: BlindSpots) -> list[tuple[str, str]]:
    last = found.rows[-1]
    unread = f", of which {found.unread:,} are never read" if found.unread else ""
    told = [
        ("input", f"{' × '.join(map(str, found.inputs))}: {found.numbers:,} numbers{unread}"),
        ("seen", _seen(found, last)),
    ]
    for number, (made, reason) in enumerate(zip(found.pairs, found.reasons, strict=True), 1):
        name = f"pair {number}" if len(found.pairs) > 1 else "pair"
        if made is None:
            told.append((name, reason))
            continue
        told.append((name, _pair(made)))
        if made.first.size <= PRINTED:
            told += [("  first", _numbers(made.first)), ("  second", _numbers(made.second))]
            if made.outputs[0].size <= MOST_NUMBERS:
                told.append(("  output", f"{_numbers(made.outputs[0])} and {_numbers(made.outputs[1])}"))
    if any(found.pairs):
        told.append(("as it runs", f"in the model's own precision the outputs differ by at most {found.single:.2g}"))
    return told


def _seen(found: BlindSpots, last: Row) -> str:
    share = f"{last.rank:,} of {found.numbers:,} directions"
    if not last.exact:
        return f"at least {share}"
    left = found.numbers - last.rank
    if not left:
        return f"{share}: nothing is lost" + ("" if found.linear else " near this input")
    far = "however far one goes" if found.linear else "at first; pairs lead along them"
    return f"{share}; along the other {left:,} nothing changes, {far}"


def _pair(made: Pair) -> str:
    if not made.difference:
        same = "outputs are equal to the last bit"
    else:
        same = f"outputs by at most {made.difference:.2g}"
    return f"inputs differ by up to {made.distance:.3g}, {same} (without blind spots by {made.usual:.2g})"


def _numbers(array: Array) -> str:
    """A small array in one line: rows between brackets, numbers with four digits."""
    if array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 0:
        return f"{float(array):.6g}".replace("-", "−")
    return (
        "["
        + "  ".join(_numbers(part) if part.ndim else f"{float(part):.4g}".replace("-", "−") for part in array)
        + "]"
    )


def facts(found: BlindSpots) -> dict[str, Any]:
    """All that was found as plain data; small inputs with their numbers."""
    return {
        "network": found.network,
        "layer": found.layer,
        "linear": found.linear,
        "input": list(found.inputs),
        "unread": found.unread,
        "images_read": found.read,
        "layers": [_record(row, found) for row in found.rows],
        "pairs": [
            {"reason": reason} if made is None else _pair_facts(made)
            for made, reason in zip(found.pairs, found.reasons, strict=True)
        ],
        "difference_as_it_runs": found.single if any(found.pairs) else None,
    }


def _pair_facts(made: Pair) -> dict[str, Any]:
    row: dict[str, Any] = {
        "distance": made.distance,
        "difference": made.difference,
        "limit": made.limit,
        "usual": made.usual,
    }
    if made.first.size <= FEW:
        row |= {"first": made.first.tolist(), "second": made.second.tolist()}
        row["outputs"] = [output.tolist() for output in made.outputs]
    return row


def _record(row: Row, found: BlindSpots) -> dict[str, Any]:
    return {
        "name": row.layer,
        "kind": row.kind,
        "output": list(row.shape),
        "capacity": row.capacity,
        "rank": row.rank,
        "exact": row.exact,
        "invisible": found.numbers - row.rank,
        "recovered": row.recovered,
    }


def save(found: BlindSpots, path: PathLike) -> None:
    """The picture, or the arrays; OutputError where there is no pair to write."""
    pairs = [made for made in found.pairs if made]
    if Path(path).suffix.lower() == ".npz":
        if not pairs:
            raise OutputError(f"{path} is not written: there is no pair of inputs to keep")
        with replacing(path) as aside, open(aside, "wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                first=np.stack([made.first for made in pairs]),
                second=np.stack([made.second for made in pairs]),
                outputs_first=np.stack([made.outputs[0] for made in pairs]),
                outputs_second=np.stack([made.outputs[1] for made in pairs]),
                seen=found.seen,
            )
        return
    asked = figure.Asked(
        title=f"What {printable(found.network)} cannot tell apart",
        about=_about(found),
        first=[_image(made.first) for made in pairs],
        second=[_image(made.second) for made in pairs],
        outputs=[tuple(_image(output) for output in made.outputs) for made in pairs] if _drawn(found) else [],
        captions=[f"differ by {made.distance:.2g}; outputs by {made.difference:.1g}" for made in pairs],
        seen=_image(found.seen).mean(axis=-1),
        ink=found.ink,
        pixels=len(found.inputs) == 3,
    )
    written(path, lambda place: figure.blindspots(place, asked))


def _about(found: BlindSpots) -> str:
    last = found.rows[-1]
    least = "" if last.exact else "at least "
    end = "output" if found.whole else f"output of {found.layer}"
    return f"The {end} sees {least}{last.rank:,} of {found.numbers:,} directions in which the input can change"


def _drawn(found: BlindSpots) -> bool:
    return len(found.rows[-1].shape) == 3 and found.rows[-1].shape[:2] == found.inputs[:2]


def _image(array: Array) -> Array:
    """Rows, columns, channels: vectors become one row, a matrix one channel."""
    if array.ndim == 3:
        return array
    if array.ndim < 2:
        return array.reshape(1, -1, 1)
    return array.reshape(array.shape[0], -1, 1)
