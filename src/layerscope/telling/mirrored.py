"""How an encoder with its mirrored decoder is said: the journey of the whole, and what leads back."""

from __future__ import annotations

from typing import Any

from layerscope.analyses.journey import journey
from layerscope.analyses.mirror import Mirrored, code
from layerscope.core import propagate
from layerscope.core.dataclasses import replace
from layerscope.core.errors import GraphError
from layerscope.core.graph import Graph
from layerscope.core.sizes import numbers
from layerscope.report.document import Document, count
from layerscope.telling.describing import describe
from layerscope.telling.facts import facts
from layerscope.telling.written import one_line


def describe_mirrored(found: Mirrored, encoder: Graph) -> Document:
    """The whole autoencoder as a document."""
    told = journey(found.graph)
    document = describe(found.graph, told)
    image, kept = _image(found), code(encoder)
    decoder = sum(row.parameters or 0 for row in told.cost.layers[found.decoder :])
    text = _text(found)
    return replace(
        document,
        title=f"{encoder.name}, mirrored by {found.up}",
        totals=[
            *document.totals,
            ("code", f"{_times(kept)}, where the decoder begins"),
            ("decoder", f"{count(decoder)} parameters, back to {_times(image)}"),
            ("crops and pads", _extra(found)),
        ],
        notes=[*document.notes, *_notes(found, text)],
        definitions=[*document.definitions, *_definitions(found)],
        data=lambda: data(found, encoder),
        records=document.records,
    )


def data(found: Mirrored, encoder: Graph) -> dict[str, Any]:
    """The facts of a trace, and `mirror`: what leads back."""
    told = facts(found.graph, journey(found.graph))
    return told | {
        "mirror": {
            "up": found.up,
            "code": list(code(encoder)),
            "shape": list(_image(found)),
            "decoder": [node.label for node in found.graph.nodes[found.decoder :]],
            "extra": list(found.extra),
            "displaced": list(found.displaced),
            "text": _text(found),
        }
    }


def _image(found: Mirrored) -> tuple[int, ...]:
    return numbers(propagate.output_types(found.graph)[0].shape[1:])


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _extra(found: Mirrored) -> str:
    return f"{len(found.extra)}: {', '.join(found.extra)}" if found.extra else "none"


def _text(found: Mirrored) -> str | None:
    try:
        return one_line(found.graph, found.decoder)
    except GraphError:
        return None


def _notes(found: Mirrored, text: str | None) -> list[str]:
    notes = [] if not text else [f"the decoder alone, to go on the encoder's text (--text prints it): {text}"]
    if any(found.displaced):
        notes.append(
            f"the sizes fit{'' if found.extra else ' without extra layers'}, but the enlarged image lies "
            f"{off(found)} off its place, which the convolutions have to learn; --in-place keeps every cell in its "
            "place."
        )
    return notes


def off(found: Mirrored) -> str:
    """By how much the image is displaced: 2 × 2 pixels."""
    by = " × ".join(f"{abs(d):g}" for d in found.displaced)
    return f"{by} pixel{'s' * (by != '1')}"


def _definitions(found: Mirrored) -> list[str]:
    if not found.displaced and found.extra:
        return ["Crops and pads: as many as it takes to keep every cell in its place and every size its twin's."]
    return [
        "Crops and pads: layers that only cut or add cells; no decoder of these steps has fewer (docs/mirror.md)."
    ]
