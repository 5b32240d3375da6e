/** Grids up to 32 × 32 as SVG: each cell an element with its number, its name for a screen reader, and a tab stop. */

import type { Cell } from "../scene.ts";
import { h, put, s, tell } from "./dom.ts";
import { cellAt, fillOf, lettering, MARKED, UNIT, type Surface, type View } from "./surface.ts";

interface Drawn { group: SVGGElement; box: SVGRectElement; text: SVGTextElement; mark: SVGPathElement | null; role: string }

export class SvgSurface implements Surface {
  readonly element: HTMLElement;
  private readonly svg = s("svg", { role: "presentation" });
  private drawn: Drawn[] = [];
  private shape = "";
  private view!: View;

  constructor(label: string) {
    this.element = h("div", { role: "grid", class: "surface", "aria-label": label }, this.svg);
  }

  update(view: View): void {
    this.view = view;
    const { grid, size } = view;
    const shape = `${grid.rows}x${grid.columns}`;
    if (shape !== this.shape) this.build(shape);
    put(this.svg, "width", size * grid.columns);
    put(this.svg, "height", size * grid.rows);
    const letters = lettering(grid.cells, size);
    put(this.svg, "font-size", letters || 1);
    put(this.svg, "class", letters || size >= 16 ? null : "fine");
    grid.cells.forEach((cell, index) => this.paint(this.drawn[index]!, cell, index, letters));
  }

  focus(index: number): void {
    this.drawn[index]?.group.focus();
  }

  at(event: MouseEvent): number {
    return cellAt(event, this.svg.getBoundingClientRect(), this.view.grid);
  }

  private build(shape: string): void {
    const { rows, columns } = this.view.grid;
    this.shape = shape;
    put(this.svg, "viewBox", `0 0 ${columns * UNIT} ${rows * UNIT}`);
    put(this.element, "aria-rowcount", rows);
    put(this.element, "aria-colcount", columns);
    this.drawn = [];
    const lines: SVGGElement[] = [];
    for (let row = 0; row < rows; row++) {
      const line = s("g", { role: "row" });
      for (let column = 0; column < columns; column++) {
        const box = s("rect", { width: UNIT, height: UNIT });
        const text = s("text", { x: UNIT / 2, y: UNIT / 2, "aria-hidden": "true" });
        const group = s(
          "g", { role: "gridcell", transform: `translate(${column * UNIT} ${row * UNIT})`, tabindex: -1 }, box, text,
        );
        line.append(group);
        this.drawn.push({ group, box, text, mark: null, role: "" });
      }
      lines.push(line);
    }
    this.svg.replaceChildren(...lines);
  }

  private paint(drawn: Drawn, cell: Cell, index: number, letters: number): void {
    const { grid, range, palette, selected, entry, name } = this.view;
    const fill = fillOf(cell, grid, range, palette);
    put(drawn.box, "fill", fill);
    put(drawn.text, "fill", palette.inkOn(fill));
    tell(drawn.text, letters ? cell.text : "");
    put(drawn.group, "tabindex", index === entry ? 0 : -1);
    put(drawn.group, "aria-label", name(index));
    put(drawn.group, "aria-selected", grid.select ? String(index === selected) : null);
    if (drawn.role !== cell.role) {
      drawn.role = cell.role;
      put(drawn.group, "class", `cell role-${cell.role}`);
      drawn.mark?.remove();
      drawn.mark = null;
      const mark = Object.hasOwn(MARKED, cell.role) ? MARKED[cell.role]! : "";
      if (mark) drawn.box.after((drawn.mark = s("path", { class: "mark", d: mark })));
    }
    if (drawn.mark) {
      put(drawn.mark, "stroke", palette.inkOn(fill));
      put(drawn.mark, "fill", cell.role === "winner" ? palette.inkOn(fill) : "none");
    }
  }
}
