/** What a painted grid is to its view, whether SVG or canvas paints it. */

import type { Cell, Grid } from "../scene.ts";
import type { Palette, Range } from "./colours.ts";

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

/** The size of a grid's letters in units: the longest number still fits its cell. 0: too small to be read. */
export function lettering(cells: readonly Cell[], size: number): number {
  let longest = 1;
  for (const { text } of cells) if (text.length > longest) longest = text.length;
  const units = Math.min(UNIT * 0.42, (UNIT * 0.86) / (longest * 0.58));
  return (units * size) / UNIT >= 7 ? units : 0;
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

/** Roles that carry a mark besides their colour. */
export const MARKED: Record<string, string> = {
  winner: `M${UNIT} 0v11l-11-11z`,
  cropped: `M3 ${UNIT - 3}L${UNIT - 3} 3`,
  unread: `M0 ${UNIT / 2}L${UNIT / 2} 0M0 ${UNIT}L${UNIT} 0M${UNIT / 2} ${UNIT}L${UNIT} ${UNIT / 2}`,
  padding: `M0 8L8 0M0 ${UNIT}L${UNIT} 0M${UNIT - 8} ${UNIT}L${UNIT} ${UNIT - 8}`,
  extra: `M${UNIT - 12} 7h8M${UNIT - 8} 3v8`,
  changed: `M3 3h8M3 3v8`,
  zero: `M${UNIT / 2 - 5} ${UNIT - 6}h10`,
};

export function cellAt(event: MouseEvent, box: DOMRect, { rows, columns }: Grid): number {
  const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
  const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
  return row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : -1;
}
