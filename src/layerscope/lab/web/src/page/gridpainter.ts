/** Draws a scene's grids in its rows, with lines between them: what most screens need. */

import type { Grid, Scene } from "../scene.ts";
import { ranges } from "./colours.ts";
import { h, put } from "./dom.ts";
import { GridView } from "./grid.ts";
import { cellSizes, rowsOf, smallSizes } from "./layout.ts";
import { Late } from "./late.ts";
import { Lines, linksOf, litOf } from "./links.ts";
import type { Page, Painter } from "./page.ts";
import { Readers } from "./readers.ts";

/** Cells that are elements: of a grid, and of a screen, grid by grid. Others are on canvases, which are painted sooner. */
const LARGEST_SVG = 14 * 14;
const MOST_SVG = 300;

export class GridPainter implements Painter {
  private host: HTMLElement | null = null;
  private views = new Map<string, GridView>();
  private readonly lines = new Lines();
  /** Grids that one would have to scroll down to are painted after those that are seen. */
  private readonly late = new Late();
  private readonly below = new Set<Element>();
  private readonly seen = new IntersectionObserver((entries) => this.note(entries));
  private readonly body = h("div", { class: "rows" });
  private shape = "";
  private width = 0;
  private resized: ResizeObserver | null = null;
  private page!: Page;
  private scene: Scene | null = null;
  private shown: [palette: unknown, width: number] | null = null;
  private sizes = new Map<string, number>();

  constructor(private readonly readers: Readers, private readonly cells: "large" | "small" = "large") {}

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    if (this.host !== host || !host.contains(this.body)) this.begin(host);
    if (!this.width) this.measure();
    const known = this.scene === scene && this.shown?.[0] === page.palette && this.shown[1] === this.width;
    this.page = page;
    this.scene = scene;
    this.shown = [page.palette, this.width];
    if (!known) this.draw(scene);
    this.light();
  }

  private draw(scene: Scene): void {
    const { page } = this;
    const width = Math.max(this.width, 200);
    const sizes = this.cells === "small" ? smallSizes(scene, width) : cellSizes(scene, width);
    const scales = ranges(scene);
    const steady = page.trying && this.views.size > 0;
    if (!steady) {
      this.arrange(scene, page);
      this.sizes = sizes;
    }
    this.hide(scene);
    const late: (() => void)[] = [];
    let drawn = 0;
    for (const row of rowsOf(scene)) {
      for (const grid of row) {
        const count = grid.cells.length;
        const onCanvas = count > LARGEST_SVG || drawn + count > MOST_SVG;
        if (!onCanvas) drawn += count;
        const size = (steady && this.sizes.get(grid.id)) || sizes.get(grid.id)!;
        const view = this.views.get(grid.id);
        const update = (): void => view?.update(grid, size, scales.get(grid.id)!, onCanvas);
        if (view && this.below.has(view.element)) late.push(update);
        else update();
      }
    }
    this.late.then(late.length ? () => { for (const update of late) update(); this.light(); } : null);
  }

  leave(): void {
    this.late.forget();
    this.seen.disconnect();
    this.resized?.disconnect();
  }

  /** While something is only tried, nothing moves: what it does not have is not seen, what only it has does not come. */
  private hide(scene: Scene): void {
    const there = new Set(scene.layout.flat());
    for (const [id, view] of this.views) view.element.style.visibility = there.has(id) ? "" : "hidden";
  }

  private begin(host: HTMLElement): void {
    this.host = host;
    this.views.clear();
    this.scene = null;
    this.shape = "";
    host.replaceChildren(this.body, this.lines.element);
    this.width = 0;
    this.late.here = this.body;
    this.below.clear();
    this.seen.disconnect();
    this.resized?.disconnect();
    this.resized = new ResizeObserver(() => {
      const { width, scene } = this;
      this.measure();
      if (!width || !scene) return;
      if (width !== this.width) this.paint(host, scene, this.page);
      else this.light();  // what stands above may have become higher
    });
    this.resized.observe(host);
  }

  /** Asked when it changes only: to ask for it at each scene would lay the page out twice. */
  private measure(): void {
    this.width = this.host!.clientWidth;
  }

  /** Puts the grids into their rows, where these changed. */
  private arrange(scene: Scene, page: Page): void {
    const rows = rowsOf(scene);
    const shape = JSON.stringify(rows.map((row) => [even(row), row.map((grid) => grid.id)]));
    if (shape === this.shape) return;
    this.shape = shape;
    const old = this.views;
    this.views = new Map();
    const lines = rows.map((row, i) => {
      const line = (this.body.children[i] as HTMLElement | undefined) ?? h("div");
      put(line, "class", even(row) ? "row even" : "row");
      arranged(line, row.map((grid) => {
        const view = old.get(grid.id) ?? new GridView(page);
        if (!old.has(grid.id)) this.seen.observe(view.element);
        this.views.set(grid.id, view);
        return view.element;
      }));
      return line;
    });
    arranged(this.body, lines);
    for (const [id, view] of old) if (!this.views.has(id)) this.seen.unobserve(view.element);
  }

  private note(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      if (!isIntersecting && boundingClientRect.top > 0) this.below.add(target);
      else this.below.delete(target);
    }
  }

  private light(): void {
    const [scene, { looked, trying }] = [this.scene!, this.page];
    const readers = looked ? this.readers.of(looked, scene, () => this.light()) : [];
    const links = linksOf(scene, looked, readers);
    const lit = litOf(links, looked);
    for (const [id, view] of this.views) view.light(lit.get(id), trying);
    const planes = new Map([...this.views].map(([id, view]) => [id, view.plane]));
    this.lines.draw(links, scene.grids, planes, this.host!);
  }
}

/** Grids of one height stand on one line, whatever the length of their titles. */
const even = (row: Grid[]): boolean => row.every((grid) => grid.rows === row[0]!.rows);

/** Makes these the children of an element and moves as few as possible: one that is moved would lose the focus. */
function arranged(parent: HTMLElement, children: HTMLElement[]): void {
  const kept = new Set<Element>(children);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  children.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}
