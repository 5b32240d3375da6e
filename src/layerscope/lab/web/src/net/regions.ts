/** Which positions of every tensor depend on some of one, and the other way: the twin of core/boxes.py as far as needed. */

import { all, both, clip, NOTHING, same, union, type Indices } from "./indices.ts";
import { type Node } from "./net.ts";
import { type Reads } from "./reach.ts";

/** All combinations of indices, one from each axis but the batch. */
export type Box = Indices[];
/** The union of boxes. */
export type Region = Box[];

export const whole = (shape: number[]): Box => shape.map(all);

/** The box of an input on which a box of the output depends; null for nothing. */
function pull(reads: Reads, box: Box, shape: number[]): Box | null {
  if (box.some((part) => !part.length)) return null;
  const pulled = reads.map((relation, axis) =>
    relation ? clip(relation.pull(box[relation.axis]!), shape[axis]!) : all(shape[axis]!));
  return pulled.some((part) => !part.length) ? null : pulled;
}

/** The box of an output that depends on a box of the input; null for nothing. */
function push(reads: Reads, box: Box, shape: number[]): Box | null {
  if (box.some((part) => !part.length)) return null;
  const pushed = whole(shape);
  for (const [axis, relation] of reads.entries()) {
    if (!relation) continue;
    pushed[relation.axis] = both(pushed[relation.axis] ?? NOTHING, clip(relation.push(box[axis]!), shape[relation.axis]!));
    if (!pushed[relation.axis]!.length) return null;
  }
  return pushed;
}

/** The smallest box that holds a region; exact along each axis by itself. */
export const around = (region: Region): Box => region.reduce(joined);

const joined = (one: Box, other: Box): Box => one.map((part, axis) => union(...part, ...other[axis]!));

const alike = (one: Box, other: Box): boolean => one.every((part, axis) => same(part, other[axis]!));

/** With one box more: none within another, none that differ along one axis only. */
function add(found: Region, box: Box): void {
  for (const [number, other] of found.entries()) {
    const together = joined(other, box);
    const different = together.flatMap((part, axis) => (same(part, other[axis]!) ? [] : [axis]));
    if (!different.length) return;
    const rest = box.every((part, axis) => different.includes(axis) || same(other[axis]!, part));
    if ((different.length === 1 && rest) || alike(together, box)) {
      found.splice(number, 1);
      return add(found, together);
    }
  }
  found.push(box);
}

const into = (regions: (Region | undefined)[], stage: number, box: Box | null): void => {
  if (box) add((regions[stage] ??= []), box);
};

/** Of every stage before `stage`, and itself, what a box of it depends on; undefined for nothing. */
export function demanded(nodes: Node[], stage: number, box: Box): (Region | undefined)[] {
  const found: (Region | undefined)[] = nodes.map(() => undefined);
  into(found, stage, box);
  // what is asked of a pool's switches is asked of the pool, and told of it, but pulled by its own reads as well
  for (let n = stage; n > 0; n--) {
    const { reads, source, switches, fed } = nodes[n]!;
    for (const part of found[n] ?? []) {
      into(found, source!, pull(reads, part, fed[0]!.shape));
      if (switches !== null) into(found, switches, pull(reads, part, fed[1]!.shape));
    }
  }
  return found;
}

/** Of every stage what depends on a box of the input; undefined for nothing. */
export function reached(nodes: Node[], box: Box): (Region | undefined)[] {
  const found: (Region | undefined)[] = nodes.map(() => undefined);
  found[0] = [box];
  for (let n = 1; n < nodes.length; n++) {
    const { reads, source, switches, made } = nodes[n]!;
    for (const from of switches === null ? [source!] : [source!, switches]) {
      for (const part of found[from] ?? []) into(found, n, push(reads, part, made[0]!.shape));
    }
  }
  return found;
}
