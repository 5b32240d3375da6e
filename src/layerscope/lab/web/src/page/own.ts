/** The user's own network on the journey's screen, as Python traced it, where layerscope lab was given one. */

import type { Scene } from "../scene.ts";
import { SCENES } from "../scenes/index.ts";
import { SCREENS } from "../state.ts";
import { asked, served } from "./served.ts";

/** What stands for it in a link: `#lab=journey&net=own`. */
const OWN = "own";

export const asksForOwn = (hash: string): boolean => /[#&]net=own(&|$)/.test(hash);

/** From now on "own" is a network like others; nothing changes where nobody serves the page, or nothing was given. */
export async function takeOwn(): Promise<void> {
  if (!served()) return;
  const { own } = await asked<{ own: object | null }>("api/lab");
  if (!own) return;
  const { scene } = await asked<{ scene: Scene }>("api/model");
  const usual = SCENES.journey!;
  SCENES.journey = (settings) => {
    if (settings.net !== OWN) return usual(settings);
    const step = Math.min(Math.max(Number(settings.step), 0), scene.steps - 1);
    return { ...scene, settings: { ...settings, step }, step, selected: ["steps", step] };
  };
  SCREENS.journey!.find(({ name }) => name === "net")!.presets?.unshift({ key: "live.own", value: OWN });
}
