/** A scene as one SVG: its grids in their rows, the chosen cell, lines and formula; for slides and papers. */

import type { Grid, Place, Scene } from "../scene.ts";
import { ranges, type Range } from "./colours.ts";
import { rowsOf } from "./layout.ts";
import { outlineOf } from "./marks.ts";
import type { Page } from "./page.ts";
import { fillOf, lettering, MARKED, UNIT } from "./surface.ts";

const GAP = 60;
const TITLE = 34;
const FONT = 'font-family="system-ui, Helvetica, Arial, sans-serif"';

const escaped = (text: string): string => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);

export function figure(scene: Scene, page: Page): string {
  const scales = ranges(scene);
  const corners = new Map<string, [number, number]>();
  let [y, width] = [0, 0];
  let body = "";
  for (const row of rowsOf(scene)) {
    let x = 0;
    for (const grid of row) {
      corners.set(grid.id, [x, y + TITLE]);
      body += drawn(grid, x, y, scales.get(grid.id)!, scene, page);
      x += grid.columns * UNIT + GAP;
    }
    width = Math.max(width, x - GAP);
    y += TITLE + Math.max(...row.map((grid) => grid.rows)) * UNIT + GAP / 2;
  }
  body += lines(scene, corners, page);
  const formula = scene.formula.map((token) => token.text.trim()).join(" ");
  if (formula) {
    body += `<text x="0" y="${y + 12}" font-size="17" fill="${page.palette.ink}">${escaped(formula)}</text>`;
    width = Math.max(width, formula.length * 9);
    y += 28;
  }
  const box = `${-GAP / 2} ${-GAP / 2} ${width + GAP} ${y + GAP}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" ${FONT}>` +
    `<title>${escaped(page.words(scene.title))}</title>` +
    `<rect x="${-GAP / 2}" y="${-GAP / 2}" width="100%" height="100%" fill="${page.palette.paper}"/>${body}</svg>\n`;
}

function drawn(grid: Grid, x: number, y: number, range: Range, scene: Scene, page: Page): string {
  const { palette } = page;
  const letters = lettering(grid.cells, UNIT);
  let text = `<text x="${x}" y="${y + 20}" font-size="16" fill="${palette.ink}">${escaped(page.words(grid.title))}</text>`;
  text += `<g transform="translate(${x} ${y + TITLE})" text-anchor="middle" font-size="${letters.toFixed(1)}">`;
  grid.cells.forEach((cell, index) => {
    const fill = fillOf(cell, grid, range, palette);
    const [left, top] = [(index % grid.columns) * UNIT, Math.floor(index / grid.columns) * UNIT];
    const ink = palette.inkOn(fill);
    text += `<rect x="${left}" y="${top}" width="${UNIT}" height="${UNIT}" fill="${fill}" stroke="${palette.line}"/>`;
    const mark = MARKED[cell.role];
    if (mark) text += `<path d="M${left} ${top}${mark}" stroke="${ink}" stroke-opacity=".4" fill="none"/>`;
    if (cell.text) {
      text += `<text x="${left + UNIT / 2}" y="${top + UNIT / 2}" dy=".35em" fill="${ink}">${escaped(cell.text)}</text>`;
    }
  });
  const ends = scene.links.flatMap(({ source, target }) => [source, target]);
  const lit = new Set(ends.filter(([id]) => id === grid.id).map(([, index]) => index));
  if (lit.size) text += `<path d="${outlineOf(lit, grid.columns)}" stroke="${palette.accent}" stroke-width="3" stroke-linecap="square"/>`;
  return text + "</g>";
}

function lines(scene: Scene, corners: Map<string, [number, number]>, page: Page): string {
  const known = new Map(scene.grids.map((grid) => [grid.id, grid]));
  const middle = ([id, index]: Place): [number, number] | null => {
    const [grid, corner] = [known.get(id), corners.get(id)];
    if (!grid || !corner) return null;
    return [corner[0] + ((index % grid.columns) + 0.5) * UNIT, corner[1] + (Math.floor(index / grid.columns) + 0.5) * UNIT];
  };
  let paths = "";
  for (const { source, target } of scene.links) {
    const [from, to] = [middle(source), middle(target)];
    if (!from || !to || source[0] === target[0]) continue;
    const half = (from[0] + to[0]) / 2;
    paths += `<path d="M${from.join(" ")}C${half} ${from[1]} ${half} ${to[1]} ${to.join(" ")}"/>`;
  }
  return paths && `<g fill="none" stroke="${page.palette.accent}" stroke-opacity=".45">${paths}</g>`;
}
