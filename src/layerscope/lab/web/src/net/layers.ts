/** The layers of one line of text: settings checked, shapes, weights, multiply-accumulates, and what is read. */

import * as checks from "./checks.ts";
import { told, type Ends } from "./checks.ts";
import { convolution, depthwise, transposed } from "./kernels.ts";
import { activated, AXES, MIXING, places, product, spatial, type Type } from "./laws.ts";
import { alike, interpolate, spread, window, type Reads, type Relation } from "./reach.ts";
import { Wrong, shapeWords, type Value } from "./wrong.ts";

export type Given = Record<string, Value>;
export type Weights = Record<string, number[]>;

/** What a layer answers; `fed` has its inputs (unpool: values and switches). */
export interface Layer {
  kind: string;
  settings: Given;
  out(fed: Type[]): Type[];
  weights(fed: Type[]): Weights;
  macs(fed: Type[]): number;
  reads(fed: Type[]): Reads;
}

type Answers = Pick<Layer, "out" | "reads"> & Partial<Pick<Layer, "weights" | "macs">>;
type Maker = (kind: string, given: Given) => Answers;

function pooling(kind: string, given: Given): Answers {
  const size = checks.perAxis(told(given, "pool_size", 2), kind, "pool_size");
  const strides = given.strides == null ? size : checks.perAxis(given.strides, kind, "strides");
  const padding = checks.padding(told(given, "padding", "valid"), kind);
  checks.format(given.data_format, kind);
  return {
    out([x]) {
      const [rows, columns] = places(x!, size, strides, padding, kind);
      const shape = [rows.out, columns.out, x!.shape[2]!];
      return given.return_switches ? [{ shape }, { shape, plane: x!.shape.slice(0, 2) }] : [{ shape }];
    },
    reads([x]) {
      const found = places(x!, size, strides, padding, kind);
      return [...found.map(({ begin }, i) => window(i, strides[i]!, size[i]!, begin)), window(2)];
    },
  };
}

function globally(kind: string, given: Given): Answers {
  checks.format(given.data_format, kind);
  const keep = checks.truthy(given.keepdims, false);
  return {
    out([x]) {
      spatial(x!, kind);
      return [{ shape: keep ? [1, 1, x!.shape[2]!] : [x!.shape[2]!] }];
    },
    reads: () => [null, null, window(keep ? 2 : 0)],
  };
}

function enlarging(along: (axis: number, factor: number, support: number) => Relation): Maker {
  return (kind, given) => {
    const size = checks.perAxis(told(given, "size", 2), kind, "size");
    checks.format(given.data_format, kind);
    const support = checks.support(given.interpolation, kind);
    return {
      out([x]) {
        const [rows, columns] = spatial(x!, kind);
        return [{ shape: [rows * size[0], columns * size[1], x!.shape[2]!] }];
      },
      reads: () => [along(0, size[0], support), along(1, size[1], support), window(2)],
    };
  };
}

function shuffle(kind: string, given: Given): Answers {
  const size = checks.perAxis(told(given, "size", 2), kind, "size");
  const block = size[0] * size[1];
  return {
    out([x]) {
      const [rows, columns] = spatial(x!, kind);
      const count = x!.shape[2]!;
      if (count % block) throw new Wrong("net.shuffle", { kind, rows: size[0], columns: size[1], block, count });
      return [{ shape: [rows * size[0], columns * size[1], count / block] }];
    },
    reads: () => [spread(0, size[0], size[0]), spread(1, size[1], size[1]), window(2, block, block)],
  };
}

function unpool(kind: string, given: Given): Answers {
  const size = checks.perAxis(told(given, "pool_size", 2), kind, "pool_size");
  const strides = given.strides == null ? size : checks.perAxis(given.strides, kind, "strides");
  const padding = checks.padding(told(given, "padding", "valid"), kind);
  const asked = given.output_size == null ? null : checks.perAxis(given.output_size, kind, "output_size");
  return {
    out([x, switches]) {
      spatial(x!, kind);
      const there = switches!;
      if (x!.shape.join() !== there.shape.join()) {
        throw new Wrong("net.unpool.shapes", { kind, shape: shapeWords(x!.shape), switches: shapeWords(there.shape) });
      }
      if (asked && asked.join() !== there.plane!.join()) {
        throw new Wrong("net.unpool.plane", { kind, value: asked.join("x"), plane: there.plane!.join("x") });
      }
      return [{ shape: [...there.plane!, x!.shape[2]!] }];
    },
    reads([, switches]) {
      const plane: Type = { shape: [...switches!.plane!, 1] };
      const found = padding === "same" ? places(plane, size, strides, padding, kind) : null;
      return [...AXES.map((_, i) => spread(i, strides[i]!, size[i]!, found?.[i]!.begin ?? 0)), window(2)];
    },
  };
}

function framing(setting: string, sign: 1 | -1): Maker {
  return (kind, given) => {
    const frame = checks.frame(told(given, setting, sign > 0 ? 1 : 0), kind, setting);
    checks.format(given.data_format, kind);
    const ends = frame.map(([a, b]) => [sign * a, sign * b]) as Ends;
    return {
      out([x]) {
        const sizes = spatial(x!, kind);
        const made = sizes.map((n, i) => n + ends[i]![0] + ends[i]![1]);
        AXES.forEach((axis, i) => {
          if (ends[i]![0] + ends[i]![1] < 0 && made[i]! < 1) {
            const cropping = frame.map((pair) => pair.join(",")).join("x");
            throw new Wrong(`net.crop.${axis}`, { kind, cropping, size: sizes[i]! });
          }
        });
        return [{ shape: [...made, x!.shape[2]!] }];
      },
      reads: () => [...ends.map(([begin], i) => window(i, 1, 1, begin)), window(2)],
    };
  };
}

function flatten(kind: string, given: Given): Answers {
  checks.format(given.data_format, kind);
  return {
    out: ([x]) => [{ shape: [product(x!.shape)] }],
    reads: ([x]) => (x!.shape.length === 1 ? [window(0)] : x!.shape.map(() => null)),
  };
}

function reshape(kind: string, given: Given): Answers {
  const target = checks.target(given.target_shape!, kind);
  const known = product(target.filter((part) => part !== -1));
  const out = ([x]: Type[]): Type[] => {
    const count = product(x!.shape);
    const rest = target.includes(-1) ? Math.floor(count / known) : 1;
    if (rest * known !== count) {
      const key = target.includes(-1) ? "net.reshape.multiple" : "net.reshape";
      throw new Wrong(key, { kind, shape: shapeWords(x!.shape), count, target: shapeWords(target), wanted: known });
    }
    return [{ shape: target.map((part) => (part === -1 ? rest : part)) }];
  };
  return {
    out,
    reads(fed) {
      const [x, y] = [fed[0]!.shape, out(fed)[0]!.shape];
      const [real, kept] = [x, y].map((shape) => [...shape.keys()].filter((axis) => shape[axis] !== 1)) as
        [number[], number[]];
      if (real.map((a) => x[a]).join() !== kept.map((a) => y[a]).join()) return x.map(() => null);
      return x.map((_, axis) => (real.includes(axis) ? window(kept[real.indexOf(axis)]!) : null));
    },
  };
}

function dense(kind: string, given: Given): Answers {
  const units = checks.checked(given.units, kind, "units");
  const name = checks.activation(given.activation, kind);
  const bias = checks.truthy(given.use_bias, true);
  return {
    out([x]) {
      if (!x!.shape.length) throw new Wrong("net.dense.rank", { kind });
      return [{ shape: activated(name, [...x!.shape.slice(0, -1), units], kind) }];
    },
    weights: ([x]) => ({ kernel: [x!.shape.at(-1)!, units], ...(bias ? { bias: [units] } : {}) }),
    macs: ([x]) => product(x!.shape) * units,
    reads: ([x]) => alike(x!.shape.length, [x!.shape.length - 1]),
  };
}

function activation(kind: string, given: Given): Answers {
  const name = checks.activation(given.activation, kind);
  if (name === null) throw new Wrong("net.activation.none", { kind });
  return {
    out: ([x]) => [{ shape: activated(name, x!.shape, kind) }],
    reads: ([x]) => alike(x!.shape.length, MIXING.includes(name) ? [x!.shape.length - 1] : []),
  };
}

const kept: Answers = { out: ([x]) => [{ shape: x!.shape }], reads: ([x]) => alike(x!.shape.length) };

function normalisation(kind: string, given: Given): Answers {
  const axis = checks.axis(given.axis, kind);
  const names = [
    ...(checks.truthy(given.scale, true) ? ["gamma"] : []), ...(checks.truthy(given.center, true) ? ["beta"] : []),
    "moving_mean", "moving_variance",
    ...(checks.truthy(given.renorm, false) ? ["moving_stddev", "renorm_mean", "renorm_stddev"] : []),
  ];
  return {
    out([x]) {
      const axes = x!.shape.length + 1;
      if (axis < -axes || axis >= axes) {
        throw new Wrong("net.axis", { kind, at: axis, axes, shape: shapeWords(x!.shape) });
      }
      return [{ shape: x!.shape }];
    },
    weights([x]) {
      const axes = x!.shape.length + 1;
      const place = ((axis % axes) + axes) % axes;
      if (!place) throw new Wrong("net.axis.open", { at: axis });
      return Object.fromEntries(names.map((name) => [name, [x!.shape[place - 1]!]]));
    },
    reads: ([x]) => alike(x!.shape.length),
  };
}

const MAKERS: Record<string, Maker> = {
  Conv2D: convolution, Conv2DTranspose: transposed, DepthwiseConv2D: depthwise, SeparableConv2D: depthwise,
  MaxPooling2D: pooling, AveragePooling2D: pooling, GlobalAveragePooling2D: globally, GlobalMaxPooling2D: globally,
  UpSampling2D: enlarging((axis, factor, support) =>
    support ? interpolate(axis, factor, support) : spread(axis, factor, factor)),
  BedOfNails2D: enlarging((axis, factor) => spread(axis, factor, 1)),
  MaxUnpooling2D: unpool, PixelShuffle2D: shuffle,
  ZeroPadding2D: framing("padding", 1), Cropping2D: framing("cropping", -1),
  Flatten: flatten, Reshape: reshape, Dense: dense, Activation: activation, BatchNormalization: normalisation,
  LeakyReLU(kind, given) {
    checks.slope(given.negative_slope, kind);
    return kept;
  },
  Dropout(kind, given) {
    checks.rate(given.rate, kind);
    if (given.noise_shape != null) throw new Wrong("net.offline", { name: "noise_shape" });
    return kept;
  },
  Identity: () => kept,
};

/** A layer with these settings; what they may not be is thrown as Wrong. */
export function layerOf(kind: string, settings: Given): Layer {
  return { kind, settings, weights: () => ({}), macs: () => 0, ...MAKERS[kind]!(kind, settings) };
}

