/** Grids up to 32 × 32 as SVG: each cell an element with its number, its name for a screen reader, and a tab stop. */

import type { Cell } from "../scene.ts";
import { h, put, s } from "./dom.ts";
import { cellAt, fillOf, lettering, MARKED, UNIT, type Surface, type View } from "./surface.ts";

interface Drawn {
  group: SVGGElement; box: SVGRectElement; text: SVGTextElement; mark: SVGPathElement | null;
  /** What is set already: reading it from the elements would cost more than painting. */
  fill: string; ink: string; said: string; role: string | null; name: string; entry: boolean; selected: string | null;
}
interface Line { group: SVGGElement; cells: Drawn[] }

export class SvgSurface implements Surface {
  readonly element: HTMLElement;
  private readonly svg = s("svg", { role: "presentation" });
  private lines: Line[] = [];
  private columns = 0;
  private view!: View;

  constructor() {
    this.element = h("div", { role: "grid", class: "surface" }, this.svg);
  }

  describe(name: string, summary: string): void {
    put(this.element, "aria-label", name);
    put(this.element, "aria-describedby", summary);
  }

  update(view: View): void {
    const { grid, size } = view;
    if (grid.rows !== this.lines.length || grid.columns !== this.columns) this.resize(grid.rows, grid.columns);
    const renamed = this.view?.lang !== view.lang;
    this.view = view;
    put(this.svg, "width", size * grid.columns);
    put(this.svg, "height", size * grid.rows);
    const letters = lettering(grid.cells, size);
    put(this.svg, "font-size", letters || 1);
    put(this.svg, "class", letters || size >= 16 ? null : "fine");
    grid.cells.forEach((cell, index) => this.paint(this.drawn(index), cell, index, letters, renamed));
  }

  focus(index: number): void {
    this.drawn(index).group.focus();
  }

  at(event: MouseEvent): number {
    return cellAt(event, this.svg.getBoundingClientRect(), this.view.grid);
  }

  private drawn(index: number): Drawn {
    return this.lines[Math.floor(index / this.columns)]!.cells[index % this.columns]!;
  }

  /** Cells that there are already stay: a slider that is dragged adds and takes away at the ends. */
  private resize(rows: number, columns: number): void {
    this.columns = columns;
    put(this.svg, "viewBox", `0 0 ${columns * UNIT} ${rows * UNIT}`);
    put(this.element, "aria-rowcount", rows);
    put(this.element, "aria-colcount", columns);
    for (const line of this.lines.splice(rows)) line.group.remove();
    while (this.lines.length < rows) {
      const group = s("g", { role: "row", transform: `translate(0 ${this.lines.length * UNIT})` });
      this.lines.push({ group, cells: [] });
      this.svg.append(group);
    }
    for (const { group, cells } of this.lines) {
      for (const cell of cells.splice(columns)) cell.group.remove();
      while (cells.length < columns) {
        const cell = made(cells.length);
        cells.push(cell);
        group.append(cell.group);
      }
    }
  }

  private paint(drawn: Drawn, cell: Cell, index: number, letters: number, renamed: boolean): void {
    const { grid, range, palette, selected, entry, name } = this.view;
    const fill = fillOf(cell, grid, range, palette);
    const recoloured = fill !== drawn.fill;
    if (recoloured) {
      drawn.fill = fill;
      drawn.box.setAttribute("fill", fill);
      const ink = palette.inkOn(fill);
      if (ink !== drawn.ink) drawn.text.setAttribute("fill", (drawn.ink = ink));
    }
    const said = letters ? cell.text : "";
    if (said !== drawn.said) drawn.text.textContent = drawn.said = said;
    if ((index === entry) !== drawn.entry) {
      drawn.entry = index === entry;
      drawn.group.setAttribute("tabindex", drawn.entry ? "0" : "-1");
    }
    const key = `${cell.text} ${cell.role} ${index}`;
    if (renamed || key !== drawn.name) {
      drawn.name = key;
      drawn.group.setAttribute("aria-label", name(index));
    }
    const chosen = grid.select ? String(index === selected) : null;
    if (chosen !== drawn.selected) put(drawn.group, "aria-selected", (drawn.selected = chosen));
    if (cell.role !== drawn.role) mark(drawn, cell.role);
    else if (!recoloured) return;
    if (drawn.mark) {
      put(drawn.mark, "stroke", palette.inkOn(fill));
      put(drawn.mark, "fill", cell.role === "winner" ? palette.inkOn(fill) : "none");
    }
  }
}

function made(column: number): Drawn {
  const box = s("rect", { width: UNIT, height: UNIT });
  const text = s("text", { x: UNIT / 2, y: UNIT / 2, "aria-hidden": "true" });
  const group = s("g", { role: "gridcell", transform: `translate(${column * UNIT} 0)`, tabindex: -1 }, box, text);
  return { group, box, text, mark: null, fill: "", ink: "", said: "", role: null, name: "", entry: false, selected: null };
}

function mark(drawn: Drawn, role: string): void {
  drawn.role = role;
  put(drawn.group, "class", `cell role-${role}`);
  drawn.mark?.remove();
  drawn.mark = Object.hasOwn(MARKED, role) ? s("path", { class: "mark", d: MARKED[role]! }) : null;
  if (drawn.mark) drawn.box.after(drawn.mark);
}
