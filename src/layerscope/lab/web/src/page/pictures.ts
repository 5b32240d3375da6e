/** Rows of small images from bytes, each row with its name. */

import { h, tell } from "./dom.ts";
import type { Page } from "./page.ts";

const SIDE = 56;

export class Pictures {
  readonly element: HTMLElement;
  private readonly title = h("h3");
  private readonly rows = h("div", { class: "pictures" });
  private canvases: HTMLCanvasElement[][] = [];
  private shape: number[] = [];

  constructor(private readonly page: Page) {
    this.element = h("section", { hidden: true }, this.title, this.rows);
  }

  say(words: string): void {
    this.element.hidden = false;
    tell(this.title, words);
    this.rows.replaceChildren();
    this.canvases = [];
  }

  show(title: string, shape: number[], rows: [name: string, images: number[][]][]): void {
    this.element.hidden = false;
    tell(this.title, title);
    this.shape = shape;
    this.canvases = rows.map(([name, images]) => images.map((_, n) =>
      h("canvas", { role: "img", "aria-label": `${name} ${n + 1}`, width: shape[1], height: shape[0] })));
    this.rows.replaceChildren(...rows.flatMap(([name], n) =>
      [h("span", {}, name), h("div", { class: "images" }, ...this.canvases[n]!)]));
    rows.forEach(([, images], n) => this.update(n, images));
  }

  update(row: number, images: number[][]): void {
    this.canvases[row]?.forEach((canvas, n) => this.paint(canvas, images[n]!));
  }

  /** Ink on paper where there is one channel. */
  private paint(canvas: HTMLCanvasElement, bytes: number[]): void {
    const [rows, columns, channels] = this.shape as [number, number, number];
    const pen = canvas.getContext("2d")!;
    const image = pen.createImageData(columns, rows);
    const low = { low: 0, high: 255 };
    for (let n = 0; n < rows * columns; n++) {
      const rgb = channels === 3
        ? [0, 1, 2].map((c) => bytes[3 * n + c]!)
        : [1, 3, 5].map((at) => parseInt(this.page.palette.fill(bytes[n]!, "sequential", low).slice(at, at + 2), 16));
      rgb.forEach((part, c) => { image.data[4 * n + c] = part; });
      image.data[4 * n + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
    canvas.style.width = `${(SIDE * columns) / Math.max(rows, columns)}px`;
  }
}
