/** What would make a network fit: single changes, each tried on the whole network, the smallest first. */

import { type Text } from "../scene.ts";
import { type Net } from "./net.ts";

export interface Fix { changes: Text[]; net: string }

export function fixesOf(_net: Net, _target: number[] | null): Fix[] {
  return [];
}
