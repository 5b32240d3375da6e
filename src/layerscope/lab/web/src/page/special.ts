/** Screens of grids that have a little more: bars under the boxes of dense, the planes of a receptive field in one line. */

import type { Scene, Settings } from "../scene.ts";
import { bars, type Bar } from "./bars.ts";
import { h, put } from "./dom.ts";
import { GridPainter } from "./gridpainter.ts";
import type { Page, Painter } from "./page.ts";
import type { Readers } from "./readers.ts";

export class DensePainter implements Painter {
  private readonly grids: GridPainter;
  private readonly planes = h("div", { class: "planes" });
  private readonly below = h("div");
  private shown = "";

  constructor(readers: Readers) {
    this.grids = new GridPainter(readers);
  }

  leave(): void {
    this.grids.leave();
  }

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    if (!host.contains(this.planes)) host.replaceChildren(h("div", { class: "beside" }, this.planes, this.below));
    this.grids.paint(this.planes, scene, page);
    const given = (scene.data.bars ?? []) as Bar[];
    const shown = JSON.stringify(given);
    if (shown === this.shown) return;
    this.shown = shown;
    this.below.replaceChildren(bars(given, page));
  }
}

/** A receptive field's planes side by side, and below them what is not a plane. */
function inOneRow(scene: Scene): Scene {
  const isStage = (id: string): boolean => id.startsWith("stage");
  const ids = scene.layout.flat();
  const grids = scene.grids.map((grid) => (isStage(grid.id) ? { ...grid, scale: "plain" as const } : grid));
  return { ...scene, grids, layout: [ids.filter(isStage), ids.filter((id) => !isStage(id))] };
}

/** Planes stand one beside the other in the order in which data passes them; whose field it is, is a row of buttons. */
export class FieldPainter implements Painter {
  readonly settings = ["layer"];
  private readonly grids: GridPainter;
  private readonly stages = h("div", { class: "stages", role: "group" });
  private readonly planes = h("div", { class: "planes" });
  private net = "";
  private words: string[] = [];
  private given: Scene | null = null;
  private shown!: Scene;

  constructor(readers: Readers, private readonly sceneOf: (settings: Settings) => Scene) {
    this.grids = new GridPainter(readers, "small");
  }

  leave(): void {
    this.grids.leave();
  }

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    if (!host.contains(this.planes)) host.replaceChildren(this.stages, this.planes);
    if (scene !== this.given) {
      this.given = scene;
      this.choose(scene, page);
      this.shown = inOneRow(scene);
    }
    this.grids.paint(this.planes, this.shown, page);
  }

  /** All stages are known where the last one is asked for. */
  private choose(scene: Scene, page: Page): void {
    const net = String(scene.settings.net);
    if (net !== this.net) {
      this.net = net;
      const last = this.sceneOf({ ...scene.settings, layer: -1, mode: "back" });
      this.words = ((last.data.rows ?? []) as { words: string }[]).map((row) => row.words);
      put(this.stages, "aria-label", page.words("page.stage"));
      this.stages.replaceChildren(...this.words.map((words, i) => h("button", {
        type: "button", click: () => page.change({ layer: i === this.words.length - 1 ? -1 : i }),
      }, words)));
    }
    const asked = scene.settings.layer as number;
    const here = asked < 0 ? this.words.length - 1 : asked;
    this.stages.hidden = scene.settings.mode !== "back";
    [...this.stages.children].forEach((button, i) => put(button, "aria-pressed", String(i === here)));
  }
}
