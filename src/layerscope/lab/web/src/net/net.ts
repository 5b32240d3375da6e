/** A network of one line of text, its facts, and what is wrong with it: the twin of lab/net.py. */

import { type Text } from "../scene.ts";
import { extents } from "./fields.ts";
import { product, type Type } from "./laws.ts";
import { layerOf, type Layer } from "./layers.ts";
import { inputOf, span, stagesOf, told, wantsSwitches, type Stage } from "./reader.ts";
import { type Reads } from "./reach.ts";
import { KINDS, type Kind } from "./words.ts";
import { Wrong } from "./wrong.ts";

export const MOST_LAYERS = 64;
export const LONGEST_AXIS = 100_000;
export const LARGEST = Number.MAX_SAFE_INTEGER;

/** One stage: its layer (null: the input), and from which stages it reads, an unpool also from its pool's switches. */
export interface Node {
  words: string; name: string | null; layer: Layer | null; fed: Type[]; made: Type[];
  source: number | null; switches: number | null; reads: Reads;
}
export interface Trouble { stage: number | null; start: number; length: number; why: Text }
export interface Net { text: string; stages: string[]; nodes: Node[]; names: string[]; trouble: Trouble | null }

export interface Row {
  stage: number; words: string; name: string; kind: string; shape: number[]; elements: number;
  ratio: [number, number] | null; parameters: number; weights: Record<string, number[]>; macs: number;
  field: ([number, number] | null)[]; link?: string;
}

const KEPT = 4;
/** The texts that were read last, as pointing and stepping ask for the same network again. */
const known = new Map<string, Net>();
const rows = new WeakMap<Net, Row[]>();

/** Read a text, as far as it goes; what is wrong with it is in `trouble`. Nobody may change what it gives. */
export function read(text: string): Net {
  const net = known.get(text) ?? readAnew(text);
  known.delete(text);
  known.set(text, net);
  for (const old of known.keys()) if (known.size > KEPT) known.delete(old);
  return net;
}

function readAnew(text: string): Net {
  const net: Net = { text, stages: [], nodes: [], names: [], trouble: null };
  let stages: Stage[] = [];
  try {
    stages = stagesOf(text, MOST_LAYERS);
    if (!stages.length) throw new Wrong("net.empty", {}, [0, 1]);
  } catch (error) {
    return { ...net, trouble: troubleOf(error, null) };
  }
  net.stages = stages.map((words) => words.map((word) => word.text).join(" "));
  try {
    follow(stages, net);
  } catch (error) {
    net.trouble = troubleOf(error, net.nodes.length);
  }
  return finished(net, stages);
}

function troubleOf(error: unknown, stage: number | null): Trouble {
  if (!(error instanceof Wrong)) throw error;
  return { stage, start: error.start, length: error.length, why: error.why };
}

function follow(stages: Stage[], net: Net): void {
  const { shape, name } = inputOf(stages[0]!);
  net.nodes.push({
    words: net.stages[0]!, name, layer: null, fed: [], made: [{ shape }], source: null, switches: null, reads: [],
  });
  const pools: number[] = [];
  for (let n = 1; n < stages.length; n++) {
    try {
      net.nodes.push(nodeOf(stages, n, net, pools));
    } catch (error) {
      if (error instanceof Wrong && !error.placed) [error.start, error.length] = span(stages[n]!);
      throw error;
    }
    if (net.nodes[n]!.made.length > 1) pools.push(n);
  }
}

function nodeOf(stages: Stage[], n: number, net: Net, pools: number[]): Node {
  const { kind, settings } = told(stages[n]!);
  let given = settings;
  if (kind.kind === "MaxPooling2D" && wantsSwitches(stages.slice(n + 1))) given = { ...given, return_switches: true };
  const undoes = kind.kind === "MaxUnpooling2D";
  if (undoes) {
    const head = stages[n]![0]!;
    if (!pools.length) throw new Wrong("net.unpool.none", {}, [head.start, head.text.length]);
    const { pool_size, strides, padding } = net.nodes[pools.at(-1)!]!.layer!.settings;
    const pool = { pool_size: pool_size ?? 2, strides: strides ?? pool_size ?? 2, padding: padding ?? "valid" };
    given = { ...pool, ...given };
  }
  const layer = built(kind, given);
  const source = n - 1;
  const switches = undoes ? pools.pop()! : null;
  const fed = [net.nodes[source]!.made[0]!, ...(switches === null ? [] : [net.nodes[switches]!.made[1]!])];
  const made = layer.out(fed);
  const name = typeof given.name === "string" ? given.name : null;
  return { words: net.stages[n]!, name, layer, fed, made, source, switches, reads: layer.reads(fed) };
}

function built(kind: Kind, settings: Layer["settings"]): Layer {
  const needed = kind.needed.filter((name) => !Object.hasOwn(settings, name));
  if (needed.length) {
    const usage = [kind.words[0]!, ...kind.places.map((name) => name.toUpperCase())].join(" ");
    throw new Wrong("net.missing", { kind: kind.kind, needed: needed.join(", "), usage });
  }
  return layerOf(kind.kind, settings);
}

/** With names; cut before a stage whose sizes are too large for the lab; empty where the layers form no network. */
function finished(net: Net, stages: Stage[]): Net {
  try {
    net.names = namesOf(net.nodes);
  } catch (error) {
    const trouble = net.trouble ?? troubleOf(error, null);
    return { ...net, nodes: [], names: [], trouble: net.trouble ? trouble : { ...trouble, start: 0, length: 0 } };
  }
  for (let n = 0; n < net.nodes.length; n++) {
    const { made, layer, fed } = net.nodes[n]!;
    const { shape } = made[0]!;
    const counts = [product(shape), layer ? parametersOf(layer.weights(fed)) : 0, layer ? layer.macs(fed) : 0];
    if (counts.some((count) => count > LARGEST) || (shape.length > 1 && Math.max(...shape) > LONGEST_AXIS)) {
      const [start, length] = span(stages[n]!);
      const why = { key: "net.large", args: { most: LONGEST_AXIS } };
      const nodes = net.nodes.slice(0, n);
      return { ...net, nodes, names: namesOf(nodes), trouble: { stage: n, start, length, why } };
    }
  }
  return net;
}

const SNAKE = new Map(KINDS.map(({ kind, name }) => [kind, name]));

/** Names as Keras gives them; two layers of one name form no network. */
function namesOf(nodes: Node[]): string[] {
  const chosen = new Set(nodes.map(({ name }) => name));
  const taken = new Set<string>();
  return nodes.map(({ name, layer, fed }) => {
    let label = name ?? "";
    if (label && taken.has(label)) throw new Wrong("net.name", { name: label });
    if (!label) {
      const stem = layer ? SNAKE.get(layer.kind)! : "input_layer";
      label = stem;
      for (let number = 1; taken.has(label) || chosen.has(label); number++) label = `${stem}_${number}`;
    }
    taken.add(label);
    layer?.weights(fed);
    return label;
  });
}

const parametersOf = (weights: Record<string, number[]>): number =>
  Object.values(weights).reduce((sum, shape) => sum + product(shape), 0);

/** The facts of one stage as plain data. */
export function row(net: Net, stage: number): Row {
  if (!rows.has(net)) rows.set(net, []);
  return (rows.get(net)![stage] ??= factsOf(net, stage));
}

function factsOf(net: Net, stage: number): Row {
  const { words, layer, fed, made } = net.nodes[stage]!;
  const { shape } = made[0]!;
  const weights = layer ? layer.weights(fed) : {};
  const elements = product(shape);
  return {
    stage, words, name: net.names[stage]!, kind: layer ? layer.kind : "InputLayer", shape, elements,
    ratio: layer ? reduced(elements, product(fed[0]!.shape)) : null,
    parameters: parametersOf(weights), weights, macs: layer ? layer.macs(fed) : 0, field: extents(net.nodes, stage),
  };
}

function reduced(over: number, under: number): [number, number] {
  let [a, b] = [over, under];
  while (b) [a, b] = [b, a % b];
  return [over / a, under / a];
}

export function totals(net: Net): { parameters: number; macs: number } {
  const found = { parameters: 0, macs: 0 };
  for (const { layer, fed } of net.nodes) {
    found.parameters += layer ? parametersOf(layer.weights(fed)) : 0;
    found.macs += layer ? layer.macs(fed) : 0;
  }
  return found;
}
