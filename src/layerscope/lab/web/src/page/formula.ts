/** The formula with its numbers: each number stands on the colour of its cell, and lights it. */

import type { Place, Scene, Token } from "../scene.ts";
import { fillOf } from "./surface.ts";
import type { Range } from "./colours.ts";
import { h, put } from "./dom.ts";
import type { Page } from "./page.ts";

export class Formula {
  readonly element = h("div", { class: "formula", role: "group" });
  private shown = "";
  private numbers: HTMLButtonElement[] = [];

  constructor(private readonly page: Page) {
    put(this.element, "aria-label", page.words("page.formula"));
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  show(scene: Scene, rangesOf: (scene: Scene) => Map<string, Range>): void {
    const shown = JSON.stringify([scene.formula, scene.grids.map((grid) => grid.id), this.page.palette.paper]);
    this.element.hidden = scene.formula.length === 0;
    if (shown === this.shown) return;
    this.shown = shown;
    const had = this.numbers.indexOf(document.activeElement as HTMLButtonElement);
    this.numbers = [];
    const scales = rangesOf(scene);
    this.element.replaceChildren(...spaced(scene.formula, (token) => this.piece(token, scene, scales)));
    this.numbers.forEach((number, i) => put(number, "tabindex", i === Math.max(had, 0) ? 0 : -1));
    if (had >= 0) this.numbers[Math.min(had, this.numbers.length - 1)]?.focus();
  }

  private piece(token: Token, scene: Scene, scales: Map<string, Range>): HTMLElement {
    if (!token.cell) return h("span", { class: token.kind }, token.text.trim());
    const place = token.cell;
    const number = h("button", {
      type: "button", class: "number", "data-grid": place[0], "data-index": place[1],
      pointerenter: () => this.page.look(place), pointerleave: () => this.page.look(null),
      focus: (event: Event) => { if ((event.target as Element).matches(":focus-visible")) this.page.look(place); },
      blur: () => this.page.look(null), click: () => this.page.look(place),
    }, token.text.trim());
    this.colour(number, place, scene, scales);
    this.numbers.push(number);
    return number;
  }

  private colour(number: HTMLElement, [id, index]: Place, scene: Scene, scales: Map<string, Range>): void {
    const grid = scene.grids.find((one) => one.id === id);
    const cell = grid?.cells[index];
    if (!grid || !cell) return;
    const { palette } = this.page;
    const fill = fillOf(cell, grid, scales.get(id)!, palette);
    number.style.backgroundColor = fill;
    number.style.color = palette.inkOn(fill);
  }

  /** One tab stop for all numbers; arrows go from one to the next. */
  private key(event: KeyboardEvent): void {
    const at = this.numbers.indexOf(event.target as HTMLButtonElement);
    const steps: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.numbers.length - 1 };
    const next = steps[event.key];
    if (event.key === "Escape") this.page.look(null);
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    const number = this.numbers[next];
    if (!number) return;
    this.numbers.forEach((one) => put(one, "tabindex", one === number ? 0 : -1));
    number.focus();
  }
}

/** Tokens that need no cells: the law of shapes. */
export function law(tokens: readonly Token[]): HTMLElement {
  return h("p", { class: "law" }, ...spaced(tokens, (token) => h("span", { class: token.kind }, token.text.trim())));
}

/** As a printer would set it: no space inside of brackets nor before a comma, and no line ends there. */
function spaced(tokens: readonly Token[], piece: (token: Token) => HTMLElement): (HTMLElement | string)[] {
  const clusters: HTMLElement[] = [];
  tokens.forEach((token, i) => {
    const [before, here] = [tokens[i - 1]?.text.trim() ?? "", token.text.trim()];
    const tight = /[(\[]$/.test(before) || /^[)\],]/.test(here) || (/^[a-z]+$/.test(before) && here === "(");
    if (i && tight) clusters.at(-1)!.append(piece(token));
    else clusters.push(h("span", { class: "cluster" }, piece(token)));
  });
  return clusters.flatMap((cluster) => [cluster, " "]);
}
