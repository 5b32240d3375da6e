"""The folder of a comparison: what its runs have in common, and which of them are finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layerscope.core.errors import OutputError, SourceError
from layerscope.core.files import replacing, why
from layerscope.studies import runs
from layerscope.studies.comparison import Result
from layerscope.studies.decoders import WAYS
from layerscope.studies.parts import Part, across, checksum

STUDY, RESULT = "comparison.json", "result.json"


@dataclass(frozen=True)
class Plan:
    """What decides the results of a run, apart from the decoder and the seed."""

    encoder: str
    network: dict[str, Any]
    data: str
    images: str
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    loss: str

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Where another plan, as plain data, differs, in words."""
        mine = json.loads(json.dumps(asdict(self)))
        keys = [key for key in mine if other.get(key) != mine[key]]
        if "encoder" in keys and "network" in keys:
            keys.remove("network")
        return [
            "network: other layers there" if key == "network" else f"{key}: {other.get(key)} there, {mine[key]} here"
            for key in keys
        ]


def fingerprint(*given: Part) -> str:
    """Numbers and shape of images, and their checksums."""
    counts = " + ".join(f"{len(part):,}" for part in given)
    return f"{counts} of {across(given[0].source.shape[1:])}, checksums {' '.join(map(checksum, given))}"


def opened(place: Path, plan: Plan, overwrite: bool) -> Path:
    """The folder of a comparison, ready for its runs; those that are finished stay.

    Errors: OutputError when it cannot be written, or holds a comparison with other settings, or something else.
    """
    advice = "Give another --out, or --overwrite to start anew."
    if (place / runs.MODEL).exists():
        raise OutputError(f"{place} holds a run of layerscope train; give another --out")
    if (place / STUDY).exists() and not overwrite:
        try:
            told = json.loads((place / STUDY).read_text("utf-8"))
            differing = plan.differences(told)
        except (OSError, ValueError, AttributeError) as error:
            raise OutputError(f"{place / STUDY} cannot be read ({error}). {advice}") from None
        if differing:
            lines = "".join(f"\n  {line}" for line in differing)
            raise OutputError(f"{place} holds a comparison with other settings:{lines}\n{advice}")
        return runs.usable(place)
    runs.usable(place)
    if overwrite:
        for result in place.glob(f"*/{RESULT}"):
            if result.parent.name.rpartition("-")[0] in WAYS:
                emptied(result.parent)
    with replacing(place / STUDY) as aside:
        aside.write_text(json.dumps(asdict(plan), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return place


def emptied(place: Path) -> None:
    """Take away what a run left in its folder, and what was being written when it was ended."""
    try:
        left = [place / name for name in (RESULT, runs.MODEL, runs.CHECKPOINT, runs.HISTORY)]
        for path in [*left, *place.glob(".*.tmp")]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write into {place}: {why(error)}") from None


def kept(place: Path) -> Result | None:
    """The result of a finished run; None when there is none, or it cannot be read."""
    try:
        found = Result(**json.loads((place / RESULT).read_text("utf-8")))
        done, epochs = len(found.history["val_loss"]), runs.recipe(place).epochs
    except (OSError, ValueError, TypeError, KeyError, SourceError):
        return None
    if done != epochs:
        raise OutputError(
            f"{place} was trained on after the comparison: it has {epochs} epochs, not {done}. "
            "Give another --out, or --overwrite to start anew."
        )
    return found if (place / runs.MODEL).is_file() else None


def own(place: Path, name: str) -> Path:
    """The folder of a decoder's run; OutputError when the run in it is not a comparison's, or it is no run's."""
    if runs.held(place) and not runs.recipe(place).network.endswith(f", decoder {name}"):
        raise OutputError(f"{place} holds a run that is not a comparison's; give another --out")
    return runs.prepare(place, True)
