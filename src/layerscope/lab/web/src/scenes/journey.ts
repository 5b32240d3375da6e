/** The whole network as the data's path: the twin of lab/scenes/journey.py. */

import { fixesOf } from "../net/fixes.ts";
import { read, row, totals, type Net, type Row } from "../net/net.ts";
import { amount } from "../numbers.ts";
import {
  cell, grid, say, scene, token, type Cell, type Clamp, type Grid, type Scene, type Settings, type Text, type Token,
} from "../scene.ts";
import { law } from "./laws.ts";
import { ofLayer } from "./links.ts";

const COLUMNS = ["layer", "shape", "ratio", "parameters", "macs", "field"];
const ENLARGING = ["UpSampling2D", "BedOfNails2D", "MaxUnpooling2D", "Conv2DTranspose", "PixelShuffle2D"];

export default function journey(settings: Settings): Scene {
  const net = read(settings.net);
  const rows = net.nodes.map((node, n): Row => ({ ...row(net, n), link: ofLayer(node) }));
  const { trouble } = net;
  const clamped: Clamp[] = [];
  const last = Math.max((trouble && trouble.stage !== null ? net.stages.length : rows.length) - 1, 0);
  if (settings.step > last) {
    const why = say("journey.clamp.step", { last });
    clamped.push({ name: "step", asked: String(settings.step), used: String(last), why });
    settings.step = last;
  }
  const step: number = settings.step;
  const target = targetOf(net, settings.target);
  let wrong: Text | null = trouble ? trouble.why : null;
  if (!wrong && target) {
    wrong = say("journey.off", { out: net.nodes.at(-1)!.made[0]!.shape.join("x"), in: target.join("x") });
  }
  return scene({
    screen: "journey", settings, title: say("journey.title"), clamped,
    grids: [table(rows, net)], layout: [["steps"]], selected: ["steps", step * COLUMNS.length],
    formula: formula(rows, step),
    law: step > 0 && step < net.nodes.length ? law(net.nodes[step]!) : [],
    code: { layerscope: `layerscope trace "${net.text}"` },
    why: why(rows, step, wrong),
    step, steps: last + 1,
    data: {
      rows, rest: net.stages.slice(rows.length), totals: totals(net),
      trouble: wrong && {
        stage: trouble ? trouble.stage : null, start: trouble ? trouble.start : 0, length: trouble ? trouble.length : 0,
        why: wrong, target: !trouble,
      },
      fixes: wrong ? fixesOf(net, target) : [],
      columns: COLUMNS.map((name) => say(`journey.column.${name}`)),
    },
  });
}

/** The input's shape where the output has to be as that, and is not. */
function targetOf(net: Net, asked: string): number[] | null {
  if (!net.nodes.length || net.trouble) return null;
  const [first, last] = [net.nodes[0]!.made[0]!.shape, net.nodes.at(-1)!.made[0]!.shape];
  if (first.join() === last.join() || asked === "none") return null;
  const decoder = first.length === last.length && net.nodes.some(({ layer }) => ENLARGING.includes(layer?.kind ?? ""));
  return asked === "input" || decoder ? first : null;
}

/** One row a stage: what a table of the page, and the terminal, show. */
function table(rows: Row[], net: Net): Grid {
  const cells: Cell[] = rows.flatMap((one) => rowWords(one).map((word) => cell(null, word)));
  for (const words of net.stages.slice(rows.length)) {
    cells.push(cell(null, words, "unread"), ...COLUMNS.slice(1).map(() => cell(null, "", "unread")));
  }
  const count = cells.length / COLUMNS.length;
  return grid("steps", say("journey.grid", { stages: count }), count, COLUMNS.length, cells, { scale: "plain" });
}

/** What stands in a row of the table. */
function rowWords({ words, shape, ratio, parameters, macs, field }: Row): string[] {
  const range = (one: [number, number] | null): string =>
    one === null ? "·" : one[0] === one[1] ? String(one[0]) : `${one[0]}–${one[1]}`;
  return [
    words, shape.join("×") || "1",
    ratio === null ? "" : ratio[1] === 1 ? `×${ratio[0]}` : `×${ratio[0]}/${ratio[1]}`,
    amount(parameters), amount(macs), field.map(range).join("×"),
  ];
}

/** What the chosen stage makes of how many numbers: 784 → 28×28×16 = 12,544. */
function formula(rows: Row[], step: number): Token[] {
  const here = rows[step];
  if (!here) return [];
  const tokens = [token(here.shape.join("×") || "1"), token("=", "operator"), token(amount(here.elements))];
  const before = rows[step - 1];
  return before ? [token(amount(before.elements)), token("→", "operator"), ...tokens] : tokens;
}

/** What is wrong first; then what the chosen stage does to the data. */
function why(rows: Row[], step: number, wrong: Text | null): Text[] {
  const told = wrong ? [wrong] : [];
  const [here, before] = [rows[step], rows[step - 1]];
  if (!here) return told;
  if (before && here.ratio) {
    const [over, under] = here.ratio;
    const key = over === under ? "keeps" : over < under ? "condenses" : "enriches";
    told.push(say(`journey.${key}`, { before: before.elements, after: here.elements }));
  }
  if (here.kind === "Dense" && here.shape.length > 1) {
    told.push(say("journey.dense.axis", { shape: before!.shape.join("×") }));
  }
  if (here.kind === "Flatten") told.push(say("journey.flatten", { count: here.elements }));
  if (here.parameters) {
    const shapes = Object.values(here.weights).map((shape) => shape.join("·") || "1").join(" + ");
    told.push(say("journey.parameters", { shapes, count: here.parameters }));
  }
  return told;
}
