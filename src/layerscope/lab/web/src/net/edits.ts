/** Small changes of a network that may mend one misfit, each with its size: the single ones of analyses/advice. */

import { perAxis, type Pair } from "./checks.ts";
import { product } from "./laws.ts";
import { told, type Stage } from "./reader.ts";
import { type Kind } from "./words.ts";
import { Float, type Value } from "./wrong.ts";

/** A stage with its settings as they were told; null for the input. */
export interface Draft { words: string; head: string; kind: Kind | null; given: Record<string, Value> }

/**
 * Where the network does not fit: the stage (all of them: the output), what it was fed, what the output should be, and
 * the shape that a Reshape there asks for.
 */
export interface Misfit { stage: number; fed: number[]; target: number[] | null; shape: number[] | null }

/** One change: of a setting of a stage, or a stage put in before it or taken out. */
export interface Edit {
  action: "set" | "insert" | "remove"; stage: number; cost: number; words: string; setting: string; before: Value;
  after: Value;
}

const AWAY = 0.004;
const NEAREST = 16;
const WINDOWED = ["Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose", "MaxPooling2D", "AveragePooling2D"];
const REMOVABLE: Record<string, number> = {
  Flatten: 2.6, Reshape: 2.6, MaxPooling2D: 3, AveragePooling2D: 3, GlobalAveragePooling2D: 3, GlobalMaxPooling2D: 3,
  Cropping2D: 3, ZeroPadding2D: 3, UpSampling2D: 3,
};
const STEPS: [setting: string, otherwise: number, cost: number][] = [
  ["kernel_size", 1, 1.9], ["pool_size", 2, 1.8], ["strides", 1, 2], ["size", 2, 1.9],
];

export function draftOf(stage: Stage, number: number): Draft {
  const words = stage.map((word) => word.text).join(" ");
  if (!number) return { words, head: words, kind: null, given: {} };
  const { kind, settings } = told(stage);
  const head = kind.kind === "Activation" ? "activation" : stage[0]!.text;
  return { words, head, kind, given: settings };
}

/** A stage in the words of the text. */
export function spelled({ head, kind, given }: Draft): string {
  const rest = { ...given };
  const words = [head];
  for (const place of kind!.places) {
    if (!Object.hasOwn(rest, place)) break;
    words.push(valueWords(rest[place]!));
    delete rest[place];
  }
  for (const [name, value] of Object.entries(rest)) {
    if (["padding", "activation", "interpolation"].includes(name) && typeof value === "string") words.push(value);
    else if (name === "use_bias" && value === false) words.push("nobias");
    else if (name === "name") words.push("as", String(value));
    else words.push(`${name}=${valueWords(value)}`);
  }
  return words.join(" ");
}

export function valueWords(value: Value): string {
  if (value instanceof Float) return String(value.value);
  if (typeof value === "boolean" || value === null) return value === null ? "none" : value ? "yes" : "no";
  if (!Array.isArray(value)) return String(value);
  const parts = value.map((part) => (Array.isArray(part) ? part.join(",") : String(part)));
  return parts.length === 1 ? `${parts[0]},` : parts.join("x");
}

/** All changes that may mend a misfit, in no order. */
export function proposals(drafts: Draft[], misfit: Misfit): Edit[] {
  const found: Edit[] = [];
  const last = Math.min(misfit.stage, drafts.length - 1);
  for (let n = last; n > Math.max(0, last - NEAREST); n--) {
    const away = AWAY * (last - n);
    const draft = drafts[n]!;
    for (const [setting, after, cost] of variants(draft, misfit, n === misfit.stage)) {
      const before = Object.hasOwn(draft.given, setting) ? draft.given[setting]! : standard(draft, setting);
      if (valueWords(before) === valueWords(after)) continue;
      const words = spelled({ ...draft, given: { ...draft.given, [setting]: after } });
      found.push({ action: "set", stage: n, cost: cost + away, words, setting, before, after });
    }
    const out = REMOVABLE[draft.kind!.kind];
    if (out && !(n === misfit.stage && n === drafts.length - 1)) found.push(edit("remove", n, out + away, draft.words));
    if (draft.kind!.kind === "Dense" && n < misfit.stage) found.push(edit("insert", n, 1.6 + away, "flatten"));
  }
  const sizes = drafts[0]!.words.split(" ");
  if (!misfit.target && last < NEAREST) {
    const after = `${sizes[0]}x1`;
    const words = [after, ...sizes.slice(1)].join(" ");
    found.push({ action: "set", stage: 0, cost: 3 + AWAY * last, words, setting: "shape", before: sizes[0]!, after });
  }
  return [...found, ...fillers(drafts, misfit)];
}

const edit = (action: Edit["action"], stage: number, cost: number, words: string): Edit =>
  ({ action, stage, cost, words, setting: "", before: null, after: null });

function standard({ kind }: Draft, setting: string): Value {
  if (setting === "padding" && WINDOWED.includes(kind!.kind)) return "valid";
  if (setting === "output_padding") return null;
  return STEPS.find(([name]) => name === setting)?.[1] ?? 1;
}

type Variant = [setting: string, value: Value, cost: number];

/** Other values of each of a layer's settings. */
function variants(draft: Draft, misfit: Misfit, atMisfit: boolean): Variant[] {
  const { kind, given } = draft;
  const found: Variant[] = [];
  if (WINDOWED.includes(kind!.kind)) found.push(["padding", given.padding === "same" ? "valid" : "same", 1]);
  for (const name of ["filters", "units"]) {
    if (!kind!.settings.includes(name)) continue;
    wishes(draft, given[name], misfit).forEach((number, i) => found.push([name, number, 1.4 + 0.01 * i]));
  }
  if (typeof given.groups === "number" && given.groups > 1) found.push(["groups", 1, 2]);
  for (const [name, otherwise, cost] of STEPS) {
    if (!kind!.settings.includes(name) || (name === "strides" && kind!.places.includes("strides") && given.strides == null)) continue;
    found.push(...stepped(name, given[name] ?? otherwise, cost, draft));
  }
  if (kind!.kind === "Conv2DTranspose") {
    const most = Math.max(...pair(given.strides ?? 1));
    for (let n = 0; n < most; n++) found.push(["output_padding", n, 1.7]);
  }
  if (atMisfit && misfit.fed.length === 3) found.push(...clamped(draft, misfit.fed));
  if (atMisfit && Array.isArray(given.target_shape)) found.push(...reshaped(given.target_shape as number[], misfit.fed));
  return found;
}

function pair(value: Value): Pair {
  try {
    return perAxis(value, "", "");
  } catch {
    return [1, 1];
  }
}

/** One or two more or less along both axes. */
function stepped(name: string, value: Value, cost: number, { kind }: Draft): Variant[] {
  const [rows, columns] = pair(value);
  const found: Variant[] = [];
  for (const step of [-1, 1, -2, 2]) {
    const made: Pair = [rows + step, columns + step];
    const idle = Math.max(...made) === 1 && !["kernel_size", "strides"].includes(name);
    if (Math.min(...made) < 1 || idle || kind!.kind === "MaxUnpooling2D") continue;
    const alone = name === "kernel_size" && Math.max(...made) === 1 ? 0.6 : 0;
    found.push([name, one(made), cost + alone + 0.1 * (Math.abs(step) - 1)]);
  }
  return found;
}

const one = ([rows, columns]: Pair): Value => (rows === columns ? rows : [rows, columns]);

/** A window that is no larger than what it lies on. */
function clamped({ kind, given }: Draft, fed: number[]): Variant[] {
  const name = kind!.settings.includes("kernel_size") ? "kernel_size" : "pool_size";
  if (!kind!.settings.includes(name) || kind!.kind === "MaxUnpooling2D") return [];
  const window = pair(given[name] ?? 2);
  const least = window.map((n, i) => Math.min(n, fed[i]!)) as Pair;
  return least.join() === window.join() ? [] : [[name, one(least), name === "kernel_size" ? 2.1 : 2]];
}

/** The target with one size put right, the last first; then with equal sizes before its last one. */
function reshaped(target: number[], fed: number[]): Variant[] {
  const count = product(fed);
  const found: Variant[] = [];
  for (let axis = target.length - 1; axis >= 0; axis--) {
    const others = target.filter((_, i) => i !== axis);
    const rest = product(others.filter((size) => size !== -1));
    if (others.includes(-1) || count % rest) continue;
    found.push(["target_shape", target.map((size, i) => (i === axis ? count / rest : size)), 1.5]);
  }
  if (target.length === 3) for (const made of squares(count)) found.push(["target_shape", made, 1.51]);
  return found;
}

/** Numbers of channels that would fit. */
function wishes({ kind }: Draft, value: Value | undefined, misfit: Misfit): number[] {
  const { fed, target } = misfit;
  const wanted = target ? [...target].reverse() : [...fed];
  const goal = target ?? misfit.shape;
  if (goal && typeof value === "number" && kind) {
    const number = (value * product(goal)) / product(fed);
    if (Number.isInteger(number)) wanted.unshift(number);
  }
  const last = fed.at(-1) ?? 1;
  for (const count of [2, 3, 4]) wanted.push((Math.floor(last / count) + 1) * count);
  return [...new Set(wanted)].filter((number) => number > 0 && number !== value).slice(0, 12);
}

/** Layers that may make a tensor fit, put before the misfit or at the end. */
function fillers(drafts: Draft[], { stage, fed, target }: Misfit): Edit[] {
  const found: Edit[] = [];
  const put = (words: string, cost: number): void => void found.push(edit("insert", stage, cost, words));
  if (fed.length > 1) put("flatten", 2);
  if (target && product(target) === product(fed)) put(`reshape ${shape(target)}`, 2.2);
  const image = !target && !["Dense", "Flatten", "Reshape"].includes(drafts[stage]?.kind?.kind ?? "Dense");
  if (image && fed.length === 2) put(`reshape ${shape([...fed, 1])}`, 2.4);
  if (image && fed.length === 1) for (const made of squares(fed[0]!)) put(`reshape ${shape(made)}`, 2.4);
  if (fed.length === 3 && (!target || target.length === 1)) put("gap", 3.2);
  if (!target || target.length !== 3 || fed.length !== 3) return found;
  const more = [target[0]! - fed[0]!, target[1]! - fed[1]!];
  const ends = more.map((n) => `${Math.floor(Math.abs(n) / 2)},${Math.ceil(Math.abs(n) / 2)}`).join("x");
  if (more.some(Boolean) && more.every((n) => n <= 0)) put(`crop ${ends}`, 2.4);
  if (more.some(Boolean) && more.every((n) => n >= 0)) put(`pad ${ends}`, 2.5 + 1.5);
  const factor = target[0]! / fed[0]!;
  if (factor > 1 && Number.isInteger(factor) && factor * fed[1]! === target[1]) put(`upsample ${factor}`, 2.6);
  if (fed[2] !== target[2]) put(`conv ${target[2]} 1`, 2.8);
  return found;
}

const shape = (sizes: number[]): string => (sizes.length === 1 ? `${sizes[0]},` : sizes.join("x"));

/** Up to three shapes (side, side, channels) of so many numbers, the fewest channels first. */
function squares(count: number): number[][] {
  const found: number[][] = [];
  for (let side = Math.floor(Math.sqrt(count)); side >= 2 && found.length < 3; side--) {
    if (count % (side * side) === 0) found.push([side, side, count / (side * side)]);
  }
  return found;
}
