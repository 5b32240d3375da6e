/** All screens by their name in the hash; the twin of lab/scenes/__init__.py. */

import { type Scene, type Settings } from "../scene.ts";
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
  return { ...made, clamped: [...asked.clamped, ...made.clamped] };
}
