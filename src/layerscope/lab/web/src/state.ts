/** The state as the link's hash: the twin of lab/state.py. */

import { say, type Clamp, type Settings, type Text } from "./scene.ts";
import described from "../../settings.json";

export const LONGEST = 4000;

export interface Entry {
  name: string; kind: "int" | "choice" | "cell" | "text"; default: any; min?: number; max?: number; choices?: string[];
  presets?: { key: string; value: string }[];
}
/** `given`: the names that a link gave. */
export interface State { screen: string; settings: Settings; clamped: Clamp[]; given?: string[] }

export const SCREENS = described.screens as unknown as Record<string, Entry[]>;
export const COMMON = described.common as unknown as Entry[];
export const FIRST = described.first;

/** One that gives language or colours alone means the first screen; of a setting that is given more than once the last
 * counts. What cannot be read is thrown as an Error with a Text in `cause`. */
export function parse(hash: string): State {
  const text = hash.replace(/^#/, "");
  if (text.length > LONGEST) throw refused(say("refused.long", { length: text.length, longest: LONGEST }));
  const clamped: Clamp[] = [];
  const asked = askedIn(text, clamped);
  const given = [...asked.keys()];
  let screen = asked.get("lab") ?? "";
  asked.delete("lab");
  if (!screen && asked.size && [...asked.keys()].every((name) => COMMON.some((entry) => entry.name === name))) screen = FIRST;
  if (!screen) throw refused(say("refused.screenless"));
  if (!Object.hasOwn(SCREENS, screen)) throw refused(say("refused.screen", { screen }));
  const settings: Settings = {};
  for (const entry of [...COMMON, ...SCREENS[screen]!]) {
    settings[entry.name] = valueOf(entry, asked.get(entry.name), clamped);
    asked.delete(entry.name);
  }
  for (const [name, value] of asked) clamped.push({ name, asked: value, used: "", why: say("clamp.unknown") });
  return { screen, settings, clamped, given };
}

/** Language and colours of a link, which it keeps even where it names no screen that there is. */
export function looksOf(hash: string): Settings {
  const asked = askedIn(hash.replace(/^#/, "").slice(0, LONGEST), []);
  const known = COMMON.filter(({ name, choices }) => choices!.includes(asked.get(name) ?? ""));
  return Object.fromEntries(known.map(({ name }) => [name, asked.get(name)]));
}

/** The values by their names; those that a later one stands for go into `clamped`. */
function askedIn(text: string, clamped: Clamp[]): Map<string, string> {
  const asked = new Map<string, string>();
  for (const part of text.split("&")) {
    if (!part) continue;
    const at = part.indexOf("=");
    const [name, value] = [unquoted(at < 0 ? part : part.slice(0, at)), at < 0 ? "" : unquoted(part.slice(at + 1))];
    if (asked.has(name)) clamped.push({ name, asked: asked.get(name)!, used: "", why: say("clamp.twice", { name }) });
    asked.set(name, value);
  }
  return asked;
}

export function spell(screen: string, settings: Settings): string {
  const parts = [`lab=${screen}`];
  for (const entry of [...SCREENS[screen]!, ...COMMON]) {
    const value = spelled(settings[entry.name] ?? entry.default);
    if (value !== spelled(entry.default)) {
      parts.push(`${entry.name}=${encodeURIComponent(value).replaceAll("%2C", ",").replace(/[!'()*]/g, percent)}`);
    }
  }
  return "#" + parts.join("&");
}

const percent = (letter: string): string => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;

const refused = (why: Text): Error => new Error(why.key, { cause: why });

const spelled = (value: unknown): string => (Array.isArray(value) ? value.join(",") : String(value));

/** As Python's unquote_plus: what is no percent code stays as it is, what is no UTF-8 becomes U+FFFD. */
const unquoted = (word: string): string => new URLSearchParams(`a=${word}`).get("a")!;

function valueOf(entry: Entry, asked: string | undefined, clamped: Clamp[]): any {
  if (asked === undefined) return structuredClone(entry.default);
  const [value, why] = KINDS[entry.kind](entry, asked);
  if (why) clamped.push({ name: entry.name, asked, used: spelled(value), why });
  return value;
}

const KINDS: Record<Entry["kind"], (entry: Entry, asked: string) => [any, Text | null]> = {
  int(entry, asked) {
    if (!isWhole(asked)) return [entry.default, say("clamp.number")];
    const value = Math.min(Math.max(Number(asked), entry.min!), entry.max!);
    return [value, value === Number(asked) ? null : say("clamp.range", { low: entry.min!, high: entry.max! })];
  },
  choice(entry, asked) {
    if (entry.choices!.includes(asked)) return [asked, null];
    return [entry.default, say("clamp.choice", { choices: entry.choices!.join(", ") })];
  },
  cell(entry, asked) {
    const parts = asked.split(",");
    if (parts.length !== 2 || !parts.every(isWhole)) return [structuredClone(entry.default), say("clamp.cell")];
    return [parts.map(Number), null];
  },
  text: (_entry, asked) => [asked, null],
};

const isWhole = (word: string): boolean => /^-?[0-9]{1,6}$/.test(word);
