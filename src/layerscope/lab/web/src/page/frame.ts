/** The common frame of all screens: where one is, controls, grids, and the explanation. */

import type { Scene, Text } from "../scene.ts";
import type { Lab } from "./app.ts";
import { Code } from "./code.ts";
import { ranges, type Palette } from "./colours.ts";
import { Controls } from "./controls.ts";
import { h, put, tell } from "./dom.ts";
import { figure } from "./figure.ts";
import { Formula, law } from "./formula.ts";
import type { Painter } from "./page.ts";
import { painterOf } from "./painters.ts";
import { screens } from "./screens.ts";
import { copyButton, python } from "./share.ts";
import { Steps } from "./steps.ts";
import { TRIES } from "./tries.ts";

const MOST_CLAMPS = 6;

export class Frame {
  readonly lang: string;
  private readonly title = h("h1");
  private readonly lead = h("p", { class: "lead" });
  private readonly tries = h("ul", { class: "tries" });
  private readonly notice = h("div", { class: "notice", role: "status" });
  private readonly stage = h("div", { class: "stage" });
  private readonly settings = h("div");
  private readonly looked = h("p", { class: "looked" });
  private readonly shape = h("section", { class: "shape" });
  private readonly why = h("section", { class: "why" });
  private readonly live = h("div", { class: "hidden", "aria-live": "polite", role: "log" });
  private readonly links = new Map<string, HTMLAnchorElement>();
  private readonly formula: Formula;
  private readonly code: Code;
  private steps!: Steps;
  private readonly stepping = h("div");
  private controls!: Controls;
  private drawing!: HTMLElement;
  private painter: Painter | null = null;
  screen = "";
  private noticed = "";
  private explained = "";
  private linked = "";
  private shown: [Scene, Palette, Text | null] | null = null;

  constructor(root: HTMLElement, private readonly page: Lab) {
    this.lang = page.lang;
    this.formula = new Formula(page);
    this.code = new Code(page);
    const main = h(
      "main", { id: "main" }, h("header", { class: "opening" }, this.title, this.lead, this.tries), this.settings, this.notice,
      this.stepping, this.stage, this.looked, this.formula.element,
      h("div", { class: "explanation" }, h("div", {}, this.shape, this.why), this.code.element), this.taking(), this.live,
    );
    root.replaceChildren(this.top(), main);
  }

  show(scene: Scene, refusal: Text | null): void {
    if (this.screen !== scene.screen) this.enter(scene);
    const { palette } = this.page;
    this.controls.show(scene);
    if (this.shown?.[0] !== scene || this.shown[1] !== palette || this.shown[2] !== refusal) this.explain(scene, refusal);
    this.shown = [scene, palette, refusal];
    this.showLooked(scene);
    this.painter!.paint(this.stage, scene, this.page);  // last, as it measures where things stand
  }

  private explain(scene: Scene, refusal: Text | null): void {
    tell(this.title, this.page.words(scene.title));
    this.showLinks(scene);
    this.steps.show(scene);
    this.showNotice(scene, refusal);
    this.formula.show(scene, (made) => this.painter!.ranges?.(made) ?? ranges(made));
    this.showWords(scene);
    this.code.show(scene);
  }

  private showWords(scene: Scene): void {
    const explained = JSON.stringify([scene.law, scene.why]);
    if (explained === this.explained) return;
    this.explained = explained;
    this.shape.hidden = scene.law.length === 0;
    this.shape.replaceChildren(h("h2", {}, this.page.words("page.shape")), law(scene.law));
    this.why.hidden = scene.why.length === 0;
    this.why.replaceChildren(
      h("h2", {}, this.page.words("page.why")), ...scene.why.map((text) => h("p", {}, this.page.words(text))),
    );
  }

  say(message: string): void {
    tell(this.live, message);
  }

  private enter(scene: Scene): void {
    this.painter?.leave?.();
    this.screen = scene.screen;
    this.drawing.hidden = scene.grids.some((grid) => grid.scale === "plain" && grid.cells.some((cell) => cell.text.length > 12));  // a table of words
    this.stage.replaceChildren();
    this.painter = painterOf(scene.screen);
    this.controls = new Controls(this.page, this.painter.settings ?? []);
    this.settings.replaceChildren(this.controls.element);
    this.steps = new Steps(this.page);
    this.stepping.replaceChildren(this.steps.element);
    const lead = `page.lead.${scene.screen}`;
    tell(this.lead, this.page.has(lead) ? this.page.words(lead) : "");
    const tries = Object.hasOwn(TRIES, scene.screen) ? TRIES[scene.screen]! : [];
    this.tries.hidden = tries.length === 0;
    this.tries.replaceChildren(...tries.map(([key, hash]) => h("li", {}, this.anchor(this.page.words(key), hash))));
  }

  /** A link to a state that keeps language and theme. In a sandboxed frame a plain one would lead out of the page. */
  private anchor(text: string, hash: string): HTMLAnchorElement {
    return h("a", {
      href: hash,
      click: (event: MouseEvent) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        const { lang, theme } = this.page.state.settings;
        const target = (event.currentTarget as HTMLAnchorElement).getAttribute("href")!;
        const bare = target.replace(/&(lang|theme)=\w+/g, "");
        this.page.open(bare + (lang === "en" ? "" : `&lang=${lang}`) + (theme === "auto" ? "" : `&theme=${theme}`));
      },
    }, text);
  }

  private top(): HTMLElement {
    const list = h("ul");
    for (const screen of screens()) {
      const link = this.anchor(this.page.words(`page.screen.${screen}`), "#");
      this.links.set(screen, link);
      list.append(h("li", {}, link));
    }
    return h(
      "header", { class: "top" }, h("p", { class: "mark" }, "Layerscope"),
      h("nav", { "aria-label": this.page.words("page.screens") }, list), this.looks(),
    );
  }

  private looks(): HTMLElement {
    const other = this.lang === "ko" ? "en" : "ko";
    const language = h("button", {
      type: "button", id: "language", lang: other,
      click: () => {
        this.page.change({ lang: other }, "replace");
        document.getElementById("language")?.focus();
      },
    }, other === "ko" ? "한국어" : "English");
    const theme = h("select", { id: "theme", "aria-label": this.page.words("page.theme") },
      ...["auto", "light", "dark"].map((one) => h("option", { value: one }, this.page.words(`page.theme.${one}`))));
    theme.value = this.page.state.settings.theme;
    theme.addEventListener("change", () => this.page.change({ theme: theme.value }, "replace"));
    return h("div", { class: "looks" }, theme, language);
  }

  private taking(): HTMLElement {
    const address = (): string => location.href.replace(/#.*/s, "") + this.page.hash;
    this.drawing = copyButton(this.page, this.page.words("page.copy.svg"), () => figure(this.page.scene, this.page));
    return h(
      "footer", { class: "taking" },
      copyButton(this.page, this.page.words("page.copy.link"), address),
      copyButton(this.page, this.page.words("page.copy.python"), () => python(this.page.hash)),
      this.drawing,
    );
  }

  private showLinks(scene: Scene): void {
    const theme = document.getElementById("theme") as HTMLSelectElement | null;
    const asked = this.page.state.settings.theme as string;
    const entered = this.linked !== `${scene.screen} ${asked}`;
    this.linked = `${scene.screen} ${asked}`;
    if (theme && theme.value !== asked) theme.value = asked;
    for (const [screen, link] of this.links) {
      const here = screen === scene.screen;
      if (!this.page.trying && (here || entered)) put(link, "href", this.page.linkTo(screen));
      put(link, "aria-current", here ? "page" : null);
    }
  }

  /** What could not be as asked, and what is there instead. */
  private showNotice(scene: Scene, refusal: Text | null): void {
    const said = scene.clamped.slice(0, MOST_CLAMPS).map(({ name, asked, used, why }) => {
      const key = used === "" ? "page.ignored" : "page.clamped";
      return this.page.words(key, { name: short(name), asked: short(asked), used, why: this.page.words(why) });
    });
    const more = scene.clamped.length - said.length;
    if (more > 0) said.push(this.page.words("page.more", { count: more }));
    if (refusal) said.unshift(this.page.words(refusal));
    const noticed = JSON.stringify(said);
    if (noticed === this.noticed) return;
    this.noticed = noticed;
    this.notice.replaceChildren(...said.map((line) => h("p", {}, line)));
  }

  private showLooked(scene: Scene): void {
    const { looked } = this.page;
    const grid = looked && scene.grids.find((one) => one.id === looked[0]);
    const cell = grid && grid.cells[looked[1]];
    if (!grid || !cell) return tell(this.looked, "");
    const [row, column] = [Math.floor(looked[1] / grid.columns), looked[1] % grid.columns];
    const said = this.page.words("page.looked", { title: this.page.words(grid.title), row, column, text: cell.text });
    tell(this.looked, said);
    this.page.announce(said);
  }
}

const short = (word: string): string => (word.length > 40 ? `${word.slice(0, 39)}…` : word);
