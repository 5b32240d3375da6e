/** Convolutions of all kinds: a kernel that moves over positions, then a bias and an activation. */

import * as checks from "./checks.ts";
import { told as either, type Pair } from "./checks.ts";
import { type Given, type Layer } from "./layers.ts";
import { activated, AXES, MIXING, places, product, spatial, stamped, type Placement, type Type } from "./laws.ts";
import { spread, window, type Reads, type Relation } from "./reach.ts";
import { Wrong } from "./wrong.ts";

type Answers = Pick<Layer, "out" | "reads" | "weights" | "macs">;

interface Shared {
  kernel: Pair; strides: Pair; padding: "valid" | "same"; dilation: Pair; name: string | null; bias: boolean;
}

function shared(kind: string, given: Given): Shared {
  const kernel = checks.perAxis(given.kernel_size, kind, "kernel_size");
  const strides = checks.perAxis(either(given, "strides", 1), kind, "strides");
  const padding = checks.padding(either(given, "padding", "valid"), kind);
  const dilation = checks.perAxis(either(given, "dilation_rate", 1), kind, "dilation_rate");
  checks.format(given.data_format, kind);
  const name = checks.activation(given.activation, kind);
  return { kernel, strides, padding, dilation, name, bias: checks.truthy(given.use_bias, true) };
}

function grouped(kind: string, given: Given): { filters: number; groups: number } {
  const filters = checks.checked(given.filters, kind, "filters");
  const groups = checks.checked(either(given, "groups", 1), kind, "groups");
  if (filters % groups) throw new Wrong("net.groups.filters", { kind, filters, groups });
  return { filters, groups };
}

/** Channels that groups share evenly. */
function channels(type: Type, groups: number, kind: string): number {
  const count = type.shape[2]!;
  if (count % groups) throw new Wrong("net.groups", { kind, count, groups });
  return count;
}

function moved(
  told: Shared, found: Placement[], relation: typeof window, channel: Relation | null,
): Reads {
  const last = channel && MIXING.includes(told.name ?? "") ? null : channel;
  return [
    ...found.map(({ begin }, i) => relation(i, told.strides[i]!, told.kernel[i]!, begin, told.dilation[i]!)), last,
  ];
}

export function convolution(kind: string, given: Given): Answers {
  const told = shared(kind, given);
  const { filters, groups } = grouped(kind, given);
  const placed = (x: Type): Placement[] => places(x, told.kernel, told.strides, told.padding, kind, told.dilation);
  const before = (x: Type): number[] => {
    const found = placed(x);
    channels(x, groups, kind);
    return [...found.map(({ out }) => out), filters];
  };
  return {
    out: ([x]) => [{ shape: activated(told.name, before(x!), kind) }],
    weights: ([x]) => ({
      kernel: [...told.kernel, x!.shape[2]! / groups, filters], ...(told.bias ? { bias: [filters] } : {}),
    }),
    macs: ([x]) => product(before(x!)) * (x!.shape[2]! / groups) * product(told.kernel),
    reads: ([x]) => moved(told, placed(x!), window, null),
  };
}

export function transposed(kind: string, given: Given): Answers {
  const told = shared(kind, given);
  const { filters, groups } = grouped(kind, given);
  const added = given.output_padding == null ? null
    : checks.perAxis(given.output_padding, kind, "output_padding", 0);
  if (added?.some((more, i) => more >= told.strides[i]!)) {
    throw new Wrong("net.output_padding", { kind, value: added.join("x"), strides: told.strides.join("x") });
  }
  const placed = (x: Type): Placement[] => {
    const sizes = spatial(x, kind);
    return AXES.map((_, i) => stamped(
      sizes[i]!, told.kernel[i]!, told.strides[i]!, told.dilation[i]!, told.padding, added?.[i] ?? null, kind,
    ));
  };
  return {
    out([x]) {
      const found = placed(x!);
      channels(x!, groups, kind);
      return [{ shape: activated(told.name, [...found.map(({ out }) => out), filters], kind) }];
    },
    weights: ([x]) => ({
      kernel: [...told.kernel, filters / groups, x!.shape[2]!], ...(told.bias ? { bias: [filters] } : {}),
    }),
    macs: ([x]) => product(x!.shape) * (filters / groups) * product(told.kernel),
    reads: ([x]) => moved(told, placed(x!), spread, null),
  };
}

/** Each channel by itself, alone or (separable) followed by a convolution of size 1 that mixes them. */
export function depthwise(kind: string, given: Given): Answers {
  const told = shared(kind, given);
  const multiplier = checks.checked(either(given, "depth_multiplier", 1), kind, "depth_multiplier");
  const filters = kind === "SeparableConv2D" ? checks.checked(given.filters, kind, "filters") : null;
  const placed = (x: Type): Placement[] => places(x, told.kernel, told.strides, told.padding, kind, told.dilation);
  const deep = (x: Type): number[] => [...placed(x).map(({ out }) => out), x.shape[2]! * multiplier];
  return {
    out([x]) {
      const made = deep(x!);
      return [{ shape: activated(told.name, filters === null ? made : [...made.slice(0, 2), filters], kind) }];
    },
    weights([x]) {
      const each = [...told.kernel, x!.shape[2]!, multiplier];
      const count = filters ?? x!.shape[2]! * multiplier;
      const bias = told.bias ? { bias: [count] } : {};
      if (filters === null) return { kernel: each, ...bias };
      return { depthwise_kernel: each, pointwise_kernel: [1, 1, x!.shape[2]! * multiplier, filters], ...bias };
    },
    macs: ([x]) => product(deep(x!)) * (product(told.kernel) + (filters ?? 0)),
    reads: ([x]) => moved(told, placed(x!), window, filters === null ? spread(2, multiplier, multiplier) : null),
  };
}
