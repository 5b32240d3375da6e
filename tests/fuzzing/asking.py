"""Every file of a reader's corpus, asked once: python -m tests.fuzzing.asking READER [FOLDER].

Prints one line of JSON for each: its name, why it was refused, and what was broken (null: it was not).
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

from .readers import READERS, Find, outcome


def main(name: str, folder: Path | None = None) -> None:
    reader = READERS[name]
    paths = sorted((folder or reader.folder).iterdir())
    for path in paths:  # loads all that is loaded when it is wanted, so that the limits are of the files alone
        outcome(reader, path)
    for path in paths:
        found = outcome(reader, path)
        row: dict[str, Any] = {"file": path.name, "refused": None, "broken": None}
        if isinstance(found, Find):
            row["broken"] = [found.cause, found.story]
        elif found is not None:
            row["refused"] = str(found)
        print(json.dumps(row))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], *map(Path, sys.argv[2:]))
