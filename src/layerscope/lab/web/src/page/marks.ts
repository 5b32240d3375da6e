/** What is drawn over a grid: the outline of the cells that are lit, of the one that is chosen, of the one in focus. */

import { put, s } from "./dom.ts";
import { UNIT } from "./surface.ts";

export interface Lit { read: Set<number>; strong: Set<number> }

export class Marks {
  readonly element = s("svg", { class: "marks", "aria-hidden": "true" });
  private readonly paths = new Map<string, SVGPathElement[]>();

  constructor() {
    for (const kind of ["read", "strong", "tried", "selected", "focus"]) {
      const pair = [s("path", { class: `halo ${kind}` }), s("path", { class: kind })];
      this.paths.set(kind, pair);
      this.element.append(...pair);
    }
  }

  resize(rows: number, columns: number, size: number): void {
    put(this.element, "viewBox", `0 0 ${columns * UNIT} ${rows * UNIT}`);
    put(this.element, "width", columns * size);
    put(this.element, "height", rows * size);
  }

  draw(kind: "read" | "strong" | "tried" | "selected" | "focus", cells: Iterable<number>, columns: number): void {
    const outline = outlineOf(new Set(cells), columns);
    for (const path of this.paths.get(kind)!) put(path, "d", outline);
  }
}

/** The border of a set of cells, without the edges that two of them share. */
export function outlineOf(cells: Set<number>, columns: number): string {
  let path = "";
  for (const index of cells) {
    const column = index % columns;
    const [x, y] = [column * UNIT, Math.floor(index / columns) * UNIT];
    if (!cells.has(index - columns)) path += `M${x} ${y}h${UNIT}`;
    if (!cells.has(index + columns)) path += `M${x} ${y + UNIT}h${UNIT}`;
    if (column === 0 || !cells.has(index - 1)) path += `M${x} ${y}v${UNIT}`;
    if (column === columns - 1 || !cells.has(index + 1)) path += `M${x + UNIT} ${y}v${UNIT}`;
  }
  return path;
}
