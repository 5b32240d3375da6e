/** The step bar: nothing plays by itself, one goes. */

import type { Scene } from "../scene.ts";
import { sceneOf } from "../scenes/index.ts";
import { h, put, s, tell } from "./dom.ts";
import type { Page } from "./page.ts";

export class Steps {
  readonly element = h("div", { class: "steps", role: "group", hidden: true });
  private readonly range = h("input", { type: "range", min: 0, step: 1 });
  private readonly said = h("output");
  private readonly buttons: HTMLButtonElement[];
  private at = 0;
  private last = 0;
  private counts: boolean | null = null;

  constructor(private readonly page: Page) {
    put(this.element, "aria-label", page.words("page.steps"));
    put(this.range, "aria-label", page.words("page.steps"));
    this.range.addEventListener("input", () => page.change({ step: Number(this.range.value) }, "drag"));
    const go = (key: string, path: string, to: () => number): HTMLButtonElement => h("button", {
      type: "button", "aria-label": page.words(key), title: page.words(key), click: () => this.go(to()),
    }, s("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, s("path", { d: path })));
    this.buttons = [
      go("page.step.first", "M3 3v10M13 3L5 8l8 5z", () => 0), go("page.step.back", "M11 3L4 8l7 5z", () => this.at - 1),
      go("page.step.on", "M5 3l7 5-7 5z", () => this.at + 1), go("page.step.last", "M13 3v10M3 3l8 5-8 5z", () => this.last),
    ];
    this.element.append(...this.buttons.slice(0, 2), this.range, ...this.buttons.slice(2), this.said);
  }

  show(scene: Scene): void {
    this.element.hidden = scene.steps === 0;
    if (!scene.steps) return;
    this.counts ??= this.countsDone(scene);
    this.at = scene.step;
    this.last = this.counts ? scene.steps : scene.steps - 1;
    put(this.range, "max", this.last);
    if (this.range.value !== String(scene.step)) this.range.value = String(scene.step);
    tell(this.said, this.page.words("page.step", { step: this.at + (this.counts ? 0 : 1), steps: scene.steps }));
    this.buttons.forEach((button, i) => put(button, "aria-disabled", String(i < 2 ? this.at <= 0 : this.at >= this.last)));
  }

  /** Whether a step is how many are done (0 to all), or which one is shown (0 to the last). */
  private countsDone(scene: Scene): boolean {
    const end = sceneOf({ screen: scene.screen, settings: { ...scene.settings, step: scene.steps }, clamped: [] });
    return end.step === scene.steps;
  }

  private go(step: number): void {
    if (step >= 0 && step <= this.last) this.page.change({ step }, "push");
  }
}
