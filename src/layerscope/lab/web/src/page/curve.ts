/** The loss over epochs as two lines: of the images that are trained on, and of those that are held out. */

import { text } from "../numbers.ts";
import { h, put, s, tell } from "./dom.ts";
import type { Page } from "./page.ts";

const [WIDTH, HEIGHT, EDGE] = [360, 140, 6];

export class Curve {
  readonly element: HTMLElement;
  private readonly lines = { loss: s("path", { class: "loss" }), val_loss: s("path", { class: "val" }) };
  private readonly dot = s("circle", { r: 3 });
  private readonly plot = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img" });
  private readonly high = h("span");
  private readonly low = h("span");
  private found: Record<string, number[]> = { loss: [], val_loss: [] };
  private part: [number, number] | null = null;

  constructor(private readonly page: Page) {
    this.plot.append(this.lines.loss, this.lines.val_loss, this.dot);
    const key = h("figcaption", {}, h("span", { class: "loss" }, page.words("live.loss")),
      h("span", { class: "val" }, page.words("live.val_loss")));
    this.element = h("figure", { class: "curves" }, key, h("div", { class: "scale" }, this.high, this.low), this.plot);
  }

  get count(): number {
    return this.found.loss!.length;
  }

  clear(): void {
    this.found = { loss: [], val_loss: [] };
    this.part = null;
    this.draw();
  }

  add(logs: Record<string, number>): void {
    for (const [name, values] of Object.entries(this.found)) if (logs[name] !== undefined) values.push(logs[name]!);
    this.part = null;
    this.draw();
  }

  /** Where the epoch that runs stands: its part that is done, and the mean of the loss in it. */
  now(part: number, loss: number): void {
    this.part = [part, loss];
    this.draw();
  }

  private draw(): void {
    const all = [...Object.values(this.found).flat(), ...(this.part ? [this.part[1]] : [])];
    this.element.hidden = all.length === 0;
    if (!all.length) return;
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const last = Math.max(this.count - 1 + (this.part ? this.part[0] : 0), 1);
    const place = (epoch: number, value: number): [number, number] => [
      EDGE + ((WIDTH - 2 * EDGE) * epoch) / last,
      EDGE + (HEIGHT - 2 * EDGE) * (high > low ? (high - value) / (high - low) : 0.5),
    ];
    for (const [name, line] of Object.entries(this.lines)) {
      const points = this.found[name]!.map((value, epoch) => place(epoch, value).map((n) => n.toFixed(1)).join(" "));
      put(line, "d", points.length ? `M${points.join("L")}` : "");
    }
    const [x, y] = this.part ? place(this.count - 1 + this.part[0], this.part[1]) : [-9, -9];
    put(this.dot, "cx", x.toFixed(1));
    put(this.dot, "cy", y.toFixed(1));
    tell(this.high, text(high));
    tell(this.low, text(low));
    const [loss, val] = [this.found.loss!.at(-1), this.found.val_loss!.at(-1)];
    put(this.plot, "aria-label", this.page.words("live.curve", {
      epochs: this.count, loss: loss === undefined ? "–" : text(loss), val: val === undefined ? "–" : text(val),
    }));
  }
}
