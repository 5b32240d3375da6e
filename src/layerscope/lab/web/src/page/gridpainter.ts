/** Draws a scene's grids in its rows, with lines between them: what most screens need. */

import type { Grid, Scene } from "../scene.ts";
import { ranges } from "./colours.ts";
import { h, put } from "./dom.ts";
import { GridView } from "./grid.ts";
import { cellSizes, rowsOf, smallSizes } from "./layout.ts";
import { Lines, linksOf, litOf } from "./links.ts";
import type { Page, Painter } from "./page.ts";
import { Readers } from "./readers.ts";

const LARGEST_SVG = 32 * 32;
const MOST_CELLS = 1300;

export class GridPainter implements Painter {
  private host: HTMLElement | null = null;
  private views = new Map<string, GridView>();
  private readonly lines = new Lines();
  private readonly body = h("div", { class: "rows" });
  private shape = "";

  constructor(private readonly readers: Readers, private readonly cells: "large" | "small" = "large") {}

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    if (this.host !== host || !host.contains(this.body)) this.begin(host);
    const width = Math.max(host.clientWidth, 200);
    const sizes = this.cells === "small" ? smallSizes(scene, width) : cellSizes(scene, width);
    const scales = ranges(scene);
    this.arrange(scene, page);
    let drawn = 0;
    for (const row of rowsOf(scene)) {
      for (const grid of row) {
        const count = grid.rows * grid.columns;
        const onCanvas = count > LARGEST_SVG || drawn + count > MOST_CELLS;
        if (!onCanvas) drawn += count;
        this.views.get(grid.id)!.update(grid, sizes.get(grid.id)!, scales.get(grid.id)!, onCanvas);
      }
    }
    this.light(scene, page);
  }

  private begin(host: HTMLElement): void {
    this.host = host;
    this.views.clear();
    this.shape = "";
    host.replaceChildren(this.body, this.lines.element);
  }

  /** Puts the grids into their rows, where these changed. */
  private arrange(scene: Scene, page: Page): void {
    const rows = rowsOf(scene);
    const shape = JSON.stringify(rows.map((row) => [even(row), row.map((grid) => grid.id)]));
    if (shape === this.shape) return;
    this.shape = shape;
    const old = this.views;
    this.views = new Map();
    const lines = rows.map((row) => h("div", { class: even(row) ? "row even" : "row" }, ...row.map((grid) => {
      const view = old.get(grid.id) ?? new GridView(page);
      this.views.set(grid.id, view);
      return view.element;
    })));
    this.body.replaceChildren(...lines);
  }

  private light(scene: Scene, page: Page): void {
    const { looked } = page;
    const readers = looked ? this.readers.of(looked, scene, () => this.light(page.scene, page)) : [];
    const links = linksOf(scene, looked, readers);
    const lit = litOf(links, looked);
    for (const [id, view] of this.views) view.light(lit.get(id), page.trying);
    const planes = new Map([...this.views].map(([id, view]) => [id, view.plane]));
    put(this.lines.element, "width", this.host!.clientWidth);
    put(this.lines.element, "height", this.host!.clientHeight);
    this.lines.draw(links, scene.grids, planes, this.host!);
  }
}

/** Grids of one height stand on one line, whatever the length of their titles. */
const even = (row: Grid[]): boolean => row.every((grid) => grid.rows === row[0]!.rows);
