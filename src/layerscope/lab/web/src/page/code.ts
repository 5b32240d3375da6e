/** The same in Keras, PyTorch and NumPy, one tab each. */

import type { Scene } from "../scene.ts";
import { h, put, tell } from "./dom.ts";
import type { Page } from "./page.ts";
import { copyButton } from "./share.ts";

const NAMES: Record<string, string> = {
  keras: "Keras", torch: "PyTorch", numpy: "NumPy", text: "Layerscope", layerscope: "Layerscope", terminal: "Terminal",
};

export class Code {
  readonly element = h("section", { class: "code" });
  private readonly tabs = h("div", { role: "tablist", class: "tabs" });
  private readonly text = h("code");
  private readonly panel: HTMLElement;
  private chosen = "keras";
  private code: Record<string, string> = {};
  private names = "";

  constructor(page: Page) {
    this.panel = h("div", { role: "tabpanel", id: "code", tabindex: 0 }, h("pre", {}, this.text));
    put(this.tabs, "aria-label", page.words("page.code"));
    this.tabs.addEventListener("keydown", (event) => this.key(event));
    this.element.append(
      h("h2", {}, page.words("page.code")), this.tabs, this.panel,
      copyButton(page, page.words("page.copy"), () => this.code[this.chosen] ?? ""),
    );
  }

  show(scene: Scene): void {
    this.code = scene.code;
    const names = Object.keys(scene.code);
    this.element.hidden = names.length === 0;
    if (names.join() !== this.names) {
      this.names = names.join();
      if (!names.includes(this.chosen)) this.chosen = names[0] ?? "";
      this.tabs.replaceChildren(...names.map((name) => h("button", {
        type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "code", click: () => this.choose(name),
      }, NAMES[name] ?? name)));
    }
    this.paint();
  }

  private choose(name: string): void {
    this.chosen = name;
    this.paint();
  }

  private paint(): void {
    for (const tab of this.tabs.children) {
      const on = tab.id === `tab-${this.chosen}`;
      put(tab, "aria-selected", String(on));
      put(tab, "tabindex", on ? 0 : -1);
    }
    put(this.panel, "aria-labelledby", `tab-${this.chosen}`);
    tell(this.text, this.code[this.chosen] ?? "");
  }

  private key(event: KeyboardEvent): void {
    const tabs = [...this.tabs.children] as HTMLElement[];
    const at = tabs.indexOf(event.target as HTMLElement);
    const steps: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 };
    const next = steps[event.key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    const tab = tabs[(next + tabs.length) % tabs.length]!;
    this.choose(tab.id.slice(4));
    tab.focus();
  }
}
