"""The decoders compared on MNIST: the table and the picture of docs/decoders.md.

Run: python benchmarks/decoders.py [--epochs 10] [--seeds 3] [--out runs/decoders] [--write]
The same command goes on where it was stopped. --write puts the table and the picture into docs/; without the seconds
where the machine has other work to do, as they would say nothing then.
"""

import argparse
import datetime
import os
import shutil
from pathlib import Path

import pages

import layerscope as ls
from layerscope.report.document import Document
from layerscope.studies.comparison import Comparison

PAGE = Path(__file__).parent.parent / "docs" / "decoders.md"
PICTURE = PAGE.parent / "pictures" / "decoders.png"
BEGIN, END = "<!-- results: written by benchmarks/decoders.py --write -->", "<!-- end of results -->"


def table(document: Document, busy: bool) -> str:
    """The rows of a document in Markdown, without the seconds where the machine is busy."""
    columns = [column for column in document.columns if not (busy and column.key == "seconds")]
    lines = [
        "| " + " | ".join(column.title for column in columns) + " |",
        "|" + "|".join(" ---: " if column.right else " --- " for column in columns) + "|",
    ]
    return "\n".join([*lines, *("| " + " | ".join(row[c.key] for c in columns) + " |" for row in document.rows)])


def results(found: Comparison, command: str) -> str:
    """What stands between the markers of the page."""
    document, busy = found.document(), os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
    told = [f"- {name}: {value}" for name, value in document.totals]
    told.append(f"- encoder: `{found.settings['encoder']}`")
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    first = f"- {datetime.date.today()}, `{command}`; {versions}"
    told += ["- seconds are left out: the machine had other work to do"] if busy else []
    return "\n".join([first, f"- {document.subtitle}", *told, "", table(document, busy)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--decoders", default="nearest,bilinear,nails,unpool,transpose,transpose3,subpixel")
    parser.add_argument("--out", default="runs/decoders")
    parser.add_argument("--write", action="store_true", help="put table and picture into docs/")
    asked = parser.parse_args()
    found = ls.studies.compare_decoders(
        asked.data, decoders=asked.decoders, seeds=asked.seeds, epochs=asked.epochs, out=asked.out
    )
    print(found)
    if asked.write and not found.interrupted:
        text = results(found, f"python benchmarks/decoders.py --epochs {asked.epochs} --seeds {asked.seeds} --write")
        pages.put(PAGE, BEGIN, END, text)
        shutil.copyfile(Path(asked.out) / "decoders.png", PICTURE)


if __name__ == "__main__":
    main()
