/** All layers of a network as thumbnails of their maps, each a button that chooses the layer and a map. */

import type { Tensor } from "../network.ts";
import type { Scene } from "../scene.ts";
import { h, put, tell } from "./dom.ts";
import type { Page } from "./page.ts";

const GAP = 2;
/** Pixels of a map's side, by how many rows it has. */
const side = (rows: number): number => (rows >= 28 ? 28 : rows >= 14 ? 24 : 20);

interface Told { name: string; kind: string; shape: [number, number, number] }
interface Block {
  button: HTMLButtonElement; canvas: HTMLCanvasElement; label: HTMLElement; size: HTMLElement;
  /** What is painted: of which values, which map is chosen, in which colours. */
  shown: [values: Float64Array | null, chosen: number, palette: unknown];
}

export class Strip {
  readonly element: HTMLElement;
  private readonly title = h("h2");
  private readonly row = h("div", { class: "strip" });
  private blocks: Block[] = [];

  constructor(private readonly page: Page) {
    this.element = h("section", { class: "layers" }, this.title, this.row);
  }

  show(scene: Scene, tensors: Tensor[]): void {
    const layers = scene.data.layers as Told[];
    const { layer: chosen, map, decoder } = scene.settings as { layer: number; map: number; decoder: string };
    tell(this.title, this.page.words("autoencoder.strip", { decoder: { key: `autoencoder.choice.decoder.${decoder}`, args: {} } }));
    while (this.blocks.length < layers.length) this.add(this.blocks.length);
    this.blocks.forEach((block, n) => {
      const { button, canvas, label, size } = block;
      const layer = layers[n];
      button.hidden = !layer;
      if (!layer) return;
      const [rows, columns, maps] = layer.shape;
      put(canvas, "aria-label", this.page.words(`kind.${layer.kind}`));
      put(button, "aria-pressed", String(n === chosen));
      tell(label, layer.name);
      tell(size, `${rows}×${columns}×${maps}`);
      const now = [tensors[n]!.values, n === chosen ? map : -1, this.page.palette] as Block["shown"];
      if (block.shown.some((part, i) => part !== now[i])) this.paint(canvas, tensors[n]!, now[1]);
      block.shown = now;
    });
  }

  private add(number: number): void {
    const canvas = h("canvas", { role: "img" });
    const [label, size] = [h("span", { class: "name" }), h("span", { class: "size" })];
    const button = h("button", { type: "button", class: "layer" }, canvas, label, size);
    button.addEventListener("click", (event) => {
      const maps = this.maps(number);
      this.page.change({ layer: number, map: event.detail ? Math.min(mapAt(event, canvas, maps), maps - 1) : 0 });
    });
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const { layer, map } = this.page.scene.settings as { layer: number; map: number };
      if (step === undefined || layer !== number) return;
      event.preventDefault();
      this.page.change({ map: Math.min(Math.max(map + step, 0), this.maps(number) - 1) });
    });
    this.blocks.push({ button, canvas, label, size, shown: [null, -1, null] });
    this.row.append(button);
  }

  private maps(number: number): number {
    return (this.page.scene.data.layers as Told[])[number]!.shape[2];
  }

  /** All maps beside each other on one scale from zero to the layer's largest value. */
  private paint(canvas: HTMLCanvasElement, { shape: [rows, columns, maps], values }: Tensor, chosen: number): void {
    const across = Math.ceil(Math.sqrt(maps));
    const each = side(rows) + GAP;
    const [width, height] = [across * each, Math.ceil(maps / across) * each];
    const dense = window.devicePixelRatio || 1;
    put(canvas, "width", Math.round(width * dense));
    put(canvas, "height", Math.round(height * dense));
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d")!;
    const image = pen.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    const { palette } = this.page;
    const range = { low: 0, high: values.reduce((most, v) => Math.max(most, v), 0) };
    const colours = new Uint32Array(maps);
    const size = Math.round(side(rows) * dense);
    const corners = Array.from({ length: maps }, (_, m) =>
      Math.round((Math.floor(m / across) * each + 1) * dense) * canvas.width + Math.round(((m % across) * each + 1) * dense));
    for (let row = 0; row < size; row++) for (let column = 0, last = -1; column < size; column++) {
      const begin = (Math.floor((row * rows) / size) * columns + Math.floor((column * columns) / size)) * maps;
      if (begin !== last) for (let m = 0; m < maps; m++) colours[m] = palette.pixel(values[begin + m]!, "sequential", range);
      last = begin;
      for (let m = 0; m < maps; m++) pixels[corners[m]! + row * canvas.width + column] = colours[m]!;
    }
    pen.putImageData(image, 0, 0);
    if (chosen < 0) return;
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.strokeStyle = palette.accent;
    pen.lineWidth = 2;
    pen.strokeRect((chosen % across) * each + 1, Math.floor(chosen / across) * each + 1, each - GAP, each - GAP);
  }
}

/** Which map of the mosaic was pressed. */
function mapAt(event: MouseEvent, canvas: HTMLCanvasElement, maps: number): number {
  const box = canvas.getBoundingClientRect();
  const across = Math.ceil(Math.sqrt(maps));
  const down = Math.ceil(maps / across);
  const column = Math.floor(((event.clientX - box.left) / box.width) * across);
  const row = Math.floor(((event.clientY - box.top) / box.height) * down);
  if (column < 0 || row < 0 || column >= across || row >= down) return 0;
  return row * across + column;
}
