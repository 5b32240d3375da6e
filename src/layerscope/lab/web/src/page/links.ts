/** Which cells are lit, and the lines from the cells that are read to the cell that reads them. */

import type { Grid, Link, Place, Scene } from "../scene.ts";
import { put, s } from "./dom.ts";
import type { Lit } from "./marks.ts";

const MOST_LINES = 64;

/** The links that a looked-at cell takes part in, or all of the scene's. */
export function linksOf(scene: Scene, looked: Place | null, readers: readonly Link[]): readonly Link[] {
  if (!looked) return scene.links;
  const here = (place: Place): boolean => place[0] === looked[0] && place[1] === looked[1];
  const own = scene.links.filter((link) => here(link.source) || here(link.target));
  return readers.length ? readers : own;
}

/** The lit cells of each grid: ends of links, and the cell that is looked at. */
export function litOf(links: readonly Link[], looked: Place | null): Map<string, Lit> {
  const lit = new Map<string, Lit>();
  const of = (id: string): Lit => {
    if (!lit.has(id)) lit.set(id, { read: new Set(), strong: new Set() });
    return lit.get(id)!;
  };
  for (const { source, target, role } of links) {
    of(source[0])[role === "switch" ? "strong" : "read"].add(source[1]);
    of(target[0]).read.add(target[1]);
  }
  if (looked) of(looked[0]).strong.add(looked[1]);
  return lit;
}

type Box = [x: number, y: number, width: number, height: number];

/** Bands where one cell reads many or many read one; single lines else. */
export class Lines {
  readonly element = s("svg", { class: "lines", "aria-hidden": "true" });
  private paths: SVGPathElement[] = [];

  /** `planes`: where the grids stand on the page. */
  draw(links: readonly Link[], grids: readonly Grid[], planes: Map<string, HTMLElement>, host: HTMLElement): void {
    const place = placer(grids, planes, host.getBoundingClientRect());
    const drawn: [d: string, kind: string][] = [];
    for (const group of grouped(links)) {
      if (hidden(group, grids, place)) continue;
      const [froms, tos] = [boxes(group.map((link) => link.source), place), boxes(group.map((link) => link.target), place)];
      if (!froms.length || !tos.length) continue;
      if (group.length > 2 && (froms.length === 1 || tos.length === 1)) drawn.push([band(hull(froms), hull(tos)), "band"]);
      else if (group.length <= MOST_LINES) {
        for (const link of group) {
          const [from, to] = [place(link.source), place(link.target)];
          if (from && to) drawn.push([curve(from, to), ""]);
        }
      }
      for (const link of group) {
        const [from, to] = [place(link.source), place(link.target)];
        if (link.role === "switch" && from && to) drawn.push([curve(from, to), "strong"]);
      }
    }
    this.fill(drawn);
  }

  private fill(drawn: [d: string, kind: string][]): void {
    while (this.paths.length < drawn.length) {
      const path = s("path");
      this.paths.push(path);
      this.element.append(path);
    }
    this.paths.forEach((path, i) => {
      put(path, "d", drawn[i]?.[0] ?? "");
      put(path, "class", drawn[i]?.[1] || null);
    });
  }
}

/** Links between the same two grids belong together; within one grid no line is drawn. */
function grouped(links: readonly Link[]): Link[][] {
  const groups = new Map<string, Link[]>();
  for (const link of links) {
    if (link.source[0] === link.target[0]) continue;
    const key = `${link.source[0]} ${link.target[0]}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key)!.push(link);
  }
  return [...groups.values()];
}

/** Where a cell is, measured from the corner of the stage. */
function placer(grids: readonly Grid[], planes: Map<string, HTMLElement>, home: DOMRect): (place: Place) => Box | null {
  const known = new Map(grids.map((grid) => [grid.id, grid]));
  const measured = new Map<string, DOMRect>();
  return ([id, index]) => {
    const [grid, plane] = [known.get(id), planes.get(id)];
    const marks = plane?.querySelector(".marks");
    if (!grid || !marks) return null;
    if (!measured.has(id)) measured.set(id, marks.getBoundingClientRect());
    const box = measured.get(id)!;
    const [wide, high] = [box.width / grid.columns, box.height / grid.rows];
    const [row, column] = [Math.floor(index / grid.columns), index % grid.columns];
    return [box.left - home.left + column * wide, box.top - home.top + row * high, wide, high];
  };
}

function boxes(places: Place[], place: (one: Place) => Box | null): Box[] {
  const different = new Map(places.map((one) => [one.join(":"), one]));
  return [...different.values()].flatMap((one) => { const box = place(one); return box ? [box] : []; });
}

/** Lines that would cross a third grid are not drawn: outlines say it there. */
function hidden(group: Link[], grids: readonly Grid[], place: (one: Place) => Box | null): boolean {
  const whole = (grid: Grid): Box[] => boxes([[grid.id, 0], [grid.id, grid.rows * grid.columns - 1]], place);
  const ends = [group[0]!.source[0], group[0]!.target[0]];
  const [from, to] = ends.map((id) => grids.filter((grid) => grid.id === id).flatMap(whole));
  if (!from!.length || !to!.length) return true;
  const [own, other] = [hull(boxes(group.map((link) => link.source), place)), hull(boxes(group.map((link) => link.target), place))];
  const { across, a, b, half } = facing(own, other);
  const span: Box = across
    ? hull([[a[0], a[1] - half[0], 0, 2 * half[0]], [b[0], b[1] - half[1], 0, 2 * half[1]]])
    : hull([[a[0] - half[0], a[1], 2 * half[0], 0], [b[0] - half[1], b[1], 2 * half[1], 0]]);
  return grids.some((grid) => !ends.includes(grid.id) && whole(grid).length > 0 && meet(hull(whole(grid)), span));
}

const meet = (a: Box, b: Box): boolean =>
  a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3];

function hull(all: Box[]): Box {
  const [left, top] = [Math.min(...all.map((box) => box[0])), Math.min(...all.map((box) => box[1]))];
  const right = Math.max(...all.map((box) => box[0] + box[2]));
  const bottom = Math.max(...all.map((box) => box[1] + box[3]));
  return [left, top, right - left, bottom - top];
}

/** The sides of two boxes that face each other: a point of the first, of the second, and the edges' half lengths. */
function facing(from: Box, to: Box): { across: boolean; a: [number, number]; b: [number, number]; half: [number, number] } {
  const middle = ([x, y, wide, high]: Box): [number, number] => [x + wide / 2, y + high / 2];
  const [start, end] = [middle(from), middle(to)];
  const gaps = [Math.abs(end[0] - start[0]) - (from[2] + to[2]) / 2, Math.abs(end[1] - start[1]) - (from[3] + to[3]) / 2];
  const across = gaps[0]! >= gaps[1]!;
  const axis = across ? 0 : 1;
  const way = Math.sign(end[axis] - start[axis]);
  start[axis] += (way * from[axis + 2]!) / 2;
  end[axis] -= (way * to[axis + 2]!) / 2;
  return { across, a: start, b: end, half: [from[3 - axis]! / 2, to[3 - axis]! / 2] };
}

function curve(from: Box, to: Box): string {
  const { across, a, b } = facing(from, to);
  return `M${at(a)}${bend(a, b, across)}`;
}

function band(from: Box, to: Box): string {
  const { across, a, b, half } = facing(from, to);
  const off = ([x, y]: [number, number], by: number): [number, number] => (across ? [x, y + by] : [x + by, y]);
  const [a0, a1, b0, b1] = [off(a, -half[0]), off(a, half[0]), off(b, -half[1]), off(b, half[1])];
  return `M${at(a0)}${bend(a0, b0, across)}L${at(b1)}${bend(b1, a1, across)}`;
}

function bend(a: [number, number], b: [number, number], across: boolean): string {
  const middle = across ? (a[0] + b[0]) / 2 : (a[1] + b[1]) / 2;
  const [c, e]: [number, number][] = across ? [[middle, a[1]], [middle, b[1]]] : [[a[0], middle], [b[0], middle]];
  return `C${at(c!)} ${at(e!)} ${at(b)}`;
}

const at = (point: [number, number]): string => point.map((part) => Math.round(part * 10) / 10).join(" ");
