/**
 * What would make a network fit: single changes, each tried on the whole network, the smallest first. Python's
 * `analyses.advice` also finds changes of two and three layers.
 */

import { say, type Text } from "../scene.ts";
import { draftOf, proposals, valueWords, type Draft, type Edit, type Misfit } from "./edits.ts";
import { read, type Net } from "./net.ts";
import { stagesOf } from "./reader.ts";
import { Wrong } from "./wrong.ts";

/** Changes in words, and the text with them. */
export interface Fix { changes: Text[]; net: string }

const MOST_FIXES = 3;
const MOST_TRIES = 600;
const MUCH_LARGER = 2.2;
const SHAPES = /^net\.(rank|window|convt|groups$|glu|reshape(\.multiple)?$|crop|axis$|shuffle|unpool\.|dense)/;

/** Up to three single changes with which everything fits; none where the text itself is wrong. */
export function fixesOf(net: Net, target: number[] | null): Fix[] {
  const { trouble } = net;
  if (!net.nodes.length) return []; // the layers before the trouble form no network
  if (trouble ? trouble.stage === null || !SHAPES.test(trouble.why.key) : !target) return [];
  let drafts: Draft[];
  try {
    drafts = stagesOf(net.text, net.stages.length).map(draftOf);
  } catch (error) {
    if (error instanceof Wrong) return []; // a later stage cannot be read
    throw error;
  }
  const fed = net.nodes.at(-1)!.made[0]!.shape;
  const stage = trouble ? trouble.stage! : drafts.length;
  const asked = trouble ? drafts[stage]!.given.target_shape : null;
  const shape = Array.isArray(asked) && !(asked as number[]).includes(-1) ? (asked as number[]) : null;
  return tried(drafts, { stage, fed, target: trouble ? null : target, shape });
}

function tried(drafts: Draft[], misfit: Misfit): Fix[] {
  const found: Fix[] = [];
  const seen = new Set<string>();
  let limit = Infinity;
  const all = proposals(drafts, misfit).sort((a, b) => a.cost - b.cost);
  for (const edit of all.slice(0, MOST_TRIES)) {
    if (edit.cost > limit || found.length === MOST_FIXES) break;
    const key = `${edit.action} ${edit.stage} ${edit.action === "set" ? edit.setting : edit.action === "insert" ? "" : edit.words}`;
    if (seen.has(key)) continue;
    const text = edited(drafts, edit);
    const made = read(text);
    if (made.trouble || (misfit.target && made.nodes.at(-1)!.made[0]!.shape.join() !== misfit.target.join())) continue;
    seen.add(key);
    limit = Math.min(limit, MUCH_LARGER * edit.cost + 1);
    found.push({ changes: [change(edit, made)], net: text });
  }
  return found;
}

/** The text with a change. */
function edited(drafts: Draft[], { action, stage, words }: Edit): string {
  const stages = drafts.map((draft) => draft.words);
  stages.splice(stage, action === "insert" ? 0 : 1, ...(action === "remove" ? [] : [words]));
  return stages.join(" | ");
}

/** A change in words; layers have the names that they have in the changed network. */
function change({ action, stage, words, setting, before, after }: Edit, made: Net): Text {
  if (action === "remove") return say("journey.fix.remove", { layer: words.split(" ")[0]!, words });
  if (action === "set") {
    const values = { before: valueWords(before), after: valueWords(after) };
    return say("journey.fix.set", { layer: made.names[stage]!, setting, ...values });
  }
  const next = made.names[stage + 1];
  return next === undefined ? say("journey.fix.insert.end", { words }) : say("journey.fix.insert", { words, layer: next });
}
