/** Grids above 32 × 32 on a canvas, with the one cell that has the focus as an element over it. */

import { h, put } from "./dom.ts";
import { rgb } from "./colours.ts";
import { cellAt, fillOf, lettering, MARKED, UNIT, type Surface, type View } from "./surface.ts";

/** The element of a tiny cell is still as large as a finger. */
const FINGER = 24;

export class CanvasSurface implements Surface {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { role: "img" });
  private readonly row = h("div", { role: "row" });
  private readonly over = h("div", { role: "grid", class: "over" }, this.row);
  private current: HTMLElement | null = null;
  private painted: View | null = null;
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
    if (!this.painted || !alike(this.painted, view)) this.draw();
    this.painted = view;
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

  /** One pixel a cell, which the browser enlarges. */
  private drawPixels(): void {
    const { grid, size, range, palette } = this.view;
    this.canvas.width = grid.columns;
    this.canvas.height = grid.rows;
    this.canvas.style.width = `${size * grid.columns}px`;
    this.canvas.style.height = `${size * grid.rows}px`;
    const pen = this.canvas.getContext("2d")!;
    const image = pen.createImageData(grid.columns, grid.rows);
    grid.cells.forEach((cell, index) => {
      image.data.set(partsOf(fillOf(cell, grid, range, palette)), index * 4);
      image.data[index * 4 + 3] = 255;
    });
    pen.putImageData(image, 0, 0);
  }

  private draw(): void {
    const { grid, size, range, palette } = this.view;
    const plain = !lettering(grid.cells, size) && !grid.cells.some((cell) => Object.hasOwn(MARKED, cell.role));
    this.canvas.classList.toggle("pixels", plain);
    if (plain) return this.drawPixels();
    const dense = window.devicePixelRatio || 1;
    const [width, height] = [size * grid.columns, size * grid.rows];
    this.canvas.width = Math.round(width * dense);
    this.canvas.height = Math.round(height * dense);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d")!;
    pen.scale(dense, dense);
    const letters = (lettering(grid.cells, size) * size) / UNIT;
    pen.font = `${letters}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const gap = letters ? 1 : 0;
    grid.cells.forEach((cell, index) => {
      const x = (index % grid.columns) * size;
      const y = Math.floor(index / grid.columns) * size;
      const fill = fillOf(cell, grid, range, palette);
      pen.fillStyle = fill;
      pen.fillRect(x, y, size - gap, size - gap);
      pen.fillStyle = pen.strokeStyle = palette.inkOn(fill);
      if (letters) pen.fillText(cell.text, x + size / 2, y + size / 2);
      if (cell.role === "cropped" || cell.role === "unread" || cell.role === "padding") stroke(pen, x, y, size);
    });
  }
}

/** Whether two views look the same, marks apart. */
function alike(a: View, b: View): boolean {
  if (a.size !== b.size || a.palette !== b.palette || a.grid.columns !== b.grid.columns || a.grid.scale !== b.grid.scale) return false;
  if (a.range.low !== b.range.low || a.range.high !== b.range.high || a.grid.cells.length !== b.grid.cells.length) return false;
  return a.grid.cells.every((cell, i) => {
    const other = b.grid.cells[i]!;
    return cell.value === other.value && cell.text === other.text && cell.role === other.role;
  });
}

/** The parts of a colour, each colour taken apart once. */
const parts = new Map<string, [number, number, number]>();

function partsOf(fill: string): [number, number, number] {
  if (!parts.has(fill)) parts.set(fill, rgb(fill));
  return parts.get(fill)!;
}

function stroke(pen: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  pen.beginPath();
  pen.moveTo(x, y + size);
  pen.lineTo(x + size, y);
  pen.globalAlpha = 0.5;
  pen.stroke();
  pen.globalAlpha = 1;
}
