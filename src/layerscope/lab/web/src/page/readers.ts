/** What reads a cell: asked of every cell that can be chosen, once for each setting, because a scene knows one only. */

import { selecting } from "./grid.ts";
import type { Link, Place, Scene, Settings } from "../scene.ts";

const MOST = 256;
const AT_ONCE_MS = 8;

export class Readers {
  private key = "";
  private found = new Map<string, Link[]>();
  private next = 0;
  private grid: Scene["grids"][number] | undefined;

  constructor(private readonly sceneOf: (settings: Settings) => Scene) {}

  /** The links from a cell to whatever reads it; `later` is called when there are more than could be found at once. */
  of(place: Place, scene: Scene, later: () => void): readonly Link[] {
    const grid = scene.selected ? scene.grids.find((one) => one.id === scene.selected![0]) : undefined;
    if (!grid || !Array.isArray(scene.settings[selecting(grid.select)[0]]) || grid.cells.length > MOST) return [];
    const key = JSON.stringify({ ...scene.settings, [selecting(grid.select)[0]]: 0, lang: 0, theme: 0, screen: scene.screen });
    if (key !== this.key) {
      this.key = key;
      this.found = new Map();
      this.next = 0;
    }
    this.grid = grid;
    this.ask(scene.settings, key, later);
    return this.found.get(place.join(":")) ?? [];
  }

  private ask(settings: Settings, key: string, later: () => void): void {
    const grid = this.grid!;
    const [name] = selecting(grid.select);
    const until = performance.now() + AT_ONCE_MS;
    while (this.next < grid.cells.length && performance.now() < until) {
      const index = this.next++;
      const cell = [Math.floor(index / grid.columns), index % grid.columns];
      for (const link of this.sceneOf({ ...settings, [name]: cell }).links) {
        const from = link.source.join(":");
        if (link.target[0] !== grid.id) continue;
        if (!this.found.has(from)) this.found.set(from, []);
        this.found.get(from)!.push(link);
      }
    }
    if (this.next < grid.cells.length) {
      setTimeout(() => {
        if (key !== this.key) return;
        this.ask(settings, key, later);
        if (this.next >= grid.cells.length) later();
      });
    }
  }
}
