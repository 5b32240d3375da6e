/** The network as the data's path: one row a layer, its shape as a box, what it costs; where it breaks, and what helps. */

import type { Scene, Text } from "../scene.ts";
import { amount as whole, text } from "../numbers.ts";
import { cued } from "./cue.ts";
import { h, put, s } from "./dom.ts";
import type { Page, Painter } from "./page.ts";

interface Row {
  words: string; kind: string; name: string; shape: number[]; ratio: [number, number] | null; parameters: number | null;
  macs: number | null; field: ([number, number] | null)[]; link: string | null;
}
interface Trouble { stage: number | null; start: number; length: number; why: Text }
interface Fix { changes: Text[]; net: string }
interface Data {
  rows: Row[]; rest: string[]; trouble: Trouble | null; fixes?: Fix[]; columns: Text[];
  totals: { parameters: number | null; macs: number | null };
}

const BOX = { width: 84, height: 44 };

export class JourneyPainter implements Painter {
  private readonly trouble = h("div", { class: "trouble" });
  private readonly body = h("tbody");
  private readonly foot = h("tfoot");
  private readonly head = h("thead");
  private readonly table = cued(h(
    "div", { class: "path", tabindex: 0, role: "region" }, h("table", {}, this.head, this.body, this.foot),
  ));
  private shown = "";

  paint(host: HTMLElement, scene: Scene, page: Page): void {
    if (!host.contains(this.table)) host.replaceChildren(this.trouble, this.table);
    const data = scene.data as unknown as Data;
    const shown = JSON.stringify(data);
    if (shown !== this.shown) {
      this.shown = shown;
      this.build(data, scene, page);
    }
    [...this.body.rows].forEach((row, i) => put(row, "aria-current", i === scene.step ? "step" : null));
  }

  private build(data: Data, scene: Scene, page: Page): void {
    put(this.table, "aria-label", page.words(scene.title));
    const column = (title: Text, i: number): HTMLElement => h("th", { scope: "col", class: i ? "" : "first" }, page.words(title));
    this.head.replaceChildren(h(
      "tr", {}, h("td", {}, h("span", { class: "hidden" }, page.words("page.box"))), ...data.columns.map(column), h("td"),
    ));
    const most = largest(data.rows);
    const focused = [...this.body.rows].findIndex((row) => row.contains(document.activeElement));
    this.body.replaceChildren(
      ...data.rows.map((row, i) => rowOf(row, i, most, page)),
      ...data.rest.map((words, i) => restOf(words, i === 0 && data.trouble !== null, data.columns.length)),
    );
    if (focused >= 0) this.body.rows[focused]?.querySelector("button")?.focus();
    this.foot.replaceChildren(h(
      "tr", {}, h("td"), h("th", { scope: "row", colspan: 3, class: "first" }, page.words("page.total")),
      h("td", {}, amount(data.totals.parameters)), h("td", {}, amount(data.totals.macs)), h("td"), h("td"),
    ));
    this.tellTrouble(data, scene, page);
  }

  private tellTrouble(data: Data, scene: Scene, page: Page): void {
    const { trouble, fixes } = data;
    this.trouble.hidden = trouble === null;
    if (!trouble) return;
    const net = String(scene.settings.net);
    const parts = [net.slice(0, trouble.start), net.slice(trouble.start, trouble.start + trouble.length),
      net.slice(trouble.start + trouble.length)];
    const marked = trouble.length > 0
      ? h("p", { class: "marked" }, h("code", {}, parts[0]!, h("mark", {}, parts[1]!), parts[2]!))
      : null;
    const list = (fixes ?? []).map((fix) => h("li", {}, h(
      "button", { type: "button", click: () => page.change({ net: fix.net, step: undefined }) },
      fix.changes.map((change) => page.words(change)).join("; "),
    )));
    this.trouble.replaceChildren(
      h("p", { class: "wrong" }, page.words(trouble.why)), ...(marked ? [marked] : []),
      ...(list.length ? [h("p", {}, page.words("page.fixes")), h("ul", { class: "fixes" }, ...list)] : []),
    );
  }
}

function rowOf(row: Row, index: number, most: { side: number; channels: number }, page: Page): HTMLElement {
  const show = (): void => page.attempt({ step: index });
  const choose = h("button", {
    type: "button", click: () => page.change({ step: index }),
    focus: (event: Event) => { if ((event.target as Element).matches(":focus-visible")) show(); },
    blur: () => page.attempt(null),
  }, row.words);
  const ratio = row.ratio;
  const way = !ratio || ratio[0] === ratio[1] ? "keeps" : ratio[0] > ratio[1] ? "enriches" : "condenses";
  const exact = ratio && (ratio[0] === 1 || ratio[1] === 1);
  const said = !ratio ? "" : ratio[1] === 1 ? `×${ratio[0]}` : exact ? `×1/${ratio[1]}` : `×${text(ratio[0] / ratio[1])}`;
  const field = row.field.map((one) => (one ? (one[0] === one[1] ? one[0] : `${one[0]}–${one[1]}`) : "·")).join("×");
  return h(
    "tr", { class: way, pointerenter: show, pointerleave: () => page.attempt(null), keydown: walk },
    h("td", { class: "box" }, box(row, most)), h("th", { scope: "row", class: "first" }, choose),
    h("td", {}, row.shape.join("×") || "1"), h("td", { class: "ratio" }, said), h("td", {}, amount(row.parameters)),
    h("td", {}, amount(row.macs)), h("td", {}, field),
    h("td", {}, row.link ? h("a", {
      href: row.link, "aria-label": `${page.words("page.show")}: ${row.words}`,
      click: (event: Event) => { event.preventDefault(); page.open(keeping(row.link!, page)); },
    }, page.words("page.show")) : null),
  );
}

/** A link to another screen in the language and colours of this one. */
function keeping(link: string, page: Page): string {
  const { lang, theme } = page.state.settings;
  return link + (lang === "en" ? "" : `&lang=${lang}`) + (theme === "auto" ? "" : `&theme=${theme}`);
}

/** Up and down go from row to row. */
function walk(event: KeyboardEvent): void {
  const step: Record<string, "previousElementSibling" | "nextElementSibling"> = {
    ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling",
  };
  const way = step[event.key];
  const next = way && (event.currentTarget as Element)[way]?.querySelector("button");
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function restOf(words: string, wrong: boolean, columns: number): HTMLElement {
  return h("tr", { class: wrong ? "breaks" : "unread" }, h("td"), h("th", { scope: "row", class: "first", colspan: columns }, words), h("td"));
}

const amount = (value: number | null): string => (value === null ? "?" : whole(value));

function largest(rows: Row[]): { side: number; channels: number } {
  const side = Math.max(1, ...rows.map((row) => (row.shape.length > 1 ? row.shape[0]! : 1)));
  const channels = Math.max(2, ...rows.map((row) => row.shape.at(-1) ?? 1));
  return { side, channels };
}

/** As tall as the image (by its square root), as wide as it has channels (by their logarithm). */
function box({ shape }: Row, most: { side: number; channels: number }): SVGElement {
  const side = shape.length > 1 ? shape[0]! : 1;
  const channels = shape.at(-1) ?? 1;
  const height = Math.max(3, BOX.height * Math.sqrt(side / most.side));
  const width = Math.max(4, (BOX.width * Math.log2(1 + channels)) / Math.log2(1 + most.channels));
  return s("svg", { width: BOX.width + 2, height: BOX.height + 2, "aria-hidden": "true" }, s("rect", {
    x: 1 + (BOX.width - width) / 2, y: 1 + (BOX.height - height) / 2, width: width.toFixed(1), height: height.toFixed(1),
  }));
}

