/** All screens by their name in the hash; the twin of lab/scenes/__init__.py. */

import { say, type Clamp, type Scene, type Settings } from "../scene.ts";
import { parse, type State } from "../state.ts";
import autoencoder from "./autoencoder.ts";
import checkerboard from "./checkerboard.ts";
import conv from "./conv.ts";
import convt from "./convt.ts";
import dense from "./dense.ts";
import field from "./field.ts";
import journey from "./journey.ts";
import pool from "./pool.ts";
import upsampling from "./upsampling.ts";

export const SCENES: Record<string, (settings: Settings) => Scene> = {
  autoencoder,
  checkerboard,
  conv,
  convt,
  dense,
  field,
  journey,
  pool,
  upsampling,
};

export function sceneOf(state: State | string): Scene {
  const asked = typeof state === "string" ? parse(state) : state;
  const made = SCENES[asked.screen]!(structuredClone(asked.settings));
  return { ...made, clamped: [...asked.clamped, ...made.clamped, ...outside(asked, made)] };
}

/** A state of a link with what only its scene knows of its cell, so that it is said however the page goes on. */
export function heeded(state: State): State {
  const { screen, settings, clamped } = state;
  return { screen, settings, clamped: [...clamped, ...(state.given?.includes("cell") ? outside(state, sceneOf(state)) : [])] };
}

/** A cell that the link gave and the chosen grid has not. */
function outside({ given = [], settings }: State, made: Scene): Clamp[] {
  const grid = made.grids.find(({ id }) => id === made.selected?.[0]);
  const [asked, used] = [String(settings.cell), String(made.settings.cell)];
  if (!given.includes("cell") || !grid || asked === used) return [];
  const why = say("clamp.outside", { rows: grid.rows - 1, columns: grid.columns - 1 });
  return [{ name: "cell", asked, used, why }];
}
