/** The shape law of a layer of a journey with its numbers: the twin of lab/laws.py. */

import { type Node } from "../net/net.ts";
import { token, type Token } from "../scene.ts";

const WINDOWS = ["Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D"];
const FACTORS = ["UpSampling2D", "BedOfNails2D", "PixelShuffle2D"];
type Word = string | number;

/** Numbers, names of functions, and what stands between. */
const tokens = (words: Word[]): Token[] => words.map((word) => token(
  String(word), typeof word === "number" ? "number" : /^[a-z]+$/.test(word) ? "name" : "operator",
));

const first = (value: unknown, otherwise: number): number =>
  Array.isArray(value) ? (Array.isArray(value[0]) ? value[0][0] : value[0]) : typeof value === "number" ? value : otherwise;

/** The law with the layer's numbers; none where the shape stays. */
export function law({ layer, fed, made }: Node): Token[] {
  if (!layer) return [];
  const [before, after] = [fed[0]!.shape, made[0]!.shape];
  const { kind, settings } = layer;
  const [n, out] = [before[0]!, after[0]!];
  if (WINDOWS.includes(kind)) {
    const pool = first(settings.pool_size, 2);
    const convolves = Object.hasOwn(settings, "kernel_size");
    const window = convolves ? first(settings.kernel_size, 1) : pool;
    const covered = first(settings.dilation_rate, 1) * (window - 1) + 1;
    return tokens(windows(n, covered, first(settings.strides, convolves ? 1 : pool), paddingOf(settings.padding), out));
  }
  if (kind === "Conv2DTranspose") return tokens(stamped(settings, n, out));
  if (FACTORS.includes(kind)) return tokens([n, "·", first(settings.size, 2), "=", out]);
  if (kind === "ZeroPadding2D" || kind === "Cropping2D") {
    const pads = kind === "ZeroPadding2D";
    const told = pads ? settings.padding ?? 1 : settings.cropping ?? 0;
    const ends = Array.isArray(told) && Array.isArray(told[0]) ? told[0] : [first(told, 0), first(told, 0)];
    const sign = pads ? "+" : "−";
    return tokens([n, sign, ends[0]!, sign, ends[1]!, "=", out]);
  }
  if ((kind === "Flatten" || kind === "Reshape") && before.join() !== after.join()) {
    return tokens([...product(before), "=", ...product(after)]);
  }
  return kind === "Dense" ? tokens([...listed(before), "→", ...listed(after)]) : [];
}

const paddingOf = (value: unknown): string => (typeof value === "string" ? value.toLowerCase() : "valid");

function windows(n: number, covered: number, s: number, padding: string, out: number): Word[] {
  if (padding === "same") return ["ceil", "(", n, "/", s, ")", "=", out];
  return ["floor", "(", "(", n, "−", covered, ")", "/", s, ")", "+", 1, "=", out];
}

function stamped(settings: Record<string, unknown>, n: number, out: number): Word[] {
  const s = first(settings.strides, 1);
  const covered = first(settings.dilation_rate, 1) * (first(settings.kernel_size, 1) - 1) + 1;
  const same = paddingOf(settings.padding) === "same";
  if (settings.output_padding != null) {
    const crop = same ? Math.floor(covered / 2) : 0;
    const more = first(settings.output_padding, 0);
    return ["(", n, "−", 1, ")", "·", s, "+", covered, "−", 2, "·", crop, "+", more, "=", out];
  }
  return same ? [n, "·", s, "=", out] : [n, "·", s, "+", "max", "(", covered, "−", s, ", ", 0, ")", "=", out];
}

const product = (shape: number[]): Word[] => (shape.length ? shape : [1]).flatMap((size, i) => (i ? ["·", size] : [size]));

const listed = (shape: number[]): Word[] => ["(", ...shape.flatMap((size, i): Word[] => (i ? [", ", size] : [size])), ")"];
