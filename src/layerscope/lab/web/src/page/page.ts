/** What the parts of the page know of it: the state, words, and how to ask for a change. */

import type { Place, Scene, Settings, Text } from "../scene.ts";
import type { State } from "../state.ts";
import type { Palette, Range } from "./colours.ts";

/** push: a step that the back button undoes; drag: one step however often it changes; replace: no step. */
export type Change = "push" | "drag" | "replace";

export interface Page {
  /** As the link asks. */
  readonly state: State;
  /** As it is shown: what is tried by hovering or focusing is in it. */
  readonly scene: Scene;
  /** Whether the scene shows what is only tried. */
  readonly trying: boolean;
  readonly lang: string;
  readonly palette: Palette;
  words(text: Text | string, args?: Text["args"]): string;
  has(key: string): boolean;
  change(changes: Settings, how?: Change): void;
  /** Shows what these settings would give, without keeping them; null goes back to what is kept. */
  attempt(changes: Settings | null): void;
  /** Lights a cell and what it is linked to; null ends it. */
  look(place: Place | null): void;
  readonly looked: Place | null;
  open(hash: string, how?: Change): void;
  announce(message: string): void;
}

/**
 * What draws a screen. `paint` is called with the same host for each new scene of the screen, and has to keep what is
 * focused; the host is emptied when the screen or the language changes. `settings` names those that it takes from the
 * reader itself, which then need no control. `ranges` says what the colours of each grid stand for, where they have a scale
 * of their own.
 */
export interface Painter {
  paint(host: HTMLElement, scene: Scene, page: Page): void;
  settings?: string[];
  ranges?(scene: Scene): Map<string, Range>;
  leave?(): void;
}
