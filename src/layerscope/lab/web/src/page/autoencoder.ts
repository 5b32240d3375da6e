/** The autoencoder's screen: a sheet to draw on, the layers, the code, and the decoders side by side. */

import { FULL, read, written } from "../drawing.ts";
import { forward, kept } from "../network.ts";
import { said } from "../numbers.ts";
import type { Grid, Scene } from "../scene.ts";
import type { Facts } from "../scenes/autoencoder.ts";
import type { Range } from "./colours.ts";
import { cued } from "./cue.ts";
import { h, put, tell } from "./dom.ts";
import { GridView } from "./grid.ts";
import { Late } from "./late.ts";
import { LiveTraining } from "./live.ts";
import { Pad } from "./pad.ts";
import type { Page, Painter } from "./page.ts";
import { served } from "./served.ts";
import { Strip } from "./strip.ts";

const SMALL = 5;
/** Pixels that a plane by itself takes; its cells are no larger than those of the code. */
const WIDE = 224;
const COLUMNS = ["mse", "centred", "usual", "parameters", "switches"] as const;

export class AutoencoderPainter implements Painter {
  readonly settings = ["drawn", "digit", "layer", "map"];
  private page!: Page;
  private body: HTMLElement | null = null;
  private pad!: Pad;
  private strip!: Strip;
  private readonly digits: HTMLButtonElement[] = [];
  private readonly views = new Map<string, GridView>();
  private readonly heads = new Map<string, HTMLButtonElement>();
  private readonly codes = h("div", { class: "row codes" });
  private readonly decoders = h("div", { class: "decoders" });
  private table!: HTMLElement;
  private ranged: Scene | null = null;
  private found = new Map<string, Range>();
  private readonly late = new Late();
  private shown: [Scene | null, unknown] = [null, null];
  private live: LiveTraining | null = null;
  private waiting: { pixels: number[] | null; done: boolean } | null = null;
  private planned = 0;
  private dragging = false;

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    this.page = page;
    if (!this.body || !host.contains(this.body)) this.begin(host, scene);
    const { drawn, digit, decoder } = scene.settings as { drawn: string; digit: number; decoder: string };
    if (!this.waiting) this.pad.show(sheet(scene), drawn !== "");
    if (scene === this.shown[0] && page.palette === this.shown[1]) return;
    this.shown = [scene, page.palette];
    this.digits.forEach((button, n) => put(button, "aria-pressed", String(drawn === "" && n === digit)));
    const image = given(scene);
    if (!page.trying) this.strip.show(scene, forward(decoder, image.map((level) => level / FULL)));
    const isOther = ({ id }: Grid): boolean => id.includes(".") && !id.startsWith("code.") && !id.endsWith(`.${decoder}`);
    this.update(scene, scene.grids.filter((grid) => !isOther(grid)));
    for (const [name, head] of this.heads) put(head, "aria-pressed", String(name === decoder));
    this.live?.show(written(image));
    this.late.then(() => {
      this.update(scene, scene.grids.filter(isOther));
      this.tell(scene);
    });
  }

  private update(scene: Scene, grids: readonly Grid[]): void {
    const { page } = this;
    for (const grid of grids) {
      const view = this.views.get(grid.id);
      if (!view || (page.trying && !grid.select)) continue; // pointing at another decoder's image does not stir up the rest
      const { id, columns, rows } = grid;
      const size = id.startsWith("code.") ? 34 : id.includes(".") ? SMALL : Math.min(Math.floor(WIDE / columns), 34);
      view.update(grid, size, this.ranges(scene).get(id)!, rows * columns > 64);
      view.light(undefined, page.trying);
    }
  }

  /** Images from paper to ink, errors from −1 to 1; maps and code by their own values. */
  ranges(scene: Scene): Map<string, Range> {
    if (scene !== this.ranged) this.found = rangesOf(scene);
    this.ranged = scene;
    return this.found;
  }

  leave(): void {
    this.waiting = null;
    this.late.forget();
    this.live?.leave();
  }

  private begin(host: HTMLElement, scene: Scene): void {
    const { page } = this;
    this.shown = [null, null];
    this.views.clear();
    this.heads.clear();
    this.digits.length = 0;
    this.pad = new Pad(page, (pixels, done) => this.drew(pixels, done));
    this.strip = new Strip(page);
    this.table = cued(h("div", { class: "table", tabindex: 0, role: "region", "aria-label": page.words("autoencoder.compare") }));
    for (const grid of scene.grids) if (grid.id !== "drawing") this.views.set(grid.id, new GridView(page));
    const view = (id: string): HTMLElement => this.views.get(id)!.element;
    this.codes.replaceChildren(...scene.grids.filter(({ id }) => id.startsWith("code.")).map(({ id }) => view(id)));
    const names = (scene.data.decoders as Facts[]).map(({ name }) => name);
    this.decoders.replaceChildren(...names.map((name) => this.decoder(name, view)));
    this.live = served() ? new LiveTraining(page) : null;
    this.late.here = this.body = h(
      "div", { class: "rows autoencoder" },
      h("div", { class: "row" }, this.drawing(), view("input"), view("map")),
      this.strip.element, this.codes,
      h("section", {}, h("h2", {}, page.words("autoencoder.compare")), this.decoders, this.table),
      this.live?.element ?? null,
    );
    host.replaceChildren(this.body);
    warm();
  }

  private drawing(): HTMLElement {
    const { page } = this;
    for (let digit = 0; digit < 10; digit++) {
      this.digits.push(h("button", {
        type: "button", "aria-label": page.words("autoencoder.digit", { digit }),
        click: () => page.change({ digit, drawn: "" }),
      }, String(digit)));
    }
    const label = page.words("autoencoder.set.digit");
    return h(
      "figure", { class: "grid", "data-grid": "drawing" }, h("figcaption", {}, h("span", { class: "title" }, page.words("autoencoder.pad.hint"))),
      this.pad.element, h("div", { class: "digits", role: "group", "aria-label": label }, ...this.digits),
    );
  }

  private decoder(name: string, view: (id: string) => HTMLElement): HTMLElement {
    const head = h("button", { type: "button", class: "head", click: () => this.page.change({ decoder: name }) },
      this.page.words(`autoencoder.choice.decoder.${name}`));
    this.heads.set(name, head);
    return h("div", { class: "decoder" }, head, view(`made.${name}`), view(`error.${name}`));
  }

  /** The ink is on the sheet already; everything else is computed after it has been painted. */
  private drew(pixels: number[] | null, done: boolean): void {
    this.waiting = { pixels: pixels && [...pixels], done: done || (this.waiting?.done ?? false) };
    this.planned ||= requestAnimationFrame(() => { window.setTimeout(() => this.take()); });
  }

  /** A stroke is one step back, however often it was taken while it was drawn. */
  private take(): void {
    this.planned = 0;
    if (!this.waiting) return; // the screen was left
    const { pixels, done } = this.waiting;
    this.waiting = null;
    const how = !done ? "drag" : this.dragging ? "replace" : "push";
    this.dragging = !done;
    this.page.change({ drawn: pixels ? written(pixels) : "" }, how);
  }

  /** The decoders' numbers; the columns that say nothing are left out. */
  private tell(scene: Scene): void {
    const facts = scene.data.decoders as Facts[];
    const columns = COLUMNS.filter((key) => facts.some((one) => one[key]));
    const head = ["decoder", ...columns].map((key) => h("th", { scope: "col" }, this.page.words(`autoencoder.table.${key}`)));
    const rows = facts.map((one) => h(
      "tr", { "aria-current": one.name === scene.settings.decoder ? "true" : null },
      h("th", { scope: "row" }, this.page.words(`autoencoder.choice.decoder.${one.name}`)),
      ...columns.map((key) => h("td", {}, one[key] ? said(one[key]) : "")),
    ));
    const words = JSON.stringify([facts, scene.settings.decoder]);
    if (this.table.dataset.shown === words) return;
    this.table.dataset.shown = words;
    const caption = h("caption", { class: "hidden" });
    tell(caption, this.page.words("autoencoder.compare"));
    this.table.replaceChildren(h("table", {}, caption, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)));
  }
}

/**
 * Some digits through all decoders, one at a time, while nobody waits: the first images take the longest, as the
 * browser has not compiled the loops by then.
 */
function warm(): void {
  const { digits, networks } = kept();
  const waiting = digits.slice(1, 3).flatMap((digit) => {
    const image = read(digit)!.map((level) => level / FULL);
    return Object.keys(networks).map((name) => () => { forward(name, image); });
  });
  const next = (): void => {
    waiting.shift()?.();
    if (waiting.length) window.requestIdleCallback?.(next);
  };
  window.requestIdleCallback?.(next);  // Safari has none
}

/** The levels that are on the sheet, and those that the network gets. */
const sheet = (scene: Scene): number[] => levels(scene, "drawing");
const given = (scene: Scene): number[] => levels(scene, "input");

function levels(scene: Scene, id: string): number[] {
  return scene.grids.find((grid) => grid.id === id)!.cells.map(({ value }) => Math.round(value! * FULL));
}

function rangesOf(scene: Scene): Map<string, Range> {
  const found = new Map<string, Range>();
  const most = (id: (id: string) => boolean): number => {
    let high = 0;
    for (const grid of scene.grids) if (id(grid.id)) for (const { value } of grid.cells) high = Math.max(high, value ?? 0);
    return high;
  };
  const [map, code] = [most((id) => id === "map"), most((id) => id.startsWith("code."))];
  for (const { id } of scene.grids) {
    const high = id === "map" ? map : id.startsWith("code.") ? code : 1;
    found.set(id, { low: id.startsWith("error.") ? -1 : 0, high });
  }
  return found;
}
