/** One line of text as stages with layers: the twin of sources/text.py. Wrong points at the word that is wrong. */

import { say } from "../scene.ts";
import { KNOWN_ACTIVATIONS, INTERPOLATIONS, kindOf, nearest, nearestLayers, type Kind } from "./words.ts";
import { Float, Wrong, type Value } from "./wrong.ts";

export interface Word { text: string; start: number }
export type Stage = Word[];

const SHAPE = /^(\d+|[a-z_]\w*)([x×*](\d+|[a-z_]\w*))*$/i;
const SHORT: Record<string, string> = {
  stride: "strides", dilation: "dilation_rate", kernel: "kernel_size", bias: "use_bias",
  initializer: "kernel_initializer",
};
const NOUNS: Record<string, boolean | null> = { yes: true, true: true, no: false, false: false, none: null };
const MOST_BRACKETS = 50;

const end = (word: Word): number => word.start + word.text.length;

/** First letter and length of the words of a stage. */
export const span = (words: Stage): [number, number] => [words[0]!.start, end(words.at(-1)!) - words[0]!.start];

/** The words of each stage, brackets unrolled. */
export function stagesOf(text: string, most: number): Stage[] {
  const tokens: Word[] = [];
  for (const match of text.matchAll(/\||\n|;|\[|\]|[^\s|[\];]+/g)) {
    const token = match[0];
    tokens.push({ text: token === "\n" || token === ";" ? "|" : token, start: match.index });
  }
  return block(text, tokens, 0, 0, most)[0];
}

function block(text: string, tokens: Word[], from: number, depth: number, most: number): [Stage[], number] {
  const done: Stage[] = [];
  let words: Stage = [];
  let place = from;
  const closed = (): Stage[] => (words.length ? [...done, words] : done);
  while (place < tokens.length) {
    const token = tokens[place++]!;
    if (token.text === "[") {
      if (words.length) throw new Wrong("net.bracket.stage", {}, [token.start, 1]);
      if (depth === MOST_BRACKETS) throw new Wrong("net.bracket.deep", { most: MOST_BRACKETS }, [token.start, 1]);
      const [inner, after] = block(text, tokens, place, depth + 1, most);
      const times = timesOf(tokens, after, token);
      place = after + 1;
      if (done.length + inner.length * times > most) throw new Wrong("net.many", { most }, [token.start, 1]);
      for (let n = 0; n < times; n++) done.push(...inner);
    } else if (token.text === "]") {
      if (!depth) throw new Wrong("net.bracket.unopened", {}, [token.start, 1]);
      return [closed(), place];
    } else if (token.text === "|") {
      if (words.length) done.push(words);
      words = [];
    } else words.push(token);
  }
  if (depth) throw new Wrong("net.bracket.unclosed", {}, [[...text].length - 1, 1]);
  return [closed(), place];
}

function timesOf(tokens: Word[], place: number, opened: Word): number {
  const match = /^[x×*](\d{1,5})$/i.exec(tokens[place]?.text ?? "");
  if (!match || Number(match[1]) < 1) throw new Wrong("net.bracket.times", {}, [(tokens[place] ?? opened).start, 1]);
  return Number(match[1]);
}

/** The sizes of one example, and the name of the input, if it has one. */
export function inputOf(words: Stage): { shape: number[]; name: string | null } {
  const first = words[0]!;
  const place: [number, number] = [first.start, first.text.length];
  if (!SHAPE.test(first.text) || (words.length > 1 && words[1]!.text !== "as")) throw new Wrong("net.start", {}, place);
  const parts = first.text.replaceAll("X", "x").split(/[x×*]/);
  if (!parts.every((part) => /^\d+$/.test(part))) throw new Wrong("net.open", {}, span(words));
  const shape = parts.map(Number);
  const name = words[2]?.text ?? null;
  const empty = shape.findIndex((size) => size < 1);
  const large = shape.findIndex((size) => size >= 2 ** 63);
  if (large >= 0 && (empty < 0 || large < empty)) throw new Wrong("net.most", {}, place);
  if (empty >= 0) {
    const prefix = name ? `${name}_`.replace(/\W/g, "_") : "";
    const axis = prefix + axisNames(shape.length)[empty]!;
    throw new Wrong("net.size", { axis: NAMED_AXES.includes(axis) ? say(`axis.${axis}`) : axis, value: 0 }, place);
  }
  return { shape, name };
}

const NAMED_AXES = ["length", "height", "width", "depth", "channels"];

function axisNames(rank: number): string[] {
  const open: Record<number, string[]> = {
    1: ["length"], 2: ["length", "channels"], 3: ["height", "width", "channels"],
    4: ["depth", "height", "width", "channels"],
  };
  return open[rank] ?? Array.from({ length: rank }, (_, n) => `size_${n + 1}`);
}

/** The kind and the settings of a stage as they were told; `wanted` says whether a later unpool wants switches. */
export function told(words: Stage): { kind: Kind; settings: Record<string, Value> } {
  const head = words[0]!;
  const alone = words.length === 1 && KNOWN_ACTIVATIONS.includes(head.text.toLowerCase());
  const all = alone ? [{ text: "activation", start: head.start }, head] : words;
  const kind = kindOf(all[0]!.text);
  const place: [number, number] = [head.start, head.text.length];
  if (kind === "other") throw new Wrong("net.offline", { name: head.text }, place);
  if (kind === null) {
    const near = nearestLayers(head.text);
    if (near.length) throw new Wrong("net.layer.near", { name: head.text, nearest: near.join(", ") }, place);
    throw new Wrong("net.layer", { name: head.text }, place);
  }
  return { kind, settings: settingsOf(kind, all.slice(1)) };
}

function settingsOf(kind: Kind, words: Word[]): Record<string, Value> {
  const places = [...kind.places];
  const queue = [...words];
  const found: Record<string, Value> = {};
  while (queue.length) {
    const word = queue.shift()!;
    const [key, value] = setting(kind, word, queue, places);
    if (Object.hasOwn(found, key)) {
      throw new Wrong("net.twice", { kind: kind.kind, setting: key }, [word.start, word.text.length]);
    }
    found[key] = value;
    if (places.includes(key)) places.splice(places.indexOf(key), 1);
  }
  return found;
}

function setting(kind: Kind, word: Word, queue: Word[], places: string[]): [string, Value] {
  const lower = word.text.toLowerCase();
  const at = word.text.indexOf("=");
  const before = (at < 0 ? word.text : word.text.slice(0, at)).toLowerCase();
  const name = Object.hasOwn(SHORT, before) ? SHORT[before]! : before;
  const known = (key: string): boolean => kind.settings.includes(key);
  const byWord = wordSettings(kind, lower);
  if (at >= 0 && at < word.text.length - 1 && known(name)) return [name, valueOf(word.text.slice(at + 1), name)];
  if (lower === "nobias" && known("use_bias")) return ["use_bias", false];
  if (lower === "as" && !queue.length) throw new Wrong("net.as", {}, [word.start, word.text.length]);
  if (lower === "as") return ["name", queue.shift()!.text];
  if (known(name) && at < 0 && queue.length && !byWord.includes(name)) return [name, valueOf(queue.shift()!.text, name)];
  for (const key of byWord) if (known(key)) return [key, lower];
  const number = numberOf(lower);
  if (number !== null && places.length) return [places[0]!, number];
  throw refused(kind, word, number !== null);
}

function refused(kind: Kind, word: Word, number: boolean): Wrong {
  const place: [number, number] = [word.start, word.text.length];
  const known = (key: string | undefined): boolean => key !== undefined && kind.settings.includes(key);
  if (number) {
    const places = kind.places.join(", ");
    const args = { kind: kind.kind, word: word.text };
    return places ? new Wrong("net.bare", { ...args, places }, place) : new Wrong("net.bare.none", args, place);
  }
  const lower = word.text.toLowerCase();
  const short = (key: string): string | undefined => (Object.hasOwn(SHORT, key) ? SHORT[key] : undefined);
  if (known(lower) || known(short(lower))) return new Wrong("net.value", { word: word.text }, place);
  const vocabulary = [
    ...kind.settings, ...Object.keys(SHORT), "same", "valid", ...KNOWN_ACTIVATIONS, "nobias", "as",
  ];
  const fits = (key: string): boolean =>
    known(key) || known(short(key)) || key === "as" || (key === "nobias" && known("use_bias"))
    || wordSettings(kind, key).some(known);
  const near = nearest(word.text, vocabulary.filter(fits));
  const args = { kind: kind.kind, name: word.text };
  return near.length
    ? new Wrong("net.setting.near", { ...args, nearest: near.join(", ") }, place)
    : new Wrong("net.setting", args, place);
}

/** The settings that a word stands for by itself. */
function wordSettings(kind: Kind, text: string): string[] {
  if (["same", "valid", "causal"].includes(text)) return kind.kind.startsWith("ZeroPadding") ? [] : ["padding"];
  if (KNOWN_ACTIVATIONS.includes(text)) return ["activation"];
  return Object.hasOwn(INTERPOLATIONS, text) ? ["interpolation"] : [];
}

function numberOf(text: string): Value {
  if (/^-?\d+$/.test(text)) return Number(text);
  if (/^-?\d*\.\d+$/.test(text)) return new Float(Number(text));
  if (/^\d+,\d+([x×]\d+,\d+)+$/.test(text)) return text.split(/[x×]/).map((ends) => ends.split(",").map(Number));
  if (/^(-?\d+([x×,]-?\d+)+|\d+,)$/.test(text)) return text.split(/[x×,]/).filter(Boolean).map(Number);
  return null;
}

function valueOf(text: string, name: string): Value {
  if (name === "name") return text;
  const number = numberOf(text);
  if (number !== null) return number;
  const noun = text.toLowerCase();
  return Object.hasOwn(NOUNS, noun) ? NOUNS[noun]! : text;
}

/** Whether a later unpool closes a pool, as brackets close. */
export function wantsSwitches(rest: Stage[]): boolean {
  let depth = 0;
  for (const words of rest) {
    const kind = kindOf(words[0]!.text);
    if (kind === null) return false;
    if (kind === "other") continue;
    if (kind.kind === "MaxUnpooling2D") {
      if (!depth) return true;
      depth--;
    } else if (kind.kind === "MaxPooling2D") depth++;
  }
  return false;
}
