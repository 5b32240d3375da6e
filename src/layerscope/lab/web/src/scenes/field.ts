/** Receptive fields through a whole chain: the twin of lab/scenes/field.py. */

import { count, extent, members, single, type Indices } from "../net/indices.ts";
import { spatialAxes } from "../net/fields.ts";
import { read, row, type Net } from "../net/net.ts";
import { around, demanded, reached, whole, type Box, type Region } from "../net/regions.ts";
import { text } from "../numbers.ts";
import {
  cell, grid, say, scene, token, type Args, type Clamp, type Grid, type Scene, type Settings, type Text, type Token,
} from "../scene.ts";

const LARGEST = 32;
const MOST_CELLS = 65536;
const POINTWISE = ["Activation", "LeakyReLU", "Dropout", "BatchNormalization", "Identity"];

type Plane = [rows: number, columns: number];
type Hull = [row: number, column: number, rows: number, columns: number];
interface Lit { count: number | null; hull: Hull | null; places: Set<string> }
interface Size { count: number; rows: number; columns: number }

const key = (row: number, column: number): string => `${row},${column}`;
const missing = ({ hull, count }: Lit): number => (hull && count !== null ? hull[2] * hull[3] - count : 0);

export default function field(settings: Settings): Scene {
  const net = read(settings.net);
  if (!net.nodes.length) return empty(settings, net, null);
  const clamped: Clamp[] = [];
  const stage = stageOf(settings, net, clamped);
  const forward = settings.mode === "forward";
  const start = forward ? 0 : stage;
  const plane = planeOf(net, start);
  const range = [...net.nodes.keys()];
  if (!plane || range.some((n) => !planeOf(net, n))) return empty(settings, net, say("field.axes"));
  const place = plane.map((size, i) => Math.min(Math.max(settings.cell[i], 0), size - 1)) as [number, number];
  settings.cell = place;
  const box = boxOf(net, start, place);
  const regions = forward ? reached(net.nodes, box) : demanded(net.nodes, stage, box);
  const lit = range.map((n) => litOf(net, n, regions[n]));
  const unread = unreadOf(net);
  const shown = range.filter((n) => drawn(net, n, stage));
  const grids = shown.map((n) => planeGrid(net, n, lit[n]!, unread, start, forward));
  const sizes = forward ? null : sizesOf(net, stage);
  const sized = sizes !== null && Math.max(...plane) <= LARGEST;
  if (sized) grids.push(sizeGrid(sizes, plane));
  return scene({
    screen: "field", settings, title: say("field.title"), clamped, grids,
    layout: [...shown.map((n) => [`stage${n}`]), ...(sized ? [["sizes"]] : [])],
    selected: shown.includes(start) ? [`stage${start}`, place[0] * plane[1] + place[1]] : null,
    formula: formula(lit[forward ? stage : 0]!),
    law: law(net, stage),
    code: code(net, stage, forward, place),
    why: why(net, stage, forward, lit, sizes, unread),
    data: {
      rows: range.map((n) => rowOf(net, n, lit[n]!, shown.includes(n) ? `stage${n}` : "")),
      sizes: sizes && ends(sizes),
      unbounded: row(net, stage).field,
      unread: unread.size,
      rest: net.stages.slice(net.nodes.length),
      trouble: net.trouble && net.trouble.why,
    },
  });
}

function stageOf(settings: Settings, net: Net, clamped: Clamp[]): number {
  const asked: number = settings.layer;
  const last = net.nodes.length - 1;
  if (asked > last) {
    clamped.push({ name: "layer", asked: String(asked), used: String(last), why: say("field.clamp.layer", { last }) });
    settings.layer = last;
  }
  return asked < 0 ? last : Math.min(asked, last);
}

/** No planes: the text is wrong from its start, or has no planes. */
function empty(settings: Settings, net: Net, why: Text | null): Scene {
  const trouble = net.trouble && net.trouble.why;
  return scene({
    screen: "field", settings, title: say("field.title"), grids: [], layout: [],
    why: [why ?? trouble ?? say("net.empty")],
    data: { rows: [], sizes: null, unbounded: [], unread: 0, rest: net.stages, trouble },
  });
}

const shapeOf = (net: Net, stage: number): number[] => net.nodes[stage]!.made[0]!.shape;

/** Rows and columns of a stage's tensor; a vector is one row, what has more axes than an image has none. */
function planeOf(net: Net, stage: number): Plane | null {
  const shape = shapeOf(net, stage);
  const sizes = spatialAxes(shape.length).map((axis) => shape[axis]!);
  return sizes.length > 2 ? null : ([1, 1, ...sizes].slice(-2) as Plane);
}

/** One cell of a plane, with all its channels. */
function boxOf(net: Net, stage: number, place: [number, number]): Box {
  const box = whole(shapeOf(net, stage));
  const axes = spatialAxes(box.length);
  axes.forEach((axis, i) => { box[axis] = single(place[2 - axes.length + i]!); });
  return box;
}

/** A box along the rows and columns of the plane; of a vector the only row. */
function spread(net: Net, stage: number, box: Box): [Indices, Indices] {
  const parts = [single(0), single(0), ...spatialAxes(shapeOf(net, stage).length).map((axis) => box[axis]!)];
  return parts.slice(-2) as [Indices, Indices];
}

function litOf(net: Net, stage: number, region: Region | undefined): Lit {
  if (!region) return { count: 0, hull: null, places: new Set() };
  const [rows, columns] = planeOf(net, stage)!;
  const [down, across] = spread(net, stage, around(region));
  const hull: Hull = [down[0]![0], across[0]![0], extent(down), extent(across)];
  if (rows * columns > MOST_CELLS) {
    return { count: region.length === 1 ? count(down) * count(across) : null, hull, places: new Set() };
  }
  const places = new Set<string>();
  for (const box of region) {
    const [a, b] = spread(net, stage, box).map(members) as [number[], number[]];
    for (const r of a) for (const c of b) places.add(key(r, c));
  }
  return { count: places.size, hull, places };
}

/** Whether a stage's plane is drawn: small enough, and not the one before once more. */
function drawn(net: Net, number: number, stage: number): boolean {
  const kind = net.nodes[number]!.layer?.kind ?? "";
  return Math.max(...planeOf(net, number)!) <= LARGEST && (number === 0 || number === stage || !POINTWISE.includes(kind));
}

/** What holds of a network whichever cell is looked at: the cells that nothing reads, the sizes at every cell of a stage. */
const unreadOf = once((net) => unreadCells(net));
const sizesOf = once((net, stage) => sizesAt(net, stage));

function once<T>(find: (net: Net, stage: number) => T): (net: Net, stage?: number) => T {
  const found = new WeakMap<Net, Map<number, T>>();
  return (net, stage = 0) => {
    if (!found.has(net)) found.set(net, new Map());
    const known = found.get(net)!;
    if (!known.has(stage)) known.set(stage, find(net, stage));
    return known.get(stage)!;
  };
}

/** The cells of the input on which no output depends; none are told of an input too large to draw. */
function unreadCells(net: Net): Set<string> {
  const [rows, columns] = planeOf(net, 0)!;
  const unread = new Set<string>();
  if (Math.max(rows, columns) > LARGEST) return unread;
  const last = net.nodes.length - 1;
  const { places } = litOf(net, 0, demanded(net.nodes, last, whole(shapeOf(net, last)))[0]);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) if (!places.has(key(r, c))) unread.add(key(r, c));
  return unread;
}

function planeGrid(
  net: Net, number: number, lit: Lit, unread: Set<string>, start: number, forward: boolean,
): Grid {
  const [rows, columns] = planeOf(net, number)!;
  const cells = Array.from({ length: rows * columns }, (_, i) => {
    const here = key(Math.floor(i / columns), i % columns);
    if (lit.places.has(here)) return cell(1, "", "lit");
    return cell(0, "", number === 0 && unread.has(here) ? "unread" : "data");
  });
  const title = say("field.stage", { number, words: net.stages[number]!, rows, columns });
  const summary = lit.hull ? say("field.summary", hullWords(lit)) : say("field.summary.none");
  return grid(`stage${number}`, title, rows, columns, cells,
    { scale: "sequential", select: number === start ? "cell" : forward ? "" : `cell&layer=${number}`, summary });
}

function hullWords(lit: Lit): Args {
  const [row, column, rows, columns] = lit.hull ?? [0, 0, 0, 0];
  const words = { row: String(row), column: String(column), rows: String(rows), columns: String(columns) };
  return { count: lit.count ?? rows * columns, ...words };
}

function rowOf(net: Net, number: number, lit: Lit, id: string): object {
  return {
    stage: number, words: net.stages[number], plane: planeOf(net, number), count: lit.count, hull: lit.hull,
    holes: missing(lit) > 0, grid: id,
  };
}

/** The size at every cell of a stage, row by row; null where a plane is too large to ask every cell. */
function sizesAt(net: Net, stage: number): Size[] | null {
  const [rows, columns] = planeOf(net, stage)!;
  if (Math.max(rows, columns, ...planeOf(net, 0)!) > LARGEST) return null;
  return Array.from({ length: rows * columns }, (_, i) => {
    const place: [number, number] = [Math.floor(i / columns), i % columns];
    const region = demanded(net.nodes, stage, boxOf(net, stage, place))[0];
    if (!region) return { count: 0, rows: 0, columns: 0 };
    if (region.length === 1) {
      const [down, across] = spread(net, 0, region[0]!);
      return { count: count(down) * count(across), rows: extent(down), columns: extent(across) };
    }
    const lit = litOf(net, 0, region);
    return { count: lit.count!, rows: lit.hull![2], columns: lit.hull![3] };
  });
}

function sizeGrid(sizes: Size[], [rows, columns]: Plane): Grid {
  const cells = sizes.map((size) => cell(size.count, text(size.count), "result"));
  return grid("sizes", say("field.sizes"), rows, columns, cells, { scale: "sequential", select: "cell" });
}

function ends(sizes: Size[]): Record<keyof Size, [number, number]> {
  const range = (name: keyof Size): [number, number] => {
    const found = sizes.map((size) => size[name]);
    return [Math.min(...found), Math.max(...found)];
  };
  return { count: range("count"), rows: range("rows"), columns: range("columns") };
}

/** Rows × columns of the box around the set, and how many cells of it are in the set. */
function formula(lit: Lit): Token[] {
  if (!lit.hull) return [token("0")];
  const [, , rows, columns] = lit.hull;
  return [
    token(String(rows)), token("×", "operator"), token(String(columns)), token(missing(lit) ? ">" : "=", "operator"),
    token(String(rows * columns - missing(lit))),
  ];
}

/** The receptive field on an unbounded input along each axis, as a range over positions. */
function law(net: Net, stage: number): Token[] {
  const tokens: Token[] = [];
  for (const one of row(net, stage).field) {
    if (tokens.length) tokens.push(token("×", "operator"));
    if (!one) tokens.push(token("∀", "name"));
    else if (one[0] === one[1]) tokens.push(token(String(one[0])));
    else tokens.push(token(String(one[0])), token("–", "operator"), token(String(one[1])));
  }
  return tokens;
}

function code(net: Net, stage: number, forward: boolean, place: [number, number]): Record<string, string> {
  const way = `${forward ? "--of-input" : "--at"} ${place.join(",")}`;
  return { layerscope: `layerscope field "${net.text}" ${net.names[stage]} ${way}` };
}

function why(
  net: Net, stage: number, forward: boolean, lit: Lit[], sizes: Size[] | null, unread: Set<string>,
): Text[] {
  const there = lit[forward ? stage : 0]!;
  const told = net.trouble ? [net.trouble.why] : [];
  if (net.nodes.some((_, n) => Math.max(...planeOf(net, n)!) > LARGEST)) told.push(say("field.large", { most: LARGEST }));
  const way = forward ? "field.forward" : "field.back";
  told.push(there.hull ? say(way, hullWords(there)) : say(`${way}.none`));
  if (missing(there)) told.push(say("field.holes", { missing: missing(there) }));
  if (sizes) {
    const [least, most] = ends(sizes).count;
    told.push(say(least === most ? "field.constant" : "field.varies", { least, most }));
  }
  const extents = row(net, stage).field;
  if (extents.length && extents.every((one) => one !== null)) {
    const size = extents.map(([least, most]) => (least === most ? String(least) : `${least}–${most}`)).join("×");
    told.push(say("field.unbounded", { size }));
  }
  if (extents.some((one) => one && one[0] !== one[1])) told.push(say("field.decoder"));
  if (unread.size) told.push(say("field.unread", { count: unread.size }));
  return told;
}
