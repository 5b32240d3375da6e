/** Dense: boxes of a few numbers become one number; the twin of lab/scenes/dense.py. */

import { text, whole } from "../numbers.ts";
import {
  cell, grid, link, say, scene, token, type Clamp, type Grid, type Link, type Place, type Scene, type Settings,
  type Text, type Token,
} from "../scene.ts";

type Matrix = number[][];

/** One Dense of the chain: what goes in, its weights, what comes out (of both inputs). */
interface Stage {
  number: number; relu: boolean; bias: number[] | null; kernel: Matrix; given: Matrix; made: Matrix; other: Matrix;
}

export default function dense(settings: Settings): Scene {
  const clamped: Clamp[] = [];
  const { rows, n, units } = settings as Record<string, number>;
  const count = units === 1 ? 2 : 3;
  if (settings.step >= count) {
    const why = say("dense.clamp.step", { count });
    clamped.push({ name: "step", asked: String(settings.step), used: String(count - 1), why });
    settings.step = count - 1;
  }
  const first = matrix(whole(rows! * n!, -5, 9, settings.seed), n!);
  const stages = stagesOf(settings, first);
  const chosen = stages[settings.step]!;
  const limits = [chosen.made.length, chosen.made[0]!.length];
  const [row, column] = limits.map((size, i) => Math.min(Math.max(settings.cell[i], 0), size - 1)) as [number, number];
  settings.cell = [row, column];
  const [other, pair] = blind(settings, first, stages);
  const grids = [matrixGrid("input", say("dense.input", { rows: rows!, columns: n! }), first, "data")];
  for (const stage of stages) grids.push(...stageGrids(stage, stage === chosen));
  grids.push(products(chosen, row, column), matrixGrid("input.other", say("dense.other"), other, "data"));
  for (const { number, other: made } of stages) {
    grids.push(matrixGrid(`out${number}.other`, say("dense.made.other", { number }), made, "result"));
  }
  const parts = ({ number, bias }: Stage): string[] => ["w", ...(bias ? ["bias"] : []), "out"].map((p) => p + number);
  const [into, out] = [chosen.kernel.length, chosen.kernel[0]!.length];
  const otherRow = ["input.other", ...stages.map(({ number }) => `out${number}.other`)];
  const layout = [["input", ...parts(stages[0]!)], ...stages.slice(1).map(parts), ["products"], otherRow];
  return scene({
    screen: "dense", settings, title: say("dense.title"), clamped, grids, layout,
    links: links(chosen, row, column),
    selected: [`out${chosen.number}`, row * out + column],
    formula: formula(chosen, row, column),
    law: law(chosen),
    code: code(chosen),
    why: why(settings, stages, pair),
    step: settings.step, steps: count,
    data: {
      paper: [layout.slice(0, -1).flat(), otherRow],
      bars: bars(chosen, row, column),
      parameters: stages.map(parameters),
      weights: { keras: [into, out], torch: [out, into] },
      blind: { stage: pair, outputs: stages.map(equal) },
    },
  });
}

const matrix = (numbers: number[], columns: number): Matrix =>
  Array.from({ length: numbers.length / columns }, (_, r) => numbers.slice(r * columns, (r + 1) * columns));

const turned = (given: Matrix): Matrix => given[0]!.map((_, c) => given.map((line) => line[c]!));

const equal = ({ made, other }: Stage): boolean => made.join(";") === other.join(";");

const parameters = ({ kernel, bias }: Stage): number => kernel.length * kernel[0]!.length + (bias?.length ?? 0);

/** The chain with whole numbers as weights. */
function stagesOf(settings: Settings, first: Matrix): Stage[] {
  const { rows, n, units, seed } = settings as Record<string, number>;
  const shapes = units! > 1 ? [[n!, units!], [units!, 1], [rows!, 1]] : [[n!, 1], [rows!, 1]];
  let given = first;
  return shapes.map(([into, out], i) => {
    const number = i + 1;
    const relu = settings.act === "relu" && number < shapes.length;
    const kernel = matrix(whole(into! * out!, -3, 3, seed! + 100 * number), out!);
    const bias = settings.bias === "yes" ? whole(out!, -4, 4, seed! + 100 * number + 50) : null;
    if (number === shapes.length) given = turned(given); // the boxes' numbers, side by side
    const made = run(kernel, bias, relu, given);
    const stage = { number, relu, kernel, bias, given, made, other: made };
    given = made;
    return stage;
  });
}

function run(kernel: Matrix, bias: number[] | null, relu: boolean, given: Matrix): Matrix {
  return given.map((line) => kernel[0]!.map((_, c) => {
    const sum = line.reduce((total, value, f) => total + value * kernel[f]![c]!, 0) + (bias ? bias[c]! : 0);
    return (relu ? Math.max(sum, 0) : sum) + 0; // no −0
  }));
}

/** Another input, put through the chain, and the stage from which on both are equal. */
function blind(settings: Settings, first: Matrix, stages: Stage[]): [Matrix, number | null] {
  const kernel = stages[0]!.kernel;
  const effective = settings.units > 1 ? run(stages[1]!.kernel, null, false, kernel) : kernel;
  const move = unseen(kernel) ?? unseen(effective) ?? [1, ...first[0]!.slice(1).map(() => 0)];
  const other = first.map((line, r) => (r ? line : line.map((value, f) => value + move[f]!)));
  let given = other;
  stages.forEach((stage, i) => {
    if (i === stages.length - 1) given = turned(given);
    given = stage.other = run(stage.kernel, stage.bias, stage.relu, given);
  });
  return [other, stages.find(equal)?.number ?? null];
}

/** A move of two numbers (or one) that a kernel maps to zero; null where there is none of so few. */
function unseen(kernel: Matrix): number[] | null {
  for (const [r, line] of kernel.entries()) if (!line.some(Boolean)) return kernel.map((_, i) => (i === r ? 1 : 0));
  for (let a = 0; a < kernel.length; a++) {
    for (let b = a + 1; b < kernel.length; b++) {
      const one = kernel[a]!.findIndex(Boolean);
      const [p, q] = [kernel[b]![one]!, -kernel[a]![one]!];
      if (!p || !kernel[a]!.every((x, c) => p * x + q * kernel[b]![c]! === 0)) continue;
      const common = gcd(Math.abs(p), Math.abs(q));
      return kernel.map((_, i) => (i === a ? p / common : i === b ? q / common : 0));
    }
  }
  return null;
}

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a);

function matrixGrid(id: string, title: Text, values: Matrix, role: string, select = ""): Grid {
  const cells = values.flat().map((v) => cell(v, text(v), role));
  return grid(id, title, values.length, values[0]!.length, cells, { select });
}

function stageGrids({ number, kernel, bias, made }: Stage, chosen: boolean): Grid[] {
  const weights = say("dense.weights", { number, in: kernel.length, out: kernel[0]!.length });
  const title = say("dense.made", { number, rows: made.length, columns: made[0]!.length });
  return [
    matrixGrid(`w${number}`, weights, kernel, "kernel"),
    ...(bias ? [matrixGrid(`bias${number}`, say("dense.bias", { number }), [bias], "kernel")] : []),
    matrixGrid(`out${number}`, title, made, "result", chosen ? "cell" : ""),
  ];
}

const source = ({ number }: Stage): string => (number === 1 ? "input" : `out${number - 1}`);

/** Pairs of a number and its weight that are multiplied and added up. */
const terms = ({ given, kernel }: Stage, row: number, column: number): [number, number][] =>
  given[row]!.map((value, f) => [value, kernel[f]![column]!]);

/** The cell of its source grid; the last Dense reads a column of numbers as a row. */
const place = ({ number, given }: Stage, row: number, feature: number): number =>
  number > 1 && given.length === 1 ? feature : row * given[0]!.length + feature;

function products(stage: Stage, row: number, column: number): Grid {
  const cells = terms(stage, row, column).map(([a, w]) => cell(a * w, text(a * w), "result"));
  if (stage.bias) cells.push(cell(stage.bias[column]!, text(stage.bias[column]!), "kernel"));
  return grid("products", say("dense.products", { row, column }), 1, cells.length, cells);
}

/** The products (then the bias) as bars, each from where the sum stood to where it then stands. */
function bars(stage: Stage, row: number, column: number): object[] {
  const found: object[] = [];
  let at = 0;
  terms(stage, row, column).forEach(([a, w], feature) => {
    const cell: Place = [source(stage), place(stage, row, feature)];
    found.push({ kind: "product", text: `${text(a)} × ${text(w)}`, from: at, to: at + a * w, cell });
    at += a * w;
  });
  if (stage.bias) {
    const b = stage.bias[column]!;
    found.push({ kind: "bias", text: text(b), from: at, to: at + b, cell: [`bias${stage.number}`, column] });
    at += b;
  }
  const made = stage.made[row]![column]!;
  if (made !== at) found.push({ kind: "relu", text: text(made), from: at, to: made, cell: null });
  return found;
}

function links(stage: Stage, row: number, column: number): Link[] {
  const out = stage.kernel[0]!.length;
  const target: Place = [`out${stage.number}`, row * out + column];
  const found = stage.kernel.flatMap((_, feature) => [
    link([source(stage), place(stage, row, feature)], target, "read"),
    link([`w${stage.number}`, feature * out + column], target, "multiply"),
  ]);
  if (stage.bias) found.push(link([`bias${stage.number}`, column], target, "add"));
  return found;
}

function formula(stage: Stage, row: number, column: number): Token[] {
  const out = stage.kernel[0]!.length;
  let tokens: Token[] = [];
  terms(stage, row, column).forEach(([a, w], feature) => {
    if (feature) tokens.push(token("+", "operator"));
    tokens.push(
      token(text(a), "number", [source(stage), place(stage, row, feature)]), token("×", "operator"),
      token(text(w), "number", [`w${stage.number}`, feature * out + column]),
    );
  });
  if (stage.bias) {
    const b = text(stage.bias[column]!);
    tokens.push(token("+", "operator"), token(b, "number", [`bias${stage.number}`, column]));
  }
  if (stage.relu) {
    tokens = [
      token("max", "name"), token("(", "operator"), token("0"), token(", ", "operator"), ...tokens,
      token(")", "operator"),
    ];
  }
  const value = text(stage.made[row]![column]!);
  return [...tokens, token("=", "operator"), token(value, "number", [`out${stage.number}`, row * out + column])];
}

/** (4, 2) × (2, 3) = (4, 3). */
function law({ given, kernel }: Stage): Token[] {
  const [rows, into, out] = [given.length, kernel.length, kernel[0]!.length];
  const words = ["(", rows, ", ", into, ")", "×", "(", into, ", ", out, ")", "=", "(", rows, ", ", out, ")"];
  return words.map((word) => token(String(word), typeof word === "number" ? "number" : "operator"));
}

function code({ kernel, bias, relu }: Stage): Record<string, string> {
  const [into, out] = [kernel.length, kernel[0]!.length];
  const product = bias ? "x @ W + b" : "x @ W";
  return {
    keras: `Dense(${out}${relu ? ', activation="relu"' : ""}${bias ? "" : ", use_bias=False"})  # W: (${into}, ${out})`,
    torch: `torch.nn.Linear(${into}, ${out}${bias ? "" : ", bias=False"})  # weight: (${out}, ${into})`,
    numpy: relu ? `numpy.maximum(${product}, 0)` : product,
  };
}

function why(settings: Settings, stages: Stage[], pair: number | null): Text[] {
  const { rows, n, units } = settings as { rows: number; n: number; units: number };
  const count = stages.reduce((sum, stage) => sum + parameters(stage), 0);
  const told = [say(units === 1 ? "dense.why.condense" : "dense.why.enrich", { n, units, count })];
  const { kernel } = stages[settings.step]!;
  told.push(say("dense.why.orientation", { in: kernel.length, out: kernel[0]!.length }));
  const last = stages.at(-1)!;
  const value = text(last.made[0]![0]!);
  if (pair === null) told.push(say("dense.blind.told", { one: value, other: text(last.other[0]![0]!) }));
  else told.push(say(pair === 1 ? "dense.blind.first" : "dense.blind.later", { stage: pair, value }));
  if (units > 1 && settings.act === "none") told.push(say("dense.why.linear", { n, rows }));
  if (settings.bias === "yes") told.push(say("dense.why.bias"));
  return told;
}
