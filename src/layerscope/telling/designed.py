"""How encoders to order are said: a table of proposals and their texts; or that there are none, and what would do."""

from __future__ import annotations

from typing import Any

from layerscope.analyses.cost import cost
from layerscope.analyses.design import Designed, Proposal, Wish
from layerscope.analyses.mirror import Mirrored, mirror
from layerscope.core import propagate
from layerscope.report.document import Column, Document, TableRow, count
from layerscope.telling.written import one_line


def mirrored(found: Designed, up: str | None) -> list[Mirrored | None]:
    """For each proposal the autoencoder with this decoder, or None where none is asked for.

    Errors: as `analyses.mirror.mirror`.
    """
    return [None if up is None else mirror(proposal.graph, up) for proposal in found.proposals]


def texts(found: Designed, up: str | None = None) -> list[str]:
    """Each proposal in one line, with its decoder where one is asked for."""
    return [
        one_line(proposal.graph if both is None else both.graph)
        for proposal, both in zip(found.proposals, mirrored(found, up), strict=True)
    ]


def describe_designed(found: Designed, up: str | None = None) -> Document:
    """The proposals as a document."""
    wish, lines, both = found.wish, texts(found, up), mirrored(found, up)
    columns = [
        Column("number", "", right=True),
        Column("parameters", "parameters", right=True),
        Column("macs", "MACs", right=True),
        Column("reach", "reach", right=True),
        Column("features", "last features", right=True),
        Column("convolutions", "convolutions", right=True, rank=1),
    ]
    if up is not None:
        columns.append(Column("whole", f"with {up}", right=True))
    rows = [
        TableRow(
            _cells(number, proposal) | ({} if mirror is None else {"whole": count(autoencoder_parameters(mirror))})
        )
        for number, (proposal, mirror) in enumerate(zip(found.proposals, both, strict=True), 1)
    ]
    return Document(
        title=f"Encoders of {_times(wish.shape)} to {count(wish.code)} numbers",
        subtitle=_limits(wish),
        columns=columns if rows else [Column("number", "encoders")],
        rows=rows or [TableRow({"number": "none"})],
        totals=[(str(number), line) for number, line in enumerate(lines, 1)],
        notes=notes(found),
        definitions=_definitions(wish),
        data=lambda: data(found, up),
        records=lambda: _records(found, up),
    )


def autoencoder_parameters(both: Mirrored) -> int:
    """How many parameters an encoder has with its decoder."""
    return cost(both.graph, propagate.types(both.graph, 1)).parameters


def _cells(number: int, proposal: Proposal) -> dict[str, str]:
    return {
        "number": str(number),
        "parameters": count(proposal.parameters),
        "macs": count(proposal.macs),
        "reach": str(proposal.reach),
        "features": _times(proposal.shape),
        "convolutions": str(proposal.convolutions),
    }


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _limits(wish: Wish) -> str:
    told = [f"reach at least {wish.reach}"] if wish.reach > 1 else []
    told += [f"at most {count(wish.parameters)} parameters"] if wish.parameters is not None else []
    told += [f"at most {count(wish.macs)} MACs"] if wish.macs is not None else []
    return ", ".join(told) or "without limits"


def notes(found: Designed) -> list[str]:
    """How much was searched, and, where nothing was found, which change would do."""
    wish = found.wish
    space = f"all {wish.chains:,} chains of 1 to {wish.depth} convolutions, each with two ends"
    if found.proposals:
        return [
            f"these are the smallest of {space}: what was not looked at is larger, or no better. "
            "--text prints the lines alone."
        ]
    said = [f"none of {space}, satisfies all of it: what was not looked at is beyond a limit or no better."]
    words = {"parameters": "--params", "macs": "--macs", "reach": "--reach"}
    told = [f"{words[key]} {value}" for key, value in found.would_do.items() if value]
    if told:
        said.append(f"one change alone would do: {', or '.join(told)}.")
    else:
        said.append("no one limit alone is to blame; loosen several, or allow more layers (--depth).")
    return said


def _definitions(wish: Wish) -> list[str]:
    kernels, filters = (" ".join(map(str, sorted(set(values)))) for values in (wish.kernels, wish.filters))
    return [
        f"The space: 1 to {wish.depth} convolutions (kernels {kernels}; filters {filters}; same, relu), each "
        "followed by nothing or a max pool of 2, or with a stride of 2 (kernels above 1 only); "
        "then flatten and dense to the code, or none where the last convolution leaves as many numbers.",
        "Reach: input positions, along each axis, that one position of the last features depends on.",
        "Smallest: by parameters, then by MACs, both of the encoder.",
    ]


def data(found: Designed, up: str | None = None) -> dict[str, Any]:
    """The same as plain data."""
    wish = found.wish
    return {
        "shape": list(wish.shape),
        "code": wish.code,
        "reach": wish.reach,
        "parameters": wish.parameters,
        "macs": wish.macs,
        "space": {
            "depth": wish.depth,
            "kernels": sorted(set(wish.kernels)),
            "filters": sorted(set(wish.filters)),
            "chains": wish.chains,
        },
        "decoder": up,
        "encoders": _records(found, up),
        "would_do": found.would_do,
    }


def _records(found: Designed, up: str | None) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for proposal, both, line in zip(found.proposals, mirrored(found, up), texts(found, up), strict=True):
        record: dict[str, Any] = {
            "text": line,
            "parameters": proposal.parameters,
            "macs": proposal.macs,
            "reach": proposal.reach,
            "features": "x".join(map(str, proposal.shape)),
            "convolutions": proposal.convolutions,
        }
        records.append(record if both is None else record | {"autoencoder_parameters": autoencoder_parameters(both)})
    return records
