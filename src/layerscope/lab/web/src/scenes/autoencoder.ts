/** A digit through an autoencoder: the maps of a layer, the code, several decoders. The twin of scenes/autoencoder.py. */

import { FULL, fitted, read, shifted, SIDE } from "../drawing.ts";
import { forward, kept, type Tensor } from "../network.ts";
import { text } from "../numbers.ts";
import {
  cell, grid, say, scene, token, type Cell, type Clamp, type Grid, type Scene, type Settings, type Text, type Token,
} from "../scene.ts";
import { atMost, law, within } from "./shared.ts";

/** A pixel: its number is put into words when somebody reads it, as a screen has ten thousand of them. */
class Pixel implements Cell {
  readonly role = "data";

  constructor(readonly value: number) {}

  get text(): string {
    return text(this.value);
  }

  toJSON(): Cell {
    return cell(this.value, this.text);
  }
}

const CODE = "code";
const MILLION = 1_000_000;
const HALF = 0.4999;

export interface Facts {
  name: string; mse: number; centred: number | null; usual: number; parameters: number; switches: number;
}

export default function autoencoder(settings: Settings): Scene {
  const clamped: Clamp[] = [];
  const { sheet, placed } = pixels(settings, clamped);
  const { decoder, dx, dy } = settings as { decoder: string; dx: number; dy: number };
  settings.cell = within(settings.cell, SIDE, SIDE);
  const chosen: number = settings.cell[0] * SIDE + settings.cell[1];
  const still = levels(placed);
  const image = levels(shifted(placed, dx, dy));
  const names = Object.keys(kept().networks);
  const made = (name: string): Float64Array => forward(name, image).at(-1)!.values;
  const facts = new Map(names.map((name) => [name, later(() => factsOf(name, made(name), image, dx || dy ? still : null))]));
  const tensors = forward(decoder, image);
  const { layers, switches } = kept().networks[decoder]!;
  atMost(settings, "layer", layers.length - 1, say("autoencoder.clamp.layer"), clamped);
  const layer = layers[settings.layer]!;
  const [, wide, maps] = layer.shape;
  atMost(settings, "map", maps - 1, say("autoencoder.clamp.map", { maps }), clamped);
  const code = layers.findIndex(({ name }) => name === CODE);
  const [rows, columns, count] = layers[code]!.shape;
  const codes = Array.from({ length: count }, (_, n) =>
    plane(`code.${n}`, say("autoencoder.code", { map: n + 1 }), columns, channel(tensors[code]!, n)));
  const title = say("autoencoder.map", { layer: layer.name, kind: say(`kind.${layer.kind}`), map: settings.map + 1, maps });
  return scene({
    screen: "autoencoder", settings, clamped, title: say("autoencoder.title", { count: rows * columns * count }),
    grids: [
      drawn(settings, sheet),
      plane("input", say("autoencoder.input"), SIDE, image, { select: "cell" }),
      plane("map", title, wide, channel(tensors[settings.layer]!, settings.map)),
      ...codes,
      ...names.map((name) => awaited(`made.${name}`, name, "sequential",
        () => say("autoencoder.made", { decoder: called(name), mse: text(facts.get(name)!().mse) }), () => made(name))),
      ...names.map((name) => awaited(`error.${name}`, name, "diverging",
        () => say("autoencoder.error", { decoder: called(name) }), () => made(name).map((v, n) => v - image[n]!))),
    ],
    layout: [
      ["drawing", "input", "map"], codes.map(({ id }) => id), names.map((name) => `made.${name}`),
      names.map((name) => `error.${name}`),
    ],
    selected: [`made.${decoder}`, chosen],
    formula: formula(decoder, chosen, made(decoder)[chosen]!, image[chosen]!),
    law: lawOf([rows, columns, count], switches),
    code: kept().code[decoder]!,
    why: why(settings, facts.get(decoder)!(), rows * columns * count),
    data: {
      get decoders() { return names.map((name) => facts.get(name)!()); },
      layers: layers.map(({ name, kind, shape }) => ({ name, kind, shape })),
    },
  });
}

const called = (decoder: string): Text => say(`autoencoder.choice.decoder.${decoder}`);

const levels = (pixels: readonly number[]): number[] => pixels.map((level) => level / FULL);

/** The sheet as it was drawn, and what the network gets where nothing is moved. */
function pixels(settings: Settings, clamped: Clamp[]): { sheet: number[]; placed: number[] } {
  const found = read(settings.drawn);
  if (!found) {
    clamped.push({ name: "drawn", asked: settings.drawn, used: "", why: say("autoencoder.clamp.drawn") });
    settings.drawn = "";
  }
  if (!found || settings.drawn === "") {
    const sheet = read(kept().digits[settings.digit]!)!;
    return { sheet, placed: sheet };
  }
  return { sheet: found, placed: settings.fit === "mnist" ? fitted(found) : found };
}

function factsOf(name: string, made: Float64Array, image: number[], still: number[] | null): Facts {
  const { mse, parameters, switches } = kept().networks[name]!;
  const centred = still && short(meanSquare(forward(name, still).at(-1)!.values, still));
  return { name, mse: short(meanSquare(made, image)), centred, usual: mse, parameters, switches };
}

const meanSquare = (made: Float64Array, image: number[]): number =>
  made.reduce((sum, v, n) => sum + (v - image[n]!) ** 2, 0) / made.length;

/** Why not 0.5: as in Python. */
const short = (value: number): number => Math.floor(value * MILLION + HALF) / MILLION;

function channel({ shape: [, , count], values }: Tensor, n: number): number[] {
  const found: number[] = [];
  for (let at = n; at < values.length; at += count) found.push(values[at]!);
  return found;
}

function plane(
  id: string, title: Text, columns: number, values: ArrayLike<number>, more: Partial<Pick<Grid, "scale" | "select">> = {},
): Grid {
  return grid(id, title, values.length / columns, columns, inPixels(values), { scale: "sequential", ...more });
}

function inPixels(values: ArrayLike<number>): Cell[] {
  const cells: Cell[] = [];
  for (let n = 0; n < values.length; n++) cells.push(new Pixel(short(values[n]!)));
  return cells;
}

/** Computed when it is read first: the page shows the chosen decoder before the others have run. */
function later<T>(find: () => T): () => T {
  let found: { it: T } | null = null;
  return () => (found ??= { it: find() }).it;
}

function awaited(id: string, decoder: string, scale: Grid["scale"], title: () => Text, values: () => ArrayLike<number>): Grid {
  const [words, cells] = [later(title), later(() => inPixels(values()))];
  return {
    ...grid(id, say(""), SIDE, SIDE, [], { scale, select: `cell&decoder=${decoder}` }),
    get title() { return words(); },
    get cells() { return cells(); },
  };
}

function drawn(settings: Settings, sheet: number[]): Grid {
  const title = settings.drawn === "" ? say("autoencoder.digit", { digit: settings.digit }) : say("autoencoder.drawing");
  return plane("drawing", title, SIDE, levels(sheet));
}

function formula(decoder: string, chosen: number, made: number, given: number): Token[] {
  return [
    token(text(short(made)), "number", [`made.${decoder}`, chosen]), token("−", "operator"),
    token(text(short(given)), "number", ["input", chosen]), token("=", "operator"),
    token(text(short(made - given)), "number", [`error.${decoder}`, chosen]),
  ];
}

/** The numbers in the code (and the bits around it), which are fewer than pixels. */
function lawOf([h, w, c]: [number, number, number], switches: number): Token[] {
  const sign = (text: string): Token => token(text, "operator");
  const side = token(text(SIDE));
  const more = switches ? [sign("+"), token(text(switches)), token("bits", "name")] : [];
  return [
    ...law("h × w × c", h * w * c, { h, w, c }), ...more, sign("<"), side, sign("×"), side, sign("="),
    token(text(SIDE * SIDE)),
  ];
}

function why(settings: Settings, told: Facts, numbers: number): Text[] {
  const mse = text(told.mse);
  return [
    say("autoencoder.why", { numbers, pixels: SIDE * SIDE }),
    say(`autoencoder.why.${settings.decoder}`, { switches: told.switches }),
    say("autoencoder.why.usual", { mse, usual: text(told.usual) }),
    ...(told.centred === null ? [] : [say("autoencoder.why.moved", { mse, centred: text(told.centred) })]),
    ...(settings.drawn === "" ? [] : [say(`autoencoder.why.fit.${settings.fit}`)]),
  ];
}
