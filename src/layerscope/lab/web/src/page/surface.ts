/** What a painted grid is to its view, whether SVG or canvas paints it. */

import type { Cell, Grid } from "../scene.ts";
import { packed, type Palette, type Range } from "./colours.ts";

export interface View {
  grid: Grid;
  /** Pixels of a cell's side. */
  size: number;
  range: Range;
  palette: Palette;
  lang: string;
  /** The cell that is chosen, or −1. */
  selected: number;
  /** The cell where the tab key enters. */
  entry: number;
  /** What a cell is called: its place, text and role. */
  name(index: number): string;
}

export interface Surface {
  readonly element: HTMLElement;
  /** Its name, and the id of the element that says it in a sentence. */
  describe(name: string, summary: string): void;
  update(view: View): void;
  focus(index: number): void;
  /** The cell in which an event took place, or −1. */
  at(event: MouseEvent): number;
}

/** Units of a drawing per cell; what is on the screen is larger or smaller as a whole. */
export const UNIT = 40;

const LARGEST_LETTER = 0.42;
const SMALLEST_LETTER = 7;

/** The size of a grid's letters in units: the longest number still fits its cell. 0: too small to be read. */
export function lettering(cells: readonly Cell[], size: number): number {
  if (size * LARGEST_LETTER < SMALLEST_LETTER) return 0;
  let longest = 1;
  for (const { text } of cells) if (text.length > longest) longest = text.length;
  const units = Math.min(UNIT * LARGEST_LETTER, (UNIT * 0.86) / (longest * 0.58));
  return (units * size) / UNIT >= SMALLEST_LETTER ? units : 0;
}

/** Roles whose cells are not coloured by their value. */
const FADED = new Set(["cropped", "unread"]);
const HOLLOW = new Set(["padding", "zero", "empty"]);

/** The colour of a cell: of its value, or of its role where that says more. */
export function fillOf(cell: Cell, grid: Grid, range: Range, palette: Palette): string {
  if (cell.role === "lit") return palette.lit;
  if (FADED.has(cell.role)) return palette.faded(palette.fill(cell.value, grid.scale, range));
  return HOLLOW.has(cell.role) ? palette.paper : palette.fill(cell.value, grid.scale, range);
}

/** The same as a pixel of an image. */
export function pixelOf(cell: Cell, grid: Grid, range: Range, palette: Palette): number {
  const { role } = cell;
  if (role === "lit" || FADED.has(role) || HOLLOW.has(role)) return packed(fillOf(cell, grid, range, palette));
  return palette.pixel(cell.value, grid.scale, range);
}

/** Roles that carry a mark besides their colour: paths from a cell's corner, which they follow. */
export const MARKED: Record<string, string> = {
  winner: `m${UNIT} 0v11l-11-11z`,
  cropped: `m3 ${UNIT - 3}l${UNIT - 6}-${UNIT - 6}`,
  unread: `m0 ${UNIT / 2}l${UNIT / 2}-${UNIT / 2}m-${UNIT / 2} ${UNIT}l${UNIT}-${UNIT}m-${UNIT / 2} ${UNIT}l${UNIT / 2}-${UNIT / 2}`,
  padding: `m0 8l8-8m-8 ${UNIT}l${UNIT}-${UNIT}m-8 ${UNIT}l8-8`,
  extra: `m${UNIT - 12} 7h8m-4-4v8`,
  changed: `m3 3h8m-8 0v8`,
  zero: `m${UNIT / 2 - 5} ${UNIT - 6}h10`,
};

export function cellAt(event: MouseEvent, box: DOMRect, { rows, columns }: Grid): number {
  const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
  const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
  return row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : -1;
}
