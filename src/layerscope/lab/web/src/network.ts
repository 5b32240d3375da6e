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

export function unpacked({ exponent, letters }: Packed): Float64Array {
  const weights = new Float64Array(letters.length / 2);
  for (let n = 0; n < weights.length; n++) {
    const whole = LETTERS.indexOf(letters[2 * n]!) * 64 + LETTERS.indexOf(letters[2 * n + 1]!) - HALF;
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

/** Adds a pixel of `from` times a matrix to a pixel of `to`; [step over inputs, step over outputs] in the kernel. */
function addProduct(
  to: Float64Array, at: number, outs: number, from: Float64Array, begin: number, ins: number,
  kernel: Float64Array, tap: number, byIn: number, byOut: number,
): void {
  for (let i = 0; i < ins; i++) {
    const v = from[begin + i]!;
    if (v === 0) continue;
    for (let o = 0, k = tap + i * byIn; o < outs; o++, k += byOut) to[at + o]! += v * kernel[k]!;
  }
}

const conv: Rule = (layer, x, weights) => {
  const y = empty(layer);
  const [[rows, columns, outs], [height, width, ins]] = [y.shape, x.shape];
  const [[kh, kw], [s, t], [top, left]] = [layer.kernel!, layer.strides!, layer.before!];
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    for (let i = 0; i < kh; i++) for (let j = 0; j < kw; j++) {
      const [a, b] = [r * s + i - top, c * t + j - left];
      if (a < 0 || b < 0 || a >= height || b >= width) continue;
      addProduct(y.values, (r * columns + c) * outs, outs, x.values, (a * width + b) * ins, ins,
        weights[0]!, (i * kw + j) * ins * outs, outs, 1);
    }
  }
  return activated(layer, y, weights[1]!);
};

const convTranspose: Rule = (layer, x, weights) => {
  const y = empty(layer);
  const [[rows, columns, outs], [height, width, ins]] = [y.shape, x.shape];
  const [[kh, kw], [s, t], [top, left]] = [layer.kernel!, layer.strides!, layer.before!];
  for (let a = 0; a < height; a++) for (let b = 0; b < width; b++) {
    for (let i = 0; i < kh; i++) for (let j = 0; j < kw; j++) {
      const [r, c] = [a * s + i - top, b * t + j - left];
      if (r < 0 || c < 0 || r >= rows || c >= columns) continue;
      addProduct(y.values, (r * columns + c) * outs, outs, x.values, (a * width + b) * ins, ins,
        weights[0]!, (i * kw + j) * ins * outs, 1, ins);
    }
  }
  return activated(layer, y, weights[1]!);
};

const maxPool: Rule = (layer, x) => {
  const y = empty(layer);
  const switches = new Int32Array(y.values.length);
  const [[rows, columns, count], [height, width]] = [y.shape, x.shape];
  const [[kh, kw], [s, t], [top, left]] = [layer.kernel!, layer.strides!, layer.before!];
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) for (let f = 0; f < count; f++) {
    let best = -1;
    for (let a = Math.max(r * s - top, 0); a < Math.min(r * s - top + kh, height); a++) {
      for (let b = Math.max(c * t - left, 0); b < Math.min(c * t - left + kw, width); b++) {
        const n = (a * width + b) * count + f;
        if (best < 0 || x.values[n]! > x.values[best]!) best = n;
      }
    }
    const n = (r * columns + c) * count + f;
    y.values[n] = x.values[best]!;
    switches[n] = best;
  }
  return { ...y, switches };
};

const unpool: Rule = (layer, x, _weights, switches) => {
  const y = empty(layer);
  x.values.forEach((v, n) => { y.values[switches![n]!] = v; });
  return y;
};

/** Every output value is a value of the input, or zero: `from` says which, by row, column and channel. */
const picked = (from: (layer: Layer, x: Tensor, r: number, c: number, f: number) => number): Rule => (layer, x) => {
  const y = empty(layer);
  const [rows, columns, count] = y.shape;
  for (let r = 0, n = 0; r < rows; r++) for (let c = 0; c < columns; c++) for (let f = 0; f < count; f++, n++) {
    const at = from(layer, x, r, c, f);
    y.values[n] = at < 0 ? 0 : x.values[at]!;
  }
  return y;
};

const place = ({ shape: [, width, count] }: Tensor, row: number, column: number, channel: number): number =>
  (row * width + column) * count + channel;

const nearest = picked(({ strides }, x, r, c, f) =>
  place(x, Math.floor(r / strides![0]), Math.floor(c / strides![1]), f));

/** Linear between the centres of pixels; beyond the outer ones as they are. */
const bilinear: Rule = (layer, x) => {
  const y = empty(layer);
  const [[rows, columns, count], [height, width]] = [y.shape, x.shape];
  const along = (n: number, stride: number, size: number): [number, number, number] => {
    const at = Math.min(Math.max((n + 0.5) / stride - 0.5, 0), size - 1);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, size - 1), at - low];
  };
  for (let r = 0, n = 0; r < rows; r++) for (let c = 0; c < columns; c++) for (let f = 0; f < count; f++, n++) {
    const [a, b, v] = along(r, layer.strides![0], height);
    const [d, e, u] = along(c, layer.strides![1], width);
    const value = (row: number): number =>
      x.values[place(x, row, d, f)]! * (1 - u) + x.values[place(x, row, e, f)]! * u;
    y.values[n] = value(a) * (1 - v) + value(b) * v;
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
