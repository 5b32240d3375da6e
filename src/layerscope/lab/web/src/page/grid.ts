/** One grid with its title, its marks, its table, and what mouse, finger and keyboard do in it. */

import type { Grid, Place, Settings } from "../scene.ts";
import { CanvasSurface } from "./canvas.ts";
import type { Range } from "./colours.ts";
import { h, put, s, tell } from "./dom.ts";
import { Marks, type Lit } from "./marks.ts";
import type { Page } from "./page.ts";
import type { Surface } from "./surface.ts";
import { SvgSurface } from "./svg.ts";
import { roleName, table } from "./table.ts";

let grids = 0;

export class GridView {
  readonly element: HTMLElement;
  readonly plane = h("div", { class: "plane" });
  private readonly title = h("span", { class: "title" });
  private readonly summary = h("p", { class: "hidden", id: `summary-${++grids}` });
  private readonly toggle: HTMLButtonElement;
  private readonly marks = new Marks();
  private surface: Surface | null = null;
  private kind = "";
  private tabled = false;
  private entry = -1;
  private grid!: Grid;
  private size = 0;
  private range: Range = { low: 0, high: 0 };

  constructor(private readonly page: Page) {
    this.toggle = h("button", {
      type: "button", class: "quiet", "aria-pressed": "false",
      click: () => { this.tabled = !this.tabled; this.update(this.grid, this.size, this.range, this.kind === "canvas"); },
    }, s("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, s("path", {
      d: "M1.5 2.5h13v11h-13zM1.5 6h13M1.5 9.5h13M6 2.5v11",
    })));
    this.element = h("figure", { class: "grid" }, h("figcaption", {}, this.title, this.toggle), this.plane, this.summary);
    this.listen();
  }

  update(grid: Grid, size: number, range: Range, onCanvas: boolean): void {
    this.grid = grid;
    this.size = size;
    this.range = range;
    const title = this.page.words(grid.title);
    tell(this.title, title);
    tell(this.summary, this.summarise());
    put(this.toggle, "aria-pressed", String(this.tabled));
    put(this.toggle, "aria-label", this.page.words("page.table.of", { title }));
    put(this.toggle, "title", this.page.words("page.table"));
    put(this.element, "data-grid", grid.id);
    this.plane.classList.toggle("choosable", grid.select !== "");
    if (this.tabled) {
      this.kind = "table";
      this.surface = null;
      this.plane.replaceChildren(table(grid, this.page));
      return;
    }
    this.paint(title, onCanvas ? "canvas" : "svg");
  }

  /** Outlines what is lit by links, what is chosen (dashed while it is only tried). */
  light(lit: Lit | undefined, tried: boolean): void {
    if (!this.surface) return;
    const { columns } = this.grid;
    this.marks.draw("read", lit?.read ?? [], columns);
    this.marks.draw("strong", lit?.strong ?? [], columns);
    const chosen = this.chosen();
    this.marks.draw("selected", chosen >= 0 && !tried ? [chosen] : [], columns);
    this.marks.draw("tried", chosen >= 0 && tried ? [chosen] : [], columns);
  }

  /** The cell that the settings name, or the scene's own choice in a grid that has no setting; −1: none. */
  chosen(): number {
    const { settings, steps, selected } = this.page.scene;
    const [name, rest] = selecting(this.grid.select);
    const asked = name ? settings[name] : undefined;
    if (Object.entries(rest).some(([other, value]) => String(settings[other]) !== value)) return -1;
    if (Array.isArray(asked)) return Number(asked[0]) * this.grid.columns + Number(asked[1]);
    if (typeof asked === "number") return name === "step" && asked > steps ? -1 : asked - 1;
    return selected && selected[0] === this.grid.id ? selected[1] : -1;
  }

  private paint(title: string, kind: string): void {
    const entered = this.surface !== null && this.plane.contains(document.activeElement);
    if (kind !== this.kind && !entered) {  // a surface that is exchanged would lose the focus
      this.kind = kind;
      this.surface = kind === "canvas" ? new CanvasSurface() : new SvgSurface();
      this.plane.replaceChildren(this.surface.element, this.marks.element);
    }
    const { grid, size, range } = this;
    const surface = this.surface!;
    surface.describe(title, this.summary.id);
    const selected = this.chosen();
    if (this.entry < 0 || this.entry >= grid.cells.length) this.entry = Math.max(selected, 0);
    const name = (index: number): string => this.name(index);
    surface.update({ grid, size, range, palette: this.page.palette, lang: this.page.lang, selected, entry: this.entry, name });
    this.marks.resize(grid.rows, grid.columns, size);
  }

  private name(index: number): string {
    const cell = this.grid.cells[index]!;
    const [row, column] = [Math.floor(index / this.grid.columns), index % this.grid.columns];
    const role = roleName(cell.role, this.page);
    const said = this.page.words("page.cell", { row, column, text: cell.text || this.page.words("page.blank") });
    return role ? `${said}, ${role}` : said;
  }

  private summarise(): string {
    const { summary, rows, columns, select } = this.grid;
    const { low, high } = this.range;
    const said = summary
      ? this.page.words(summary)
      : this.page.words("page.summary", { rows, columns, low, high });
    return select ? `${said} ${this.page.words("page.choosable")}` : said;
  }

  private listen(): void {
    const at = (event: MouseEvent): number => (this.surface ? this.surface.at(event) : -1);
    let over = -1;
    this.plane.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" || !this.surface) return;
      const index = at(event);
      if (index === over) return;
      over = index;
      this.visit(index);
    });
    this.plane.addEventListener("pointerleave", () => { over = -1; this.visit(-1); });
    this.plane.addEventListener("click", (event) => {
      const index = at(event);
      if (index < 0) return;
      this.enter(index);
      this.surface?.focus(index);
      this.pin(index);
    });
    this.plane.addEventListener("keydown", (event) => this.key(event));
    this.plane.addEventListener("focusin", (event) => {
      if (!this.surface) return;
      const index = this.indexOf(event.target as Element);
      if (index < 0) return;
      this.enter(index);
      const shown = (event.target as Element).matches(":focus-visible");
      this.marks.draw("focus", shown ? [index] : [], this.grid.columns);
      if (shown) this.visit(index);
    });
    this.plane.addEventListener("focusout", (event) => {
      if (!this.surface || this.plane.contains(event.relatedTarget as Node | null)) return;
      this.marks.draw("focus", [], this.grid.columns);
      if (over < 0) this.visit(-1);
    });
  }

  private indexOf(target: Element): number {
    if (target.hasAttribute("data-index")) return Number(target.getAttribute("data-index"));
    const cell = target.closest("[role=gridcell]");
    return cell ? [...this.plane.querySelectorAll("[role=gridcell]")].indexOf(cell) : -1;
  }

  private key(event: KeyboardEvent): void {
    if (!this.surface || this.entry < 0 || event.altKey || event.metaKey) return;
    const { rows, columns } = this.grid;
    const [row, column] = [Math.floor(this.entry / columns), this.entry % columns];
    const moves: Record<string, [number, number]> = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? rows - 1 : row, columns - 1],
    };
    if (event.key === " " || event.key === "Enter") this.pin(this.entry);
    else if (event.key === "Escape") this.unpin();
    else if (moves[event.key]) {
      const [down, across] = moves[event.key]!;
      if (down >= 0 && down < rows && across >= 0 && across < columns) {
        this.enter(down * columns + across);
        this.surface.focus(this.entry);
      }
    } else return;
    event.preventDefault();
  }

  private enter(index: number): void {
    this.entry = index;
  }

  /** Shows what a cell would show if it were chosen; −1 goes back. */
  private visit(index: number): void {
    if (this.grid.select) this.page.attempt(index < 0 ? null : this.setting(index));
    else this.page.look(index < 0 ? null : this.place(index));
  }

  private pin(index: number): void {
    if (this.grid.select) this.page.change(this.setting(index), "push");
    else this.page.look(this.place(index));
  }

  private unpin(): void {
    this.page.look(null);
    this.page.attempt(null);
    const [name] = selecting(this.grid.select);
    if (name) this.page.change({ [name]: undefined }, "push");
  }

  private place(index: number): Place {
    return [this.grid.id, index];
  }

  private setting(index: number): Settings {
    const [name, rest] = selecting(this.grid.select);
    const { settings } = this.page.scene;
    const numbers = Object.entries(rest).map(([other, value]) => [other, typeof settings[other] === "number" ? Number(value) : value]);
    const { columns } = this.grid;
    const place = typeof settings[name] === "number" ? index + 1 : [Math.floor(index / columns), index % columns];
    return { ...Object.fromEntries(numbers), [name]: place };
  }
}

/** "cell&filter=2": the setting that a cell sets, and what it sets besides. */
export function selecting(select: string): [name: string, rest: Record<string, string>] {
  const [name, ...rest] = select.split("&");
  return [name!, Object.fromEntries(rest.map((part) => part.split("=") as [string, string]))];
}
