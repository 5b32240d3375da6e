/** Screens that need more than grids have a painter of their own here; all others are painted as grids. */

import type { Scene, Settings } from "../scene.ts";
import { sceneOf } from "../scenes/index.ts";
import { AutoencoderPainter } from "./autoencoder.ts";
import { GridPainter } from "./gridpainter.ts";
import { JourneyPainter } from "./journey.ts";
import type { Painter } from "./page.ts";
import { Readers } from "./readers.ts";
import { DensePainter, FieldPainter } from "./special.ts";

/** A painter for each screen; it is made anew when the screen or the language changes. */
export const painters: Record<string, () => Painter> = {
  autoencoder: () => new AutoencoderPainter(),
  dense: () => new DensePainter(readersOf("dense")),
  field: () => new FieldPainter(readersOf("field"), asked("field")),
  journey: () => new JourneyPainter(),
};

export function painterOf(screen: string): Painter {
  const special = Object.hasOwn(painters, screen) ? painters[screen] : undefined;
  return special ? special() : new GridPainter(readersOf(screen));
}

const asked = (screen: string) => (settings: Settings): Scene => sceneOf({ screen, settings, clamped: [] });
const readersOf = (screen: string): Readers => new Readers(asked(screen));
