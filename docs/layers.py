"""Write docs/layers/: one page for each layer, with its picture, from the layers' own files, and their list.

Run: python docs/layers.py (the tests fail when a page is missing, or says something else than its layer)
"""

import os
from pathlib import Path
from unittest.mock import patch

from update import WIDTH, ran

from layerscope import layers
from layerscope.core.contract import Layer
from layerscope.lab.explaining import EXAMPLES
from layerscope.report.explained import facts, markdown, picture, trial
from layerscope.report.svg import standing

FOLDER = Path(__file__).parent / "layers"
PICTURES = "pictures"


def files(cls: type[Layer]) -> dict[str, str]:
    """The page of a layer and its picture, by path in FOLDER."""
    drawn = f"{PICTURES}/{cls.__name__}.svg"
    code = trial.code(cls)
    lab = EXAMPLES[cls.__name__][0] if cls.__name__ in EXAMPLES else ""
    with patch.dict(os.environ, COLUMNS=WIDTH):
        printed = ran(code)
    page = markdown.page(cls, drawn, code, printed, lab)
    return {f"{cls.__name__}.md": page, drawn: standing(picture.picture(cls))}


def index() -> str:
    """The list of all layers."""
    kinds = layers.kinds()
    computed = [name for name, cls in kinds.items() if cls.executable]
    described = [name for name in kinds if name not in computed]
    parts = [
        "# Layers",
        f"{len(kinds)} layers, under Keras 3's names. {len(computed)} are computed: they train, in both engines. "
        f"{len(described)} are described: networks that have them are traced, with shapes, parameters and costs. "
        "Each page is made from the layer's own file; `layerscope explain LAYER` prints it in the terminal.",
        "## Computed",
        _listed(computed),
        "## Described",
        _listed(described),
    ]
    return "\n\n".join(parts) + "\n"


def _listed(names: list[str]) -> str:
    kinds = layers.kinds()
    rows = [(f"[{name}]({name}.md)", markdown.prose(facts.words(kinds[name]).first)) for name in names]
    return markdown.table(("layer", "what it does"), rows)


def wanted() -> dict[str, str]:
    """All files of the folder by path, as they should be."""
    made = {"README.md": index()}
    for cls in layers.kinds().values():
        made |= files(cls)
    return made


if __name__ == "__main__":
    (FOLDER / PICTURES).mkdir(parents=True, exist_ok=True)
    made = wanted()
    for path in [*FOLDER.glob("*.md"), *(FOLDER / PICTURES).glob("*.svg")]:
        if str(path.relative_to(FOLDER)) not in made:
            path.unlink()
    for path, text in made.items():
        (FOLDER / path).write_text(text, "utf-8")
