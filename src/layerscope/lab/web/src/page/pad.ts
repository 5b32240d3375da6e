/** A sheet of 28 × 28 pixels to draw on, with pointer, finger or keyboard. */

import { blank, FULL, SIDE } from "../drawing.ts";
import { h, put } from "./dom.ts";
import type { Page } from "./page.ts";

/** Pixels from the pen's centre within which ink is full, and beyond which there is none. */
const [CORE, REACH] = [0.75, 1.65];
const MOST_UNDONE = 50;

export class Pad {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
  private readonly cursor = h("span", { class: "pen", "aria-hidden": "true" });
  private readonly sheet: HTMLElement;
  private readonly hint: HTMLElement;
  private readonly eraser: HTMLButtonElement;
  private readonly undoing: HTMLButtonElement;
  private readonly past: (number[] | null)[] = [];
  private pixels = blank();
  private own = false;
  private erasing = false;
  private last: [number, number] | null = null;
  private at: [number, number] = [13, 13];

  /** `changed` hears of each change, and whether it ends one (a stroke, a key). null: the drawing was given up. */
  constructor(private readonly page: Page, private readonly changed: (pixels: number[] | null, done: boolean) => void) {
    this.hint = h("span", { class: "padhint", "aria-hidden": "true" }, page.words("autoencoder.pad.hint"));
    this.sheet = h(
      "div", { class: "sheet", tabindex: 0, role: "application", "aria-label": page.words("autoencoder.pad") },
      this.canvas, this.cursor, this.hint,
    );
    const button = (key: string, click: () => void): HTMLButtonElement =>
      h("button", { type: "button", click }, page.words(`autoencoder.pad.${key}`));
    this.eraser = button("eraser", () => this.erase(!this.erasing));
    put(this.eraser, "aria-pressed", "false");
    this.undoing = button("undo", () => this.undo());
    const clear = button("clear", () => this.clear());
    this.element = h("div", { class: "pad" }, this.sheet, h("div", { class: "tools" }, this.undoing, this.eraser, clear));
    this.listen();
  }

  /** What is on the sheet; a stroke that is being drawn is not disturbed. `own`: somebody drew it here. */
  show(pixels: readonly number[], own: boolean): void {
    if (this.last) return;
    this.pixels = [...pixels];
    this.own = own;
    this.hint.hidden = own;
    put(this.undoing, "aria-disabled", String(!this.past.length));
    this.paint();
  }

  private paint(): void {
    const pen = this.canvas.getContext("2d")!;
    const image = pen.createImageData(SIDE, SIDE);
    const [ink, paper] = [this.page.palette.ink, this.page.palette.paper].map(parts) as [number[], number[]];
    this.pixels.forEach((level, n) => {
      for (let part = 0; part < 3; part++) {
        image.data[4 * n + part] = paper[part]! + ((ink[part]! - paper[part]!) * level) / FULL;
      }
      image.data[4 * n + 3] = 255;
    });
    pen.putImageData(image, 0, 0);
  }

  private listen(): void {
    const { sheet } = this;
    sheet.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.last) return;
      event.preventDefault();
      sheet.focus({ preventScroll: true });
      sheet.setPointerCapture(event.pointerId);
      this.begin();
      this.stroke(this.place(event));
    });
    sheet.addEventListener("pointermove", (event) => {
      if (!this.last) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) this.stroke(this.place(one));
    });
    const end = (): void => {
      if (!this.last) return;
      this.last = null;
      this.changed(this.pixels, true);
    };
    sheet.addEventListener("pointerup", end);
    sheet.addEventListener("pointercancel", end);
    sheet.addEventListener("lostpointercapture", end);
    sheet.addEventListener("keydown", (event) => this.key(event));
    sheet.addEventListener("focus", () => this.move(this.at));
  }

  private key(event: KeyboardEvent): void {
    if (event.altKey || event.metaKey) return;
    const [x, y] = this.at;
    const moves: Record<string, [number, number]> = {
      ArrowUp: [x, y - 1], ArrowDown: [x, y + 1], ArrowLeft: [x - 1, y], ArrowRight: [x + 1, y],
      Home: [0, y], End: [SIDE - 1, y],
    };
    const [to, dots] = [moves[event.key], event.key === " "];
    if (event.ctrlKey && event.key.toLowerCase() === "z") this.undo();
    else if (event.ctrlKey) return;
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (to) {
      if (event.shiftKey) this.dot(this.at, to, event.repeat);
      this.move(to);
    } else if (dots) this.dot(this.at, this.at, event.repeat, event.shiftKey);
    else return;
    event.preventDefault();
    if (to || dots) this.say();
  }

  private say(): void {
    const [column, row] = this.at;
    const level = this.pixels[row * SIDE + column]!;
    this.page.announce(this.page.words("autoencoder.pad.at", { row, column, level }));
  }

  /** Ink (or, with the eraser, paper) from one pixel to another, by keys. */
  private dot(from: [number, number], to: [number, number], again: boolean, erase = this.erasing): void {
    if (!again) this.begin();
    const before = this.erasing;
    this.erasing = erase;
    for (const [x, y] of [from, to]) this.stroke([x + 0.5, y + 0.5]);
    this.erasing = before;
    this.last = null;
    this.changed(this.pixels, true);
  }

  private move([x, y]: [number, number]): void {
    this.at = [Math.min(Math.max(x, 0), SIDE - 1), Math.min(Math.max(y, 0), SIDE - 1)];
    this.cursor.style.left = `${(this.at[0] / SIDE) * 100}%`;
    this.cursor.style.top = `${(this.at[1] / SIDE) * 100}%`;
  }

  /** Whoever draws over an example draws on a new sheet. */
  private begin(): void {
    this.past.push(this.own ? [...this.pixels] : null);
    if (this.past.length > MOST_UNDONE) this.past.shift();
    if (!this.own) this.pixels = blank();
    this.own = true;
    this.hint.hidden = true;
  }

  private undo(): void {
    if (!this.past.length) return;
    const before = this.past.pop()!;
    this.changed(before, true);
  }

  private clear(): void {
    this.begin();
    this.pixels = blank();
    this.paint();
    this.changed(this.pixels, true);
  }

  private erase(now: boolean): void {
    this.erasing = now;
    put(this.eraser, "aria-pressed", String(now));
  }

  /** Where on the sheet, in pixels of it. */
  private place(event: PointerEvent): [number, number] {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  private stroke(to: [number, number]): void {
    const from = this.last ?? to;
    this.last = to;
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * 3));
    for (let n = 0; n <= steps; n++) {
      this.press(from[0] + ((to[0] - from[0]) * n) / steps, from[1] + ((to[1] - from[1]) * n) / steps);
    }
    this.move([Math.floor(to[0]), Math.floor(to[1])]);
    this.paint();
    this.changed(this.pixels, false);
  }

  /** The round pen at one place: full in its core, less towards its edge. */
  private press(x: number, y: number): void {
    for (let row = Math.max(0, Math.floor(y - 2)); row <= Math.min(SIDE - 1, Math.floor(y + 2)); row++) {
      for (let column = Math.max(0, Math.floor(x - 2)); column <= Math.min(SIDE - 1, Math.floor(x + 2)); column++) {
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const level = Math.round(FULL * Math.min(Math.max((REACH - far) / (REACH - CORE), 0), 1));
        const n = row * SIDE + column;
        const here = this.pixels[n]!;
        this.pixels[n] = this.erasing ? Math.min(here, FULL - level) : Math.max(here, level);
      }
    }
  }
}

const parts = (hex: string): number[] => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
