/** How values become colours: tokens of theme.css and values.css, interpolated; and the ink that is read on them. */

import type { Grid, Scene } from "../scene.ts";

type Rgb = [number, number, number];
export interface Range { low: number; high: number }

const DIVERGING = ["--neg-4", "--neg-3", "--neg-2", "--neg-1", "--zero", "--pos-1", "--pos-2", "--pos-3", "--pos-4"];
const SEQUENTIAL = Array.from({ length: 6 }, (_, i) => `--cividis-${i}`);

export class Palette {
  /** Each as STEPS + 1 colours from one end to the other. */
  private readonly diverging: string[];
  private readonly sequential: string[];
  private readonly pixels: [sequential: Uint32Array, diverging: Uint32Array];
  private readonly blank: number;
  private readonly inks: [dark: Rgb, light: Rgb];
  private readonly known = new Map<string, string>();
  readonly paper: string;
  readonly ink: string;
  readonly accent: string;
  readonly line: string;
  readonly muted: string;
  readonly lit: string;

  /** Reads the tokens that hold where the probe stands: theme, and what the system asks for. */
  constructor(probe: HTMLElement) {
    const read = (token: string): Rgb => {
      probe.style.color = `var(${token})`;
      const { color } = getComputedStyle(probe);
      const whole = color.startsWith("rgb") ? 1 : 255;  // color(srgb 0.5 …) else
      return (color.replace("srgb", "").match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map((part) => Number(part) * whole) as Rgb;
    };
    this.diverging = steps(DIVERGING.map(read));
    this.sequential = steps(SEQUENTIAL.map(read));
    this.inks = [read("--ink-dark"), read("--ink-light")];
    [this.paper, this.ink, this.accent, this.line, this.muted, this.lit] =
      ["--paper", "--ink", "--accent", "--rule", "--soft", "--lit"].map((token) => hex(read(token))) as
      [string, string, string, string, string, string];
    this.pixels = [Uint32Array.from(this.sequential, packed), Uint32Array.from(this.diverging, packed)];
    this.blank = packed(this.paper);
  }

  fill(value: number | null, scale: Grid["scale"], range: Range): string {
    if (isBlank(value, scale)) return this.paper;
    return (scale === "sequential" ? this.sequential : this.diverging)[step(value!, scale, range)]!;
  }

  /** The same as a pixel of an image. */
  pixel(value: number | null, scale: Grid["scale"], range: Range): number {
    if (isBlank(value, scale)) return this.blank;
    return this.pixels[scale === "sequential" ? 0 : 1][step(value!, scale, range)]!;
  }

  /** A colour halfway to the paper: what is there and does not count. */
  faded(fill: string): string {
    return hex(mix([rgb(fill), rgb(this.paper)], 0.55));
  }

  /** The ink with the greater contrast. */
  inkOn(fill: string): string {
    if (!this.known.has(fill)) this.known.set(fill, this.legible(fill));
    return this.known.get(fill)!;
  }

  private legible(fill: string): string {
    const [dark, light] = this.inks;
    const under = luminance(rgb(fill));
    return hex(contrast(luminance(dark), under) >= contrast(luminance(light), under) ? dark : light);
  }
}

/** The range of values of each grid; grids of one scale share it where it does not make one of them pale. */
export function ranges(scene: Scene): Map<string, Range> {
  const own = new Map(scene.grids.map((grid) => [grid.id, rangeOf(grid)]));
  const reach = ({ low, high }: Range): number => Math.max(Math.abs(low), Math.abs(high));
  for (const scale of ["diverging", "sequential"]) {
    const alike = scene.grids.filter((grid) => grid.scale === scale);
    const most = Math.max(0, ...alike.map((grid) => reach(own.get(grid.id)!)));
    const near = alike.filter((grid) => reach(own.get(grid.id)!) >= most / 2);
    const shared = {
      low: Math.min(...near.map((grid) => own.get(grid.id)!.low)),
      high: Math.max(...near.map((grid) => own.get(grid.id)!.high)),
    };
    for (const grid of near) own.set(grid.id, shared);
  }
  return own;
}

function rangeOf(grid: Grid): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const { value } of grid.cells) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? { low: 0, high: 0 } : { low, high };
}

const STEPS = 512;

const steps = (stops: Rgb[]): string[] => Array.from({ length: STEPS + 1 }, (_, i) => hex(mix(stops, i / STEPS)));

const isBlank = (value: number | null, scale: Grid["scale"]): boolean =>
  value === null || scale === "plain" || Number.isNaN(value);

/** Which of the colours from one end to the other. */
function step(value: number, scale: Grid["scale"], { low, high }: Range): number {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const place = scale === "sequential"
    ? (high > low ? (value - low) / (high - low) : 0)
    : (size > 0 ? 0.5 + (0.5 * value) / size : 0.5);
  return Math.round(Math.min(Math.max(place, 0), 1) * STEPS);
}

function mix(stops: Rgb[], at: number): Rgb {
  const place = Math.min(Math.max(at, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  const part = place - below;
  return stops[below]!.map((from, i) => from + (stops[below + 1]![i]! - from) * part) as Rgb;
}

const hex = (colour: Rgb): string =>
  "#" + colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("");

export const rgb = (colour: string): Rgb => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)) as Rgb;

const OPAQUE = 0xff000000;

/** A colour as a pixel of an image. */
export function packed(fill: string): number {
  const [red, green, blue] = rgb(fill);
  return (OPAQUE | (blue << 16) | (green << 8) | red) >>> 0;
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const contrast = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
