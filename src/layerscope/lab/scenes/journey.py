"""The whole network as the data's path: every stage with its shape, its ratio, what it costs, and where it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.analyses import advice
from layerscope.core.contract import normal
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import Graph
from layerscope.core.types import BATCH, Shape
from layerscope.lab import laws, links, net, spelling, state
from layerscope.lab.net import Net
from layerscope.lab.numbers import amount
from layerscope.lab.scene import Cell, Clamp, Grid, Scene, Text, Token
from layerscope.lab.troubles import written

COLUMNS = ("layer", "shape", "ratio", "parameters", "macs", "field")
MOST_FIXES = 3
ENLARGING = ("UpSampling2D", "BedOfNails2D", "MaxUnpooling2D", "Conv2DTranspose", "PixelShuffle2D")
SHAPES = ("target_shape", "shape", "dims", "cropping")
"""Settings whose equal numbers are not told as one."""
OFF_TARGET = "journey.off"


def scene(settings: dict[str, Any]) -> Scene:
    """The stages of `net`, `step` among them chosen; `target` says whether the output has to be as the input."""
    found = net.read(settings["net"])
    rows: list[dict[str, Any]] = [net.row(found, number) for number in range(len(found.steps))]
    for row, step in zip(rows, found.steps, strict=True):
        row["link"] = links.of_layer(found, rows.index(row), step.kind)
    trouble = found.trouble
    clamped: list[Clamp] = []
    last = max(len(found.stages) - 1, 0) if trouble and trouble.stage is not None else max(len(rows) - 1, 0)
    step = _step(settings, last, clamped)
    target = _target(found, settings["target"])
    wrong = trouble.why if trouble else None
    if wrong is None and target is not None:
        wrong = Text(OFF_TARGET, {"out": spelling.shape_words(_shape(found, -1)), "in": spelling.shape_words(target)})
    return Scene(
        screen="journey",
        settings=settings,
        title=Text("journey.title"),
        clamped=clamped,
        grids=[_table(rows, found)],
        layout=[["steps"]],
        selected=("steps", step * len(COLUMNS)),
        formula=_formula(rows, step),
        law=_law(found, step),
        code=_code(found),
        why=_why(rows, step, wrong),
        step=step,
        steps=last + 1,
        data={
            "rows": rows,
            "rest": list(found.stages[len(rows) :]),
            "totals": net.totals(found),
            "trouble": None if wrong is None else _trouble(found, wrong),
            "fixes": [] if wrong is None else _fixes(found, target),
            "columns": [Text(f"journey.column.{name}") for name in COLUMNS],
        },
    )


def _step(settings: dict[str, Any], last: int, clamped: list[Clamp]) -> int:
    asked = settings["step"]
    if asked > last:
        why = Text("journey.clamp.step", {"last": last})
        clamped.append(Clamp("step", str(asked), str(last), why))
        settings["step"] = last
    return settings["step"]


def _shape(found: Net, stage: int) -> Shape:
    return found.types[stage][0].shape[1:]


def _target(found: Net, asked: str) -> Shape | None:
    """The input's shape where the output has to be as that, and is not."""
    if not found.steps or found.trouble:
        return None
    first, last = _shape(found, 0), _shape(found, -1)
    if first == last or asked == "none":
        return None
    decoder = any(step.kind in ENLARGING for step in found.steps) and len(first) == len(last)
    return first if asked == "input" or decoder else None


def _table(rows: Sequence[dict[str, Any]], found: Net) -> Grid:
    """One row a stage: what a table of the page, and the terminal, show."""
    cells: list[Cell] = []
    for row in rows:
        cells += [Cell(None, word, "data") for word in row_words(row)]
    for words in found.stages[len(rows) :]:
        cells += [Cell(None, words, "unread"), *[Cell(None, "", "unread") for _ in COLUMNS[1:]]]
    count = len(cells) // len(COLUMNS)
    title = Text("journey.grid", {"stages": count})
    return Grid("steps", title, count, len(COLUMNS), cells, scale="plain")


def row_words(row: dict[str, Any]) -> list[str]:
    """What stands in a row of the table."""
    ratio = row["ratio"]
    field = "×".join("·" if one is None else _range(one) for one in row["field"])
    return [
        str(row["words"]),
        "×".join(map(str, row["shape"])) or "1",
        "" if ratio is None else f"×{ratio[0]}" if ratio[1] == 1 else f"×{ratio[0]}/{ratio[1]}",
        "" if row["parameters"] is None else amount(row["parameters"]),
        "" if row["macs"] is None else amount(row["macs"]),
        field,
    ]


def _range(extent: Sequence[int]) -> str:
    return str(extent[0]) if extent[0] == extent[1] else f"{extent[0]}–{extent[1]}"


def _law(found: Net, step: int) -> list[Token]:
    """The shape law of the chosen stage."""
    if not 0 < step < len(found.types) or found.graph is None:
        return []
    return laws.law(found.graph.nodes[step].layer, found.types[step - 1][0], found.types[step][0])


def _formula(rows: Sequence[dict[str, Any]], step: int) -> list[Token]:
    """What the chosen stage makes of how many numbers: 784 → 28×28×16 = 12,544."""
    if step >= len(rows) or rows[step]["elements"] is None:
        return []
    here = rows[step]
    now = "×".join(map(str, here["shape"])) or "1"
    tokens = [Token(now), Token("=", "operator"), Token(amount(here["elements"]))]
    if step and rows[step - 1]["elements"] is not None:
        tokens = [Token(amount(rows[step - 1]["elements"])), Token("→", "operator"), *tokens]
    return tokens


def _why(rows: Sequence[dict[str, Any]], step: int, wrong: Text | None) -> list[Text]:
    """What is wrong first; then what the chosen stage does to the data."""
    told = [] if wrong is None else [wrong]
    if step >= len(rows):
        return told
    row = rows[step]
    ratio = row["ratio"]
    if step and ratio is not None:
        key = "keeps" if ratio == [1, 1] else "condenses" if ratio[0] < ratio[1] else "enriches"
        told.append(Text(f"journey.{key}", {"before": rows[step - 1]["elements"], "after": row["elements"]}))
    if row["kind"] == "Dense" and len(row["shape"]) > 1:
        told.append(Text("journey.dense.axis", {"shape": "×".join(map(str, rows[step - 1]["shape"]))}))
    if row["kind"] == "Flatten":
        told.append(Text("journey.flatten", {"count": row["elements"]}))
    if row["parameters"]:
        shapes = " + ".join("·".join(map(str, shape)) or "1" for shape in row["weights"].values())
        told.append(Text("journey.parameters", {"shapes": shapes, "count": row["parameters"]}))
    return told


def _trouble(found: Net, wrong: Text) -> dict[str, Any]:
    trouble = found.trouble
    if trouble is None:
        return {"stage": None, "start": 0, "length": 0, "why": wrong, "target": True}
    return {"stage": trouble.stage, "start": trouble.start, "length": trouble.length, "why": wrong, "target": False}


def _code(found: Net) -> dict[str, str]:
    return {"layerscope": f'layerscope trace "{found.text}"'}


# --- fixes: the project's own advice ---


def _fixes(found: Net, target: Shape | None) -> list[dict[str, Any]]:
    """Up to three smallest changes with which everything fits: in words, and the text with them."""
    try:
        graph = _sketch(found)
        fixes = () if graph is None else advice.advise(graph, target, MOST_FIXES).fixes
    except LayerscopeError:
        return []
    told: list[dict[str, Any]] = []
    for fix in fixes:
        line = spelling.graph_words(fix.graph)
        again = net.read(line) if line else None
        if again is not None and again.trouble is None and again.types[-1][0].shape[1:] == fix.outputs[0].shape[1:]:
            told.append({"changes": [_change(edit) for edit in fix.edits], "net": line})
    return told


def _sketch(found: Net) -> Graph | None:
    if found.trouble is None:
        return found.graph
    made = found.trouble.error.sketch if found.trouble.error else None
    return made() if made else None


def _change(edit: advice.Edit) -> Text:
    """One change in words, by a key."""
    words = spelling.layer_words(edit.made) or edit.made.kind
    if edit.action == "insert":
        where = {} if edit.layer is None else {"layer": edit.layer}
        return Text("journey.fix.insert" if where else "journey.fix.insert.end", {"words": words, **where})
    if edit.action == "remove":
        return Text("journey.fix.remove", {"layer": edit.layer or "", "words": words})
    whole = edit.setting in SHAPES
    before, after = (written(value if whole else normal(value)) for value in (edit.before, edit.after))
    told = {"setting": edit.setting or "", "before": before, "after": after}
    return Text("journey.fix.set", {"layer": edit.layer or "", **told})


# --- a network of the user's own ---


def of_trace(trace: Any) -> Scene:
    """A traced network (`layerscope.trace`) as a journey, whatever it came from.

    Its rows say for each layer from which others it reads (`inputs`), and its `scope`.
    """
    graph, found = trace.graph, trace.journey
    rows: list[dict[str, Any]] = []
    for number, (node, step) in enumerate(zip(graph.nodes, found.steps, strict=True)):
        told = net.facts(step, step.outputs[0].bind({BATCH: 1}))
        spelled = spelling.layer_words(node.layer) or node.layer.kind
        inputs = [source for source, _ in node.inputs]
        rows.append({"stage": number, "words": spelled, **told, "inputs": inputs, "scope": list(step.scope),
                     "link": None})  # fmt: skip
    rows[0]["words"] = (
        "×".join(map(str, rows[0]["shape"])) if rows and not graph.nodes[0].inputs else rows[0]["words"]
    )
    cells = [Cell(None, word) for row in rows for word in row_words(row)]
    title = Text("journey.grid", {"stages": len(rows)})
    macs = found.cost.macs
    return Scene(
        screen="journey",
        settings={entry["name"]: entry["default"] for entry in state.described()["screens"]["journey"]} | {"net": ""},
        title=Text("journey.own", {"name": found.name}),
        grids=[Grid("steps", title, len(rows), len(COLUMNS), cells, scale="plain")],
        layout=[["steps"]],
        selected=("steps", 0),
        step=0,
        steps=len(rows),
        data={
            "rows": rows,
            "rest": [],
            "totals": {"parameters": found.cost.parameters, "macs": macs if isinstance(macs, int) else None},
            "trouble": None,
            "fixes": [],
            "columns": [Text(f"journey.column.{name}") for name in COLUMNS],
        },
    )
