/** What a screen shows, as plain data: the twin of lab/scene.py, whose words say what each part means. */

export const VERSION = 1;

export type Place = [grid: string, index: number];
export interface Text { key: string; args: Args }
export interface Args { [name: string]: string | number | Text }
export interface Cell { value: number | null; text: string; role: string }
export interface Grid {
  id: string; title: Text; rows: number; columns: number; cells: Cell[];
  scale: "diverging" | "sequential" | "plain"; select: string; summary: Text | null;
}
export interface Link { source: Place; target: Place; role: string }
export interface Token { text: string; kind: "number" | "operator" | "name"; cell: Place | null }
export interface Clamp { name: string; asked: string; used: string; why: Text }
export type Settings = Record<string, any>;

export interface Scene {
  version: number; screen: string; settings: Settings; title: Text; grids: Grid[]; layout: string[][]; links: Link[];
  selected: Place | null; formula: Token[]; law: Token[]; code: Record<string, string>; why: Text[];
  step: number; steps: number; clamped: Clamp[]; data: Record<string, unknown>;
}

export const say = (key: string, args: Args = {}): Text => ({ key, args });

export const cell = (value: number | null, text: string, role = "data"): Cell => ({ value, text, role });

export function grid(
  id: string, title: Text, rows: number, columns: number, cells: Cell[],
  { scale = "diverging", select = "", summary = null }: Partial<Pick<Grid, "scale" | "select" | "summary">> = {},
): Grid {
  return { id, title, rows, columns, cells, scale, select, summary };
}

export const link = (source: Place, target: Place, role = "read"): Link => ({ source, target, role });

export const token = (text: string, kind: Token["kind"] = "number", cell: Place | null = null): Token =>
  ({ text, kind, cell });

/** A scene; what is not given is as in Python's defaults. */
export function scene(
  given: Pick<Scene, "screen" | "settings" | "title" | "grids" | "layout"> & Partial<Scene>,
): Scene {
  return {
    version: VERSION, links: [], selected: null, formula: [], law: [], code: {}, why: [], step: 0, steps: 0,
    clamped: [], data: {}, ...given,
  };
}
