/** Screens of grids that have a little more: bars under the boxes of dense, the planes of a receptive field in one line. */

import type { Scene } from "../scene.ts";
import { bars, type Bar } from "./bars.ts";
import { h } from "./dom.ts";
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

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    if (!host.contains(this.planes)) host.replaceChildren(this.planes, this.below);
    this.grids.paint(this.planes, scene, page);
    const given = (scene.data.bars ?? []) as Bar[];
    const shown = JSON.stringify(given);
    if (shown === this.shown) return;
    this.shown = shown;
    this.below.replaceChildren(bars(given, page));
  }
}

/** Planes stand one beside the other in the order in which data passes them. */
export class FieldPainter implements Painter {
  private readonly grids: GridPainter;

  constructor(readers: Readers) {
    this.grids = new GridPainter(readers, "small");
  }

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    const ids = scene.layout.flat();
    const planes = ids.filter((id) => id.startsWith("stage"));
    this.grids.paint(host, { ...scene, layout: [planes, ids.filter((id) => !id.startsWith("stage"))] }, page);
  }
}
