"""Pictures of what is found without data: a check, a mirrored encoder, encoders to order."""

from __future__ import annotations

from typing import Any

from layerscope.analyses.design import Designed
from layerscope.analyses.mirror import Mirrored
from layerscope.checking import Check
from layerscope.core.errors import SettingError
from layerscope.report.figures import checked, designed, mirrored
from layerscope.studies import runs
from layerscope.studies.drawn_checks import check_picture
from layerscope.studies.drawn_designs import design_picture
from layerscope.studies.drawn_mirrors import mirror_picture
from layerscope.studies.opened import PathLike
from layerscope.studies.pictured import written


def draw(found: Any, path: PathLike, up: str | None = None) -> None:
    """Write what `check`, `mirror` or `design` found as a picture: .png, .svg or .pdf, as the path says.

    Of a check: the data's journey to the layer that does not fit, beside the journeys with each change; or, where
    everything fits, the journey with the warnings at their layers. Of a mirrored encoder: encoder and decoder face
    to face, tensors of equal shape joined. Of encoders to order: each as a row of tensors, with what it costs and how
    far it sees; `up` as in `mirror` draws the decoders with them.
    Errors: SettingError for anything else, and where there is no encoder to draw; OutputError.
    """
    target = runs.writable(path, runs.PICTURES, "a picture")
    if isinstance(found, Designed):
        if not found.proposals:
            raise SettingError("there is no encoder to draw: none satisfies all that is asked")
        picture = design_picture(found, up)
        written(target, lambda place: designed.designed(place, picture))
    elif isinstance(found, Mirrored):
        facing = mirror_picture(found)
        written(target, lambda place: mirrored.mirrored(place, facing))
    elif isinstance(found, Check):
        asked = check_picture(found)
        written(target, lambda place: checked.checked(place, asked))
    else:
        raise SettingError(f"what check, mirror or design found can be drawn, not {type(found).__name__}")
