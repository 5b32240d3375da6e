/** From a layer of a journey to the screen that shows it alone: the twin of lab/links.py. */

import { type Node } from "../net/net.ts";
import { SCREENS, spell, type Entry } from "../state.ts";

const OF_KIND: Record<string, string> = {
  Conv2D: "conv", DepthwiseConv2D: "conv", SeparableConv2D: "conv", Conv2DTranspose: "convt",
  MaxPooling2D: "pool", UpSampling2D: "upsampling", BedOfNails2D: "upsampling", MaxUnpooling2D: "upsampling",
  Dense: "dense",
};

/** The hash of a stage's own screen; "" where there is none. */
export function ofLayer(node: Node): string {
  const screen = OF_KIND[node.layer?.kind ?? ""] ?? "";
  const entries = Object.hasOwn(SCREENS, screen) ? SCREENS[screen]! : null;
  if (!entries || !node.layer) return "";
  const asked = settings(node);
  const told: Record<string, unknown> = {};
  for (const entry of entries) if (Object.hasOwn(asked, entry.name)) told[entry.name] = fitted(entry, asked[entry.name]!);
  return spell(screen, told);
}

/** A value that the screen can be set to. */
function fitted(entry: Entry, value: number | string): unknown {
  if (entry.kind === "int") return Math.min(Math.max(value as number, entry.min!), entry.max!);
  return (entry.choices ?? [value]).includes(value as string) ? value : entry.default;
}

/** What the screens call the settings of a layer; of unequal axes the first. */
function settings(node: Node): Record<string, number | string> {
  const given = node.layer!.settings;
  const shape = node.fed[0]!.shape;
  if (node.layer!.kind === "Dense") {
    return { units: given.units as number, n: shape.at(-1)!, rows: shape.length > 1 ? shape.at(-2)! : 1 };
  }
  const first = (value: unknown, otherwise: number): number =>
    Array.isArray(value) ? (value[0] as number) : typeof value === "number" ? value : otherwise;
  const factor = first(given.size, 2);
  const pools = node.layer!.kind.startsWith("Max");
  const kernel = Object.hasOwn(given, "kernel_size") ? first(given.kernel_size, 1) : null;
  const k = kernel ?? (pools ? first(given.pool_size, 2) : factor);
  const s = kernel !== null ? first(given.strides, 1) : pools ? first(given.strides, k) : factor;
  const d = first(given.dilation_rate, 1);
  const pad = typeof given.padding === "string" ? given.padding.toLowerCase() : "valid";
  const covered = d * (k - 1) + 1;
  const found = { n: shape[0]!, k, s, d, pad, p: pad === "same" ? Math.floor((covered - 1) / 2) : 0 };
  return node.layer!.kind === "Conv2DTranspose" ? { ...found, ...cropped(node, found.n, covered, s) } : found;
}

/** Keras's padding as one crop on both sides and an output padding: the size is the same. */
function cropped(node: Node, n: number, covered: number, s: number): { p: number; op: number } {
  const total = (n - 1) * s + covered - node.made[0]!.shape[0]!;
  const p = Math.max(Math.ceil(total / 2), 0);
  return { p, op: 2 * p - total };
}
