/** Receptive fields on an unbounded input, as the range of their size over positions: the twin of `Step.fields`. */

import { extent, single, union, type Indices } from "./indices.ts";
import { type Relation } from "./reach.ts";
import { type Node } from "./net.ts";

const MOST_PHASES = 4096;

/** How one axis of the input is seen from the positions along `axis` of a tensor; null: everything, or a mere bound. */
interface Field { axis: number; jump: [number, number]; period: number; pull: (set: Indices) => Indices }
type Seen = Field | null | undefined;

/** The axes that have positions: all but the channels; of one axis, that one. */
export const spatialAxes = (rank: number): number[] =>
  rank === 1 ? [0] : Array.from({ length: Math.max(rank - 1, 0) }, (_, axis) => axis);

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a);

/** [least, most] for each axis of the input that has positions and is seen; null for everything. */
export function extents(nodes: Node[], stage: number): ([number, number] | null)[] {
  const found: ([number, number] | null)[] = [];
  for (const axis of spatialAxes(nodes[0]!.made[0]!.shape.length)) {
    const seen: Seen[] = [];
    for (let n = 0; n <= stage; n++) seen.push(n ? fieldOf(nodes[n]!, seen) : start(axis));
    const field = seen[stage];
    if (field !== undefined) found.push(field && ends(field));
  }
  if (found.some((one) => one && one[0] === 0)) return found.map((one) => one && [0, one[1]]);
  return found;
}

const start = (axis: number): Field => ({ axis, jump: [1, 1], period: 1, pull: (set) => set });

function fieldOf(node: Node, seen: Seen[]): Seen {
  const one = through(seen[node.source!], node);
  if (node.switches === null) return one;
  return together(one, through(seen[node.switches], node));
}

function through(field: Seen, { reads }: Node): Seen {
  if (!field) return field;
  const relation: Relation | null = reads[field.axis] ?? null;
  if (!relation) return null;
  const [far, near] = relation.steps;
  const turns = field.period / gcd(field.period, near);
  if (far * turns > MOST_PHASES) return null;
  const jump: [number, number] = [field.jump[0] * near, field.jump[1] * far];
  return { axis: relation.axis, jump, period: far * turns, pull: (set) => field.pull(relation.pull(set)) };
}

/** What depends on either of two, as where branches meet. */
function together(one: Seen, other: Seen): Seen {
  if (one === undefined || other === undefined) return one ?? other;
  if (!one || !other || one.axis !== other.axis) return null;
  if (one.jump[0] * other.jump[1] !== other.jump[0] * one.jump[1]) return null;
  const period = (one.period * other.period) / gcd(one.period, other.period);
  if (period > MOST_PHASES) return null;
  return { ...one, period, pull: (set) => union(...one.pull(set), ...other.pull(set)) };
}

function ends({ period, pull }: Field): [number, number] {
  const sizes = Array.from({ length: period }, (_, o) => extent(pull(single(o))));
  return [Math.min(...sizes), Math.max(...sizes)];
}
