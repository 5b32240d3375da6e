/** Grids of many cells on a canvas, with the one cell that has the focus as an element over it. */

import { h, put } from "./dom.ts";
import type { Palette } from "./colours.ts";
import type { Cell } from "../scene.ts";
import { cellAt, fillOf, lettering, MARKED, pixelOf, UNIT, type Surface, type View } from "./surface.ts";

/** The element of a tiny cell is still as large as a finger. */
const FINGER = 24;

export class CanvasSurface implements Surface {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { role: "img" });
  private readonly row = h("div", { role: "row" });
  private readonly over = h("div", { role: "grid", class: "over" }, this.row);
  private current: HTMLElement | null = null;
  /** Of each cell, what is painted: its colour, text and role; and on what sheet. */
  private readonly painted: string[] = [];
  private sheet = "";
  private palette: Palette | null = null;
  private view!: View;

  constructor() {
    this.element = h("div", { class: "surface" }, this.canvas, this.over);
  }

  describe(name: string, summary: string): void {
    put(this.canvas, "aria-label", name);
    put(this.over, "aria-label", name);
    put(this.over, "aria-describedby", summary);
  }

  update(view: View): void {
    this.view = view;
    const { rows, columns } = view.grid;
    put(this.over, "aria-rowcount", rows);
    put(this.over, "aria-colcount", columns);
    this.draw();
    const cell = this.current;
    if (!cell || cell !== document.activeElement) {
      this.place(view.entry);
      cell?.remove();
    } else this.name(cell, Number(cell.getAttribute("data-index")));
  }

  /** A new element for each cell, so that a screen reader says each. */
  focus(index: number): void {
    const old = this.current;
    this.place(index).focus();
    old?.remove();
  }

  at(event: MouseEvent): number {
    return cellAt(event, this.canvas.getBoundingClientRect(), this.view.grid);
  }

  private place(index: number): HTMLElement {
    const { grid, size } = this.view;
    const cell = h("div", { role: "gridcell", tabindex: 0, class: "focused", "data-index": index });
    const side = Math.max(size, FINGER);
    cell.style.left = `${(index % grid.columns + 0.5) * size - side / 2}px`;
    cell.style.top = `${(Math.floor(index / grid.columns) + 0.5) * size - side / 2}px`;
    cell.style.width = cell.style.height = `${side}px`;
    this.name(cell, index);
    this.row.append(cell);
    this.current = cell;
    return cell;
  }

  private name(cell: HTMLElement, index: number): void {
    const { columns } = this.view.grid;
    put(cell, "aria-label", this.view.name(index));
    put(this.row, "aria-rowindex", Math.floor(index / columns) + 1);
    put(cell, "aria-colindex", (index % columns) + 1);
    put(cell, "aria-selected", this.view.grid.select ? String(index === this.view.selected) : null);
  }

  /** The cells that look otherwise than what is painted; all where the sheet is another one. */
  private draw(): void {
    const { grid, size, palette } = this.view;
    const letters = (lettering(grid.cells, size) * size) / UNIT;
    const plain = !letters && !grid.cells.some((cell) => Object.hasOwn(MARKED, cell.role));
    const dense = plain ? 1 / size : window.devicePixelRatio || 1;
    const sheet = [grid.rows, grid.columns, size, letters, dense].join();
    if (sheet !== this.sheet || palette !== this.palette) this.begin(sheet, dense, plain);
    if (plain) this.drawPixels();
    else this.drawCells(letters, dense);
  }

  private begin(sheet: string, dense: number, plain: boolean): void {
    const { grid, size, palette } = this.view;
    const [width, height] = [size * grid.columns, size * grid.rows];
    this.sheet = sheet;
    this.palette = palette;
    this.painted.length = 0;
    this.canvas.width = Math.round(width * dense);
    this.canvas.height = Math.round(height * dense);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.classList.toggle("pixels", plain);
  }

  /** One pixel a cell, which the browser enlarges. */
  private drawPixels(): void {
    const { grid, range, palette } = this.view;
    const pen = this.canvas.getContext("2d")!;
    const image = pen.createImageData(grid.columns, grid.rows);
    const pixels = new Uint32Array(image.data.buffer);
    grid.cells.forEach((cell, index) => { pixels[index] = pixelOf(cell, grid, range, palette); });
    pen.putImageData(image, 0, 0);
  }

  private drawCells(letters: number, dense: number): void {
    const { grid, size, range, palette } = this.view;
    const pen = this.canvas.getContext("2d")!;
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.font = `${letters}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const edged = letters > 0 || size >= BROAD;
    grid.cells.forEach((cell, index) => {
      const fill = fillOf(cell, grid, range, palette);
      const look = letters ? `${fill} ${cell.role} ${cell.text}` : `${fill} ${cell.role}`;
      if (this.painted[index] === look) return;
      this.painted[index] = look;
      const [x, y] = [(index % grid.columns) * size, Math.floor(index / grid.columns) * size];
      const ink = palette.inkOn(fill);
      pen.fillStyle = fill;
      pen.fillRect(x, y, size, size);
      if (edged || cell.role === "empty") edge(pen, x, y, size, palette.line, edged ? 1 : FAINT);
      if (Object.hasOwn(MARKED, cell.role)) stroke(pen, cell, x, y, size, ink, palette);
      if (!letters || !cell.text) return;
      pen.fillStyle = SOFT.has(cell.role) ? palette.muted : ink;
      pen.fillText(cell.text, x + size / 2, y + size / 2);
    });
  }
}

/** Cells at least as large have edges, whether or not they have letters; those of empty ones are faint where others have none. */
const BROAD = 16;
const FAINT = 0.35;
/** Roles whose text is soft, and how strong a mark is. */
const SOFT = new Set(["padding", "zero"]);
const STRENGTH: Record<string, number> = { padding: 0.18, extra: 0.8, changed: 0.8 };
const USUAL = 0.38;

function edge(pen: CanvasRenderingContext2D, x: number, y: number, size: number, line: string, strength: number): void {
  pen.globalAlpha = strength;
  pen.fillStyle = line;
  if (x) pen.fillRect(x, y, 1, size);
  if (y) pen.fillRect(x, y, size, 1);
  pen.globalAlpha = 1;
}

const paths = new Map<string, Path2D>();

/** The mark of a cell's role. */
function stroke(pen: CanvasRenderingContext2D, { role }: Cell, x: number, y: number, size: number, ink: string, palette: Palette): void {
  if (!paths.has(role)) paths.set(role, new Path2D(`M0 0${MARKED[role]}`));
  pen.save();
  pen.translate(x, y);
  pen.scale(size / UNIT, size / UNIT);
  pen.fillStyle = ink;
  pen.strokeStyle = SOFT.has(role) ? palette.ink : ink;
  pen.lineWidth = (1.5 * UNIT) / size;
  if (role === "winner") pen.fill(paths.get(role)!);
  else {
    pen.globalAlpha = STRENGTH[role] ?? USUAL;
    pen.stroke(paths.get(role)!);
  }
  pen.restore();
}
