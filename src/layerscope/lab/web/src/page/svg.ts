/** Grids up to 32 × 32 as SVG: each cell an element with its number, its name for a screen reader, and a tab stop. */

import type { Cell } from "../scene.ts";
import { h, put, s } from "./dom.ts";
import { cellAt, fillOf, lettering, MARKED, UNIT, type Surface, type View } from "./surface.ts";

interface Drawn {
  group: SVGGElement; box: SVGRectElement; text: SVGTextElement | null; mark: SVGPathElement | null;
  x: number; y: number;
  /** What is set already: reading it from the elements would cost more than painting. */
  fill: string; ink: string; said: string; role: string | null; name: string; entry: boolean; selected: boolean | null;
}
interface Line { group: SVGGElement; cells: Drawn[] }

/** Cells carry no transform: each would be a layer of its own to the browser's painter, as would a stroke of each. */
export class SvgSurface implements Surface {
  readonly element: HTMLElement;
  private readonly edges = s("path", { class: "edges" });
  private readonly svg = s("svg", { role: "presentation" }, this.edges);
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
    const [width, height] = [columns * UNIT, rows * UNIT];
    put(this.svg, "viewBox", `0 0 ${width} ${height}`);
    put(this.element, "aria-rowcount", rows);
    put(this.element, "aria-colcount", columns);
    for (const line of this.lines.splice(rows)) line.group.remove();
    while (this.lines.length < rows) {
      const group = s("g", { role: "row" });
      this.lines.push({ group, cells: [] });
      this.edges.before(group);
    }
    this.lines.forEach(({ group, cells }, row) => {
      for (const cell of cells.splice(columns)) cell.group.remove();
      while (cells.length < columns) {
        const cell = made(row, cells.length);
        cells.push(cell);
        group.append(cell.group);
      }
    });
    let d = "";
    for (let row = 1; row < rows; row++) d += `M0 ${row * UNIT}h${width}`;
    for (let column = 1; column < columns; column++) d += `M${column * UNIT} 0v${height}`;
    put(this.edges, "d", d);
  }

  private paint(drawn: Drawn, cell: Cell, index: number, letters: number, renamed: boolean): void {
    const { grid, range, palette, selected, entry, name } = this.view;
    const fill = fillOf(cell, grid, range, palette);
    const recoloured = fill !== drawn.fill;
    if (recoloured) {
      drawn.box.setAttribute("fill", (drawn.fill = fill));
      const ink = palette.inkOn(fill);
      if (ink !== drawn.ink) drawn.text?.setAttribute("fill", (drawn.ink = ink));
    }
    const said = letters ? cell.text : "";
    if (said !== drawn.said) write(drawn, said, palette.inkOn(fill));
    if ((index === entry) !== drawn.entry) {
      drawn.entry = index === entry;
      drawn.group.setAttribute("tabindex", drawn.entry ? "0" : "-1");
    }
    const key = `${cell.text} ${cell.role} ${index}`;
    if (renamed || key !== drawn.name) {
      drawn.name = key;
      drawn.group.setAttribute("aria-label", name(index));
    }
    const chosen = grid.select ? index === selected : null;
    if (chosen !== drawn.selected) {
      drawn.selected = chosen;
      put(drawn.group, "aria-selected", chosen === null ? null : String(chosen));
    }
    if (cell.role !== drawn.role) mark(drawn, cell.role);
    else if (!recoloured) return;
    if (drawn.mark) {
      put(drawn.mark, "stroke", palette.inkOn(fill));
      put(drawn.mark, "fill", cell.role === "winner" ? palette.inkOn(fill) : "none");
    }
  }
}

const pattern = s("g", { role: "gridcell", tabindex: -1 }, s("rect", { width: UNIT, height: UNIT }));
const letter = s("text", { "aria-hidden": "true" });

function made(row: number, column: number): Drawn {
  const group = pattern.cloneNode(true) as SVGGElement;
  const box = group.firstElementChild as SVGRectElement;
  const [x, y] = [column * UNIT, row * UNIT];
  box.setAttribute("x", String(x));
  box.setAttribute("y", String(y));
  return { group, box, text: null, mark: null, x, y, fill: "", ink: "", said: "", role: null, name: "", entry: false, selected: null };
}

/** A cell without words has no element for them. */
function write(drawn: Drawn, said: string, ink: string): void {
  drawn.said = said;
  if (!said) {
    drawn.text?.remove();
    drawn.text = null;
    return;
  }
  if (!drawn.text) {
    drawn.text = letter.cloneNode() as SVGTextElement;
    drawn.text.setAttribute("x", String(drawn.x + UNIT / 2));
    drawn.text.setAttribute("y", String(drawn.y + UNIT / 2));
    drawn.text.setAttribute("fill", (drawn.ink = ink));
    drawn.group.append(drawn.text);
  }
  drawn.text.textContent = said;
}

function mark(drawn: Drawn, role: string): void {
  drawn.role = role;
  put(drawn.group, "class", `cell role-${role}`);
  drawn.mark?.remove();
  drawn.mark = null;
  if (!Object.hasOwn(MARKED, role)) return;
  drawn.mark = s("path", { class: "mark", d: `M${drawn.x} ${drawn.y}${MARKED[role]}` });
  drawn.box.after(drawn.mark);
}
