/** The trained autoencoders: forward passes of the few layers they are made of. Python: lab/autoencoders.py. */

export interface Packed { exponent: number; letters: string }
export interface Layer {
  name: string; kind: string; inputs: [number, number][]; shape: [number, number, number]; weights: Packed[];
  kernel?: [number, number]; strides?: [number, number]; before?: [number, number];
  activation?: string; interpolation?: string;
}
export interface Network { mse: number; parameters: number; switches: number; layers: Layer[] }
export interface Kept {
  recipe: string; encoder: string; digits: string[]; networks: Record<string, Network>;
  code: Record<string, Record<string, string>>;
}
/** What a layer puts out: rows of pixels of channels, and where the maxima of a pool stood. */
export interface Tensor { shape: [number, number, number]; values: Float64Array; switches?: Int32Array }
type Rule = (layer: Layer, x: Tensor, weights: Float64Array[], switches: Int32Array | undefined) => Tensor;

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HALF = 2048;
let held: Kept | null = null;
const weighted = new Map<string, Float64Array[][]>();
const LATEST = 24;
/** What was computed last: pointing at a pixel asks for the same images again. */
const latest = new Map<string, Tensor[]>();

/** The file autoencoder.json, which whoever loads the screens hands over first. */
export function provide(file: Kept): void {
  held = file;
  weighted.clear();
  latest.clear();
}

export function kept(): Kept {
  if (!held) throw new Error("the autoencoders' weights were not provided");
  return held;
}

/** What the input (its levels from 0 to 1) and each layer put out. */
export function forward(decoder: string, image: readonly number[]): Tensor[] {
  const key = `${decoder} ${lettersOf(image)}`;
  const known = latest.get(key) ?? computed(decoder, image);
  latest.delete(key);
  latest.set(key, known);
  for (const old of latest.keys()) if (latest.size > LATEST) latest.delete(old);
  return known;
}

const spelled = new WeakMap<readonly number[], string>();

function lettersOf(image: readonly number[]): string {
  const known = spelled.get(image) ?? image.join(" ");
  spelled.set(image, known);
  return known;
}

function computed(decoder: string, image: readonly number[]): Tensor[] {
  const { layers } = kept().networks[decoder]!;
  if (!weighted.has(decoder)) weighted.set(decoder, layers.map((layer) => layer.weights.map(unpacked)));
  const weights = weighted.get(decoder)!;
  const made: Tensor[] = [];
  layers.forEach((layer, n) => {
    if (!layer.inputs.length) {
      made.push({ shape: layer.shape, values: Float64Array.from(image) });
      return;
    }
    const x = made[layer.inputs[0]![0]]!;
    const other = layer.inputs[1];
    made.push(RULES[layer.kind]!(layer, x, weights[n]!, other && made[other[0]]!.switches));
  });
  return made;
}

const NUMBERS = new Int16Array(128);
[...LETTERS].forEach((letter, n) => { NUMBERS[letter.charCodeAt(0)] = n; });

export function unpacked({ exponent, letters }: Packed): Float64Array {
  const weights = new Float64Array(letters.length / 2);
  for (let n = 0; n < weights.length; n++) {
    const whole = NUMBERS[letters.charCodeAt(2 * n)]! * 64 + NUMBERS[letters.charCodeAt(2 * n + 1)]! - HALF;
    weights[n] = whole / 2 ** exponent;
  }
  return weights;
}

const empty = ({ shape }: Layer): Tensor =>
  ({ shape, values: new Float64Array(shape[0] * shape[1] * shape[2]) });

function activated(layer: Layer, y: Tensor, bias: Float64Array): Tensor {
  const { values } = y;
  for (let n = 0; n < values.length; n++) {
    const v = values[n]! + bias[n % bias.length]!;
    values[n] = layer.activation === "relu" ? Math.max(v, 0) : layer.activation === "sigmoid" ? 1 / (1 + Math.exp(-v)) : v;
  }
  return y;
}

/** Sums are taken in the order of Python's, tap by tap and channel by channel; loops are flat, as they are run cold. */
const conv: Rule = (layer, x, [kernel, bias]) => {
  const y = empty(layer);
  const [rows, columns, outs] = y.shape;
  const [height, width, ins] = x.shape;
  const [[kh, kw], [s, t], [top, left]] = [layer.kernel!, layer.strides!, layer.before!];
  const [from, to, weights] = [x.values, y.values, kernel!];
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < columns; c++, at += outs) {
    for (let i = 0; i < kh; i++) {
      const a = r * s + i - top;
      if (a < 0 || a >= height) continue;
      for (let j = 0; j < kw; j++) {
        const b = c * t + j - left;
        if (b < 0 || b >= width) continue;
        let k = (i * kw + j) * ins * outs;
        for (let n = (a * width + b) * ins, end = n + ins; n < end; n++, k += outs) {
          const v = from[n]!;
          if (v !== 0) for (let o = 0; o < outs; o++) to[at + o]! += v * weights[k + o]!;
        }
      }
    }
  }
  return activated(layer, y, bias!);
};

const convTranspose: Rule = (layer, x, [kernel, bias]) => {
  const y = empty(layer);
  const [rows, columns, outs] = y.shape;
  const [height, width, ins] = x.shape;
  const [[kh, kw], [s, t], [top, left]] = [layer.kernel!, layer.strides!, layer.before!];
  const [from, to, weights] = [x.values, y.values, kernel!];
  for (let a = 0, begin = 0; a < height; a++) for (let b = 0; b < width; b++, begin += ins) {
    for (let i = 0; i < kh; i++) {
      const r = a * s + i - top;
      if (r < 0 || r >= rows) continue;
      for (let j = 0; j < kw; j++) {
        const c = b * t + j - left;
        if (c < 0 || c >= columns) continue;
        const [at, tap] = [(r * columns + c) * outs, (i * kw + j) * ins * outs];
        for (let n = 0; n < ins; n++) {
          const v = from[begin + n]!;
          if (v !== 0) for (let o = 0; o < outs; o++) to[at + o]! += v * weights[tap + n + o * ins]!;
        }
      }
    }
  }
  return activated(layer, y, bias!);
};

const maxPool: Rule = (layer, x) => {
  const y = empty(layer);
  const switches = new Int32Array(y.values.length);
  const [rows, columns, count] = y.shape;
  const [height, width] = x.shape;
  const [[kh, kw], [s, t], [top, left]] = [layer.kernel!, layer.strides!, layer.before!];
  const from = x.values;
  for (let r = 0, n = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    const [low, high] = [Math.max(r * s - top, 0), Math.min(r * s - top + kh, height)];
    const [begin, end] = [Math.max(c * t - left, 0), Math.min(c * t - left + kw, width)];
    for (let f = 0; f < count; f++, n++) {
      let best = (low * width + begin) * count + f;
      for (let a = low; a < high; a++) for (let b = begin; b < end; b++) {
        const here = (a * width + b) * count + f;
        if (from[here]! > from[best]!) best = here;
      }
      y.values[n] = from[best]!;
      switches[n] = best;
    }
  }
  return { ...y, switches };
};

const unpool: Rule = (layer, x, _weights, switches) => {
  const y = empty(layer);
  for (let n = 0; n < x.values.length; n++) y.values[switches![n]!] = x.values[n]!;
  return y;
};

/** Every output value is a value of the input, or zero: `from` says which, by row, column and channel, once a layer. */
const picked = (from: (layer: Layer, x: Tensor, r: number, c: number, f: number) => number): Rule => {
  const places = new WeakMap<Layer, Int32Array>();
  return (layer, x) => {
    const y = empty(layer);
    const known = places.get(layer) ?? placesOf(layer, x, from);
    places.set(layer, known);
    for (let n = 0; n < known.length; n++) if (known[n]! >= 0) y.values[n] = x.values[known[n]!]!;
    return y;
  };
};

function placesOf(layer: Layer, x: Tensor, from: (layer: Layer, x: Tensor, r: number, c: number, f: number) => number): Int32Array {
  const [rows, columns, count] = layer.shape;
  const places = new Int32Array(rows * columns * count);
  for (let r = 0, n = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    for (let f = 0; f < count; f++, n++) places[n] = from(layer, x, r, c, f);
  }
  return places;
}

const place = ({ shape: [, width, count] }: Tensor, row: number, column: number, channel: number): number =>
  (row * width + column) * count + channel;

const nearest = picked(({ strides }, x, r, c, f) =>
  place(x, Math.floor(r / strides![0]), Math.floor(c / strides![1]), f));

/** Linear between the centres of pixels; beyond the outer ones as they are. */
const bilinear: Rule = (layer, x) => {
  const y = empty(layer);
  const [rows, columns, count] = y.shape;
  const [height, width] = x.shape;
  const along = (n: number, stride: number, size: number): [number, number, number] => {
    const at = Math.min(Math.max((n + 0.5) / stride - 0.5, 0), size - 1);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, size - 1), at - low];
  };
  const across = Array.from({ length: columns }, (_, c) => along(c, layer.strides![1], width));
  const from = x.values;
  for (let r = 0, n = 0; r < rows; r++) {
    const [a, b, v] = along(r, layer.strides![0], height);
    for (let c = 0; c < columns; c++) {
      const [d, e, u] = across[c]!;
      const corners = [a * width + d, a * width + e, b * width + d, b * width + e].map((at) => at * count);
      for (let f = 0; f < count; f++, n++) {
        const [p, q, s, t] = [from[corners[0]! + f]!, from[corners[1]! + f]!, from[corners[2]! + f]!, from[corners[3]! + f]!];
        y.values[n] = (p * (1 - u) + q * u) * (1 - v) + (s * (1 - u) + t * u) * v;
      }
    }
  }
  return y;
};

const RULES: Record<string, Rule> = {
  Conv2D: conv,
  Conv2DTranspose: convTranspose,
  MaxPooling2D: maxPool,
  MaxUnpooling2D: unpool,
  UpSampling2D: (layer, ...rest) => (layer.interpolation === "bilinear" ? bilinear : nearest)(layer, ...rest),
  BedOfNails2D: picked(({ strides }, x, r, c, f) =>
    r % strides![0] || c % strides![1] ? -1 : place(x, r / strides![0], c / strides![1], f)),
  PixelShuffle2D: picked(({ strides }, x, r, c, f) => {
    const [s, t] = strides!;
    return place(x, Math.floor(r / s), Math.floor(c / t), (f * s + (r % s)) * t + (c % t));
  }),
  Cropping2D: picked(({ before }, x, r, c, f) => place(x, r + before![0], c + before![1], f)),
};
