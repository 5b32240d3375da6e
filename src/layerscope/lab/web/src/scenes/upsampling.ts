/** Nearest, bed of nails, max unpooling; switches that have gone stale. The twin of lab/scenes/upsampling.py. */

import { text } from "../numbers.ts";
import {
  cell, grid, link, say, scene, token, type Cell, type Clamp, type Grid, type Link, type Place, type Scene,
  type Settings, type Text, type Token,
} from "../scene.ts";
import { cells, law, numbersOf, range, within } from "./shared.ts";

interface Made {
  n: number; s: number; size: number; edit: string;
  image: number[]; code: number[]; switches: number[]; nearest: number[]; nails: number[]; unpooled: number[];
  /** What unpooling gives with the switches of the edited image, and these. */
  fresh: number[]; renewed: number[];
}

export default function upsampling(settings: Settings): Scene {
  const clamped: Clamp[] = [];
  const made = make(settings, clamped);
  const { n, s, size, edit, switches, renewed } = made;
  const [row, column] = (settings.cell = within(settings.cell, n, n));
  const chosen = row * n + column;
  return scene({
    screen: "upsampling", settings, clamped, title: say("upsampling.title", { n, size }),
    grids: grids(made),
    layout: [["image", "code", "switches"], ["nearest", "nails", "unpooled", ...(edit === "none" ? [] : ["fresh"])]],
    links: links(made, chosen), selected: ["code", chosen], formula: formula(made, chosen),
    law: law("n · s", size, { n, s }), code: code(made), why: why(made),
    data: { stale: range(n * n).filter((i) => switches[i] !== renewed[i]) },
  });
}

function make(settings: Settings, clamped: Clamp[]): Made {
  const { n, s, edit } = settings as { n: number; s: number; edit: string };
  const size = n * s;
  const image = numbersOf(settings, "x", size * size, [1, 9], settings.seed, clamped);
  const switches = pooled(n, s, image);
  const other = edited(image, size, edit, s);
  const renewed = pooled(n, s, other);
  const small = edited(switches.map((at) => image[at]!), n, edit, 1);
  const nearest = range(size * size).map((at) => small[Math.floor(Math.floor(at / size) / s) * n + Math.floor((at % size) / s)]!);
  const put = (values: number[], places: number[]): number[] => {
    const plane = Array<number>(size * size).fill(0);
    places.forEach((place, i) => { plane[place] = values[i]!; });
    return plane;
  };
  return {
    n, s, size, edit, image, code: small, switches, nearest, renewed,
    nails: put(small, range(n * n).map((at) => blockOf(n, s, at)[0]!)), unpooled: put(small, switches),
    fresh: put(renewed.map((at) => other[at]!), renewed),
  };
}

/** Where each window's maximum stands; of equal numbers the first. */
const pooled = (n: number, s: number, image: number[]): number[] => range(n * n)
  .map((at) => blockOf(n, s, at).reduce((top, place) => (image[place]! > image[top]! ? place : top)));

function blockOf(n: number, s: number, at: number): number[] {
  const [row, column] = [Math.floor(at / n) * s, (at % n) * s];
  return range(s * s).map((u) => (row + Math.floor(u / s)) * n * s + column + (u % s));
}

/** Mirrored left to right, or moved so many columns to the right, around the edge. */
function edited(plane: number[], side: number, edit: string, by: number): number[] {
  if (edit === "none") return plane;
  return plane.map((_, at) => {
    const column = at % side;
    return plane[at - column + (edit === "mirror" ? side - 1 - column : (column - by + side) % side)]!;
  });
}

function origin({ n, edit }: Made, at: number): number {
  return edited(range(n * n), n, edit, 1)[at]!;
}

function grids(made: Made): Grid[] {
  const { n, s, size, edit, image, code: small, switches, nearest, nails, unpooled, fresh, renewed } = made;
  const winners = new Set(switches);
  const nailed = new Set(range(n * n).map((at) => blockOf(n, s, at)[0]!));
  const put = (values: number[], places: Set<number>): Cell[] =>
    values.map((v, i) => cell(v, text(v), places.has(i) ? "result" : "zero"));
  const plane = (id: string, title: Text, shown: Cell[]): Grid => grid(id, title, size, size, shown, { scale: "sequential" });
  const stale = put(unpooled, winners).map((one, i) => (one.value === fresh[i] ? one : { ...one, role: "changed" }));
  return [
    plane("image", say("upsampling.image", { size }),
      image.map((v, i) => cell(v, text(v), winners.has(i) ? "winner" : "data"))),
    grid("code", say(edit === "none" ? "upsampling.code" : `upsampling.code.${edit}`, { n }), n, n, cells(small),
      { scale: "sequential", select: "cell" }),
    grid("switches", say("grid.switches"), n, n, cells(switches), { scale: "plain", select: "cell" }),
    plane("nearest", say("upsampling.nearest"), cells(nearest, "result")),
    plane("nails", say("upsampling.nails"), put(nails, nailed)),
    plane("unpooled", say("upsampling.unpooled"), stale),
    ...(edit === "none" ? [] : [plane("fresh", say("upsampling.fresh"), put(fresh, new Set(renewed)))]),
  ];
}

function links(made: Made, chosen: number): Link[] {
  const { n, s, switches } = made;
  const small: Place = ["code", chosen];
  const block = blockOf(n, s, chosen);
  const target: Place = ["unpooled", switches[chosen]!];
  const from = origin(made, chosen);
  return [
    ...blockOf(n, s, from).map((at) => link(["image", at], small, at === switches[from] ? "copy" : "read")),
    ...block.map((at) => link(small, ["nearest", at], "copy")),
    link(small, ["nails", block[0]!], "copy"),
    link(small, target, "copy"),
    link(["switches", chosen], target, "switch"),
  ];
}

/** Where unpooling puts the number, and how the switch says it: 8 → (0, 2): 0 · 4 + 2 = 2. */
function formula({ size, code: small, switches }: Made, chosen: number): Token[] {
  const place = switches[chosen]!;
  const plain = (word: string): Token => token(word, "operator");
  const [row, column] = [text(Math.floor(place / size)), text(place % size)];
  return [
    token(text(small[chosen]!), "number", ["code", chosen]), plain("→"),
    plain("("), token(row), plain(", "), token(column), plain("):"),
    token(row), plain("·"), token(text(size)), plain("+"), token(column), plain("="),
    token(text(place), "number", ["switches", chosen]),
  ];
}

function why({ n, s, size, edit, switches, renewed }: Made): Text[] {
  const count = n ** 2;
  const all = size ** 2;
  const stale = switches.filter((at, i) => at !== renewed[i]).length;
  return [
    say("upsampling.why.nearest", { s, copies: s ** 2 }),
    say("upsampling.why.nails", { zeros: all - count, all }),
    say("upsampling.why.unpooled"),
    edit === "none" ? say("upsampling.why.winners", { count, rest: all - count })
      : say("upsampling.why.stale", { stale, count }),
    say("upsampling.why.convt", { s, op: s - 1 }),
  ];
}

function code({ s, size }: Made): Record<string, string> {
  return {
    keras: `UpSampling2D(${s})(code)\nlayerscope.keras.BedOfNails2D(${s})(code)\n` +
      `layerscope.keras.MaxUnpooling2D(${s})([code, switches])`,
    torch: `torch.nn.Upsample(scale_factor=${s})(code)\n` +
      `torch.nn.functional.conv_transpose2d(code, torch.ones(1, 1, 1, 1), stride=${s}, output_padding=${s - 1})\n` +
      `torch.nn.MaxUnpool2d(${s})(code, switches)`,
    numpy: `nearest = code.repeat(${s}, 0).repeat(${s}, 1)\nnails = np.zeros((${size}, ${size}))\n` +
      `nails[::${s}, ::${s}] = code\nunpooled = np.zeros((${size}, ${size}))\nunpooled.flat[switches] = code`,
  };
}
