/** How large cells are: equal within a row of grids, as large as the width allows, never too small for a finger. */

import type { Grid, Scene } from "../scene.ts";

const LARGEST = 46;
const FINGER = 24;
const SMALLEST = 7;
/** What has more rows than TALL is made to fit a screen's height. */
const TALL = 16;
const HEIGHT = 680;
/** Cells of grids that are pictures side by side may be as small. */
const PIXEL = 5;
const GAP = 40;
/** A grid takes at least as much, for its title. */
const NARROWEST = 136;

/** Rows of the layout that name a grid that there is. */
export function rowsOf(scene: Scene): Grid[][] {
  const known = new Map(scene.grids.map((grid) => [grid.id, grid]));
  return scene.layout.map((row) => row.flatMap((id) => known.get(id) ?? [])).filter((row) => row.length > 0);
}

/** The side of a cell in pixels, by the id of its grid. */
export function cellSizes(scene: Scene, width: number): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const row of rowsOf(scene)) {
    const beside = together(row, width);
    for (const grid of row) sizes.set(grid.id, Math.min(beside || alone(grid, width), high(grid)));
  }
  return sizes;
}

/** The largest side with which a row fits, or as much of a row of pictures as can be; 0: it does not. */
function together(row: Grid[], width: number): number {
  const pictures = row.length > 2 && row.every((grid) => grid.columns > TALL);
  for (let count = row.length; count > 1; count--) {
    const least = pictures ? PIXEL : FINGER + 2;
    for (let size = LARGEST; size >= least; size--) {
      const taken = row.slice(0, count).reduce((sum, grid) => sum + Math.max(grid.columns * size, NARROWEST), GAP * (count - 1));
      if (taken <= width) return size;
    }
    if (!pictures) break;
  }
  return row.length === 1 ? Math.min(LARGEST, alone(row[0]!, width)) : 0;
}

/** For a screen of many grids: the largest takes a quarter of the width, or all of a narrow one; small ones stay usable. */
export function smallSizes(scene: Scene, width: number): Map<string, number> {
  const columns = Math.max(...scene.grids.map((grid) => grid.columns));
  const size = Math.min(22, Math.max(SMALLEST, Math.floor(Math.min(width, Math.max(width / 4, 260)) / columns)));
  return new Map(scene.grids.map((grid) => [grid.id, Math.max(size, Math.min(22, Math.floor(96 / grid.columns)))]));
}

function high({ rows }: Grid): number {
  return rows > TALL ? Math.max(Math.floor(HEIGHT / rows), SMALLEST) : LARGEST;
}

/** The side of a cell in a grid that has a row of the page to itself. */
function alone(grid: Grid, width: number): number {
  const fits = Math.floor(width / grid.columns);
  const wished = grid.columns > TALL ? Math.min(LARGEST, Math.floor(640 / grid.columns)) : 36;
  const least = grid.columns > TALL ? SMALLEST : FINGER;
  return Math.max(Math.min(fits, wished), least);
}
