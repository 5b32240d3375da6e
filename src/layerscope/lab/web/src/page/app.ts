/** The page as a whole: one state, kept in the link; each change makes a scene, and each scene is painted. */

import { type Place, type Scene, type Settings, type Text } from "../scene.ts";
import { heeded, SCENES, sceneOf } from "../scenes/index.ts";
import { FIRST, looksOf, parse, SCREENS, spell, type State } from "../state.ts";
import { Palette } from "./colours.ts";
import { Frame } from "./frame.ts";
import type { Change, Page } from "./page.ts";
import { has, words } from "./words.ts";

const LINK_MS = 150;

export class Lab implements Page {
  state!: State;
  palette!: Palette;
  looked: Place | null = null;
  private last: Scene | null = null;
  private refusal: Text | null = null;
  private trial: Settings | null = null;
  /** The scene of the state, and that of what is tried; null: not computed yet. */
  private kept: Scene | null = null;
  private tried: Scene | null = null;
  private frame: Frame | null = null;
  private painted = false;
  private late = false;
  private dragging = false;
  private timer = 0;
  private saying = 0;
  private written: string | null = null;
  private readonly left = new Map<string, Settings>();

  constructor(private readonly root: HTMLElement, private readonly probe: HTMLElement) {}

  get lang(): string {
    return this.state.settings.lang as string;
  }

  get scene(): Scene {
    if (this.trial) return (this.tried ??= this.sceneOf(this.trial));
    return (this.kept ??= this.sceneOf({}));
  }

  get trying(): boolean {
    return this.trial !== null;
  }

  words(text: Text | string, args: Text["args"] = {}): string {
    return words(typeof text === "string" ? { key: text, args } : text, this.lang);
  }

  has(key: string): boolean {
    return has(key);
  }

  start(): void {
    const embedded = document.querySelector<HTMLMetaElement>("meta[name=layerscope-state]")?.content ?? "";
    const first = location.hash.length > 1 ? location.hash : embedded;
    const korean = !first && navigator.language.toLowerCase().startsWith("ko");
    this.open(first || `#lab=${FIRST}${korean ? "&lang=ko" : ""}`, "replace");
    window.addEventListener("hashchange", () => {
      if (location.hash !== this.written && location.hash.length > 1) this.take(location.hash);
    });
    const again = (): void => { this.paletteNow(); this.render(); };
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", again);
    }
  }

  open(hash: string, how: Change = "push"): void {
    this.take(hash);
    if (!this.refusal) this.write(how);
  }

  change(changes: Settings, how: Change = "push"): void {
    const before = this.state;
    const settings = { ...before.settings };
    for (const [name, value] of Object.entries(changes)) settings[name] = value === undefined ? this.usual(name) : value;
    const asked = before.clamped.filter((clamp) => Object.hasOwn(settings, clamp.name) && !(clamp.name in changes));
    this.state = { screen: before.screen, settings, clamped: asked };
    if (asked.length !== before.clamped.length || this.hash !== spell(before.screen, before.settings)) this.kept = null;
    this.trial = null;
    this.looked = null;
    this.refusal = null;
    this.settle();
    this.write(how);
    if (how !== "drag") this.speak();
  }

  attempt(changes: Settings | null): void {
    if (!changes && !this.trial) return;
    this.trial = changes;
    this.tried = null;
    this.looked = null;
    this.render();
    if (changes) this.speak();
  }

  look(place: Place | null): void {
    if (!place && !this.looked) return;
    this.looked = place;
    this.render();
  }

  /** Said to a screen reader when things stand still, so that a drag says one thing. */
  announce(message: string): void {
    clearTimeout(this.saying);
    this.saying = window.setTimeout(() => this.frame?.say(message), 250);
  }

  private usual(name: string): unknown {
    return parse(`#lab=${this.state.screen}`).settings[name];
  }

  /** Another state, from a link. */
  private take(hash: string): void {
    this.trial = this.kept = null;
    this.looked = null;
    try {
      const state = parse(hash);
      if (!Object.hasOwn(SCENES, state.screen)) {
        throw new Error("screen", { cause: { key: "refused.screen", args: { screen: state.screen } } });
      }
      this.state = heeded(state);
      this.refusal = null;
    } catch (error) {
      this.refusal = ((error as Error).cause as Text | undefined) ?? { key: "refused.screenless", args: {} };
      const { screen, settings, clamped } = this.state ?? parse(`#lab=${FIRST}`);
      this.state = { screen, settings: { ...settings, ...looksOf(hash) }, clamped };
    }
    this.settle();
  }

  private settle(): void {
    this.left.set(this.state.screen, this.state.settings);
    const { theme, lang } = this.state.settings;
    const root = document.documentElement;
    if (root.dataset.theme !== theme || !this.palette) {
      root.dataset.theme = theme;
      this.paletteNow();
    }
    if (root.lang !== lang) root.lang = lang;  // set once more, it would cost the style of every element
    this.render();
  }

  private paletteNow(): void {
    this.palette = new Palette(this.probe);
  }

  /** At once, but once a frame: what comes before the frame is over is painted in the next, as it is by then. */
  private render(): void {
    const entered = this.frame?.lang !== this.lang || this.frame.screen !== this.state.screen;
    if (this.painted && !entered) {
      this.late = true;
      return;
    }
    if (!this.painted) requestAnimationFrame(() => this.again());
    this.painted = true;
    this.paint();
  }

  private again(): void {
    this.painted = false;
    if (this.late) this.paint();
  }

  private paint(): void {
    this.late = false;
    const { scene } = this;
    document.title = `${this.words(scene.title)} · Layerscope`;
    if (this.frame?.lang !== this.lang) this.frame = new Frame(this.root, this);
    this.frame.show(scene, this.refusal);
  }

  /** The scene of the state with some settings changed; where there is none, the one before, and why. */
  private sceneOf(changes: Settings): Scene {
    try {
      return (this.last = sceneOf({ ...this.state, settings: { ...this.state.settings, ...changes } }));
    } catch (error) {
      this.refusal = ((error as Error).cause as Text | undefined) ?? { key: "page.broken", args: { why: String(error) } };
      if (!this.last) throw error;
      return this.last;
    }
  }

  private speak(): void {
    const formula = this.scene.formula.map((token) => token.text).join(" ");
    if (formula) this.announce(formula);
  }

  /** The link of a screen: as it was left, in the language and theme of now. */
  linkTo(screen: string): string {
    const { lang, theme } = this.state.settings;
    return spell(screen, { ...parse(`#lab=${screen}`).settings, ...this.left.get(screen), lang, theme });
  }

  get hash(): string {
    return spell(this.state.screen, this.state.settings);
  }

  /** Into the address: a drag is one step back, and browsers allow only so many changes in a time. */
  private write(how: Change): void {
    const begins = how === "push" || (how === "drag" && !this.dragging);
    this.dragging = how === "drag";
    clearTimeout(this.timer);
    if (begins) this.address("push");
    else if (how === "drag") this.timer = window.setTimeout(() => this.address("replace"), LINK_MS);
    else this.address("replace");
  }

  private address(how: "push" | "replace"): void {
    const { hash } = this;
    if (hash === location.hash) return;
    this.written = hash;
    try {
      if (how === "push") history.pushState(null, "", hash);
      else history.replaceState(null, "", hash);
    } catch {
      // A sandboxed frame has no address of its own: the state is kept on the page alone.
    }
  }

  /** Settings that the screen has. */
  entries(): (typeof SCREENS)[string] {
    return SCREENS[this.state.screen]!;
  }
}
