/** Controls for the settings of a screen, generated from settings.json; cells are chosen in the grids themselves. */

import type { Scene } from "../scene.ts";
import type { Entry } from "../state.ts";
import { h, put } from "./dom.ts";
import type { Lab } from "./app.ts";
import { selecting } from "./grid.ts";

const MOST_RADIOS = 4;
const LONGEST_SLIDER = 64;
const FINGER_COLUMNS = 16;
const FEW = 9;

/** The numbers themselves, which most people leave as they are. */
const isOwn = (entry: Entry): boolean => entry.name === "seed" || (entry.kind === "text" && entry.name !== "net");

/** k2, s3 and the like belong to a layer; those of layers that there are not are left out. */
const isBeyond = (name: string, { settings }: Scene): boolean =>
  typeof settings.layers === "number" && /^[a-z]+[2-9]$/.test(name) && Number(name.slice(-1)) > settings.layers;

interface Control { element: HTMLElement; show(scene: Scene): void }

export class Controls {
  readonly element = h("form", { class: "controls", submit: (event: Event) => event.preventDefault() });
  private readonly controls: [Entry, Control][];
  private readonly more = h("details", { class: "more" });

  constructor(private readonly page: Lab, taken: readonly string[]) {
    put(this.element, "aria-label", page.words("page.controls"));
    const entries = page.entries().filter((entry) => entry.name !== "step" && !taken.includes(entry.name));
    this.controls = entries.map((entry) => [entry, this.make(entry)]);
    const inside = h("div", { class: "inside" });
    this.more.append(h("summary", {}, page.words("page.more.numbers")), inside);
    for (const [entry, { element }] of this.controls) (isOwn(entry) ? inside : this.element).append(element);
    if (entries.filter(isOwn).length > 1) this.element.append(this.more);
    else this.element.append(...inside.childNodes);
  }

  /** What choosing a cell sets besides needs no control. */
  show(scene: Scene): void {
    const besides = new Set(scene.grids.flatMap((grid) => Object.keys(selecting(grid.select)[1])));
    for (const [entry, control] of this.controls) {
      control.show(scene);
      if (entry.kind !== "cell") control.element.hidden = besides.has(entry.name) || isBeyond(entry.name, scene);
      if (isOwn(entry) && entry.kind === "text" && scene.settings[entry.name] !== entry.default) this.more.open = true;
    }
  }

  private make(entry: Entry): Control {
    if (entry.kind === "cell") return this.place(entry);
    if (entry.kind === "choice") return entry.choices!.length > MOST_RADIOS ? this.list(entry) : this.radios(entry);
    return entry.kind === "text" ? this.written(entry) : this.number(entry);
  }

  /** Looks for `<screen>.set.<name>`, then `set.<name>`; a setting without words is called by its name. */
  private label(name: string): string {
    const key = [`${this.page.state.screen}.set.${name}`, `set.${name}`].find((one) => this.page.has(one));
    return key ? this.page.words(key) : name;
  }

  private choice(name: string, value: string): string {
    const { screen } = this.page.state;
    const keys = [`${screen}.choice.${name}.${value}`, `choice.${name}.${value}`, `choice.${value}`];
    const key = keys.find((one) => this.page.has(one));
    return key ? this.page.words(key) : value;
  }

  private number(entry: Entry): Control {
    const id = `set-${entry.name}`;
    const bounds = { min: entry.min, max: entry.max, step: 1 };
    const field = h("input", { type: "number", id, name: entry.name, inputmode: "numeric", ...bounds });
    const whole = (): number | null => (/^-?\d{1,6}$/.test(field.value) ? Number(field.value) : null);
    const clamp = (value: number): number => Math.min(Math.max(value, entry.min!), entry.max!);
    field.addEventListener("input", () => {
      const value = whole();
      if (value !== null && value === clamp(value)) this.page.change({ [entry.name]: value }, "drag");
    });
    field.addEventListener("change", () => {
      this.page.change({ [entry.name]: clamp(whole() ?? this.page.scene.settings[entry.name]) }, "replace");
      field.value = String(this.page.scene.settings[entry.name]);
    });
    const head = h("div", { class: "head" }, h("label", { for: id }, this.label(entry.name)), field);
    const element = h("div", { class: "control" }, head);
    let slider: HTMLInputElement | null = null;
    if (entry.max! - entry.min! <= LONGEST_SLIDER) {
      slider = h("input", { type: "range", "aria-label": this.label(entry.name), ...bounds });
      const drag = slider;
      slider.addEventListener("input", () => this.page.change({ [entry.name]: Number(drag.value) }, "drag"));
      slider.addEventListener("change", () => this.page.change({ [entry.name]: Number(drag.value) }, "replace"));
      element.append(slider);
    } else element.append(this.other(entry));
    return { element, show: (scene) => this.showNumber(String(scene.settings[entry.name]), field, slider) };
  }

  private showNumber(value: string, field: HTMLInputElement, slider: HTMLInputElement | null): void {
    if (document.activeElement !== field && field.value !== value) field.value = value;
    if (slider && !slider.matches(":active") && slider.value !== value) slider.value = value;
  }

  /** The next of many: other numbers at a press. */
  private other(entry: Entry): HTMLElement {
    return h("button", {
      type: "button",
      click: () => {
        const now = this.page.scene.settings[entry.name] as number;
        this.page.change({ [entry.name]: now >= entry.max! ? entry.min : now + 1 }, "push");
      },
    }, this.page.words("page.other"));
  }

  private radios(entry: Entry): Control {
    const inputs = entry.choices!.map((value) => h("input", {
      type: "radio", name: entry.name, value, id: `set-${entry.name}-${value}`,
      change: () => this.page.change({ [entry.name]: value }),
    }));
    const labels = inputs.map((input) =>
      h("label", { for: input.id }, input, h("span", {}, this.choice(entry.name, input.value))));
    const element = h(
      "fieldset", { class: "control choice" }, h("legend", {}, this.label(entry.name)), h("div", {}, ...labels),
    );
    return {
      element,
      show: (scene) => { for (const input of inputs) input.checked = input.value === scene.settings[entry.name]; },
    };
  }

  private list(entry: Entry): Control {
    const id = `set-${entry.name}`;
    const select = h(
      "select", { id, name: entry.name }, ...entry.choices!.map((value) => h("option", { value }, this.choice(entry.name, value))),
    );
    select.addEventListener("change", () => this.page.change({ [entry.name]: select.value }));
    const element = h("div", { class: "control" }, h("label", { for: id }, this.label(entry.name)), select);
    return { element, show: (scene) => { select.value = scene.settings[entry.name]; } };
  }

  /** A network takes lines, numbers one. */
  private written(entry: Entry): Control {
    const id = `set-${entry.name}`;
    const rest = { id, name: entry.name, spellcheck: "false", autocomplete: "off", autocapitalize: "off", maxlength: 1500 };
    const long = entry.name === "net";
    const field = long ? h("textarea", { rows: 2, ...rest }) : h("input", { type: "text", placeholder: "1, 2, 3, …", ...rest });
    field.addEventListener("input", () => this.page.change({ [entry.name]: field.value }, "drag"));
    field.addEventListener("change", () => this.page.change({ [entry.name]: field.value }, "replace"));
    const presets = this.presets(entry);
    const label = h("div", { class: "head" }, h("label", { for: id }, this.label(entry.name)), presets);
    const element = h("div", { class: long ? "control wide" : "control" }, label, field);
    return {
      element,
      show: (scene) => {
        const value = String(scene.settings[entry.name]);
        if (document.activeElement !== field && field.value !== value) field.value = value;
        if (presets) presets.value = [...presets.options].some((option) => option.value === value) ? value : "";
      },
    };
  }

  private presets(entry: Entry): HTMLSelectElement | null {
    if (!entry.presets) return null;
    const select = h(
      "select", { "aria-label": this.page.words("page.presets") }, h("option", { value: "" }, this.page.words("page.own")),
      ...entry.presets.map(({ key, value }) => h("option", { value }, this.page.words(key))),
    );
    select.addEventListener("change", () => { if (select.value) this.page.change({ [entry.name]: select.value }); });
    return select;
  }

  /** Row and column as numbers, where cells are smaller than a finger. */
  private place(entry: Entry): Control {
    const change = (): void => this.page.change({ [entry.name]: fields.map((field) => Number(field.value)) }, "drag");
    const fields = ["row", "column"].map((which) => h("input", {
      type: "number", min: 0, max: 999, step: 1, "aria-label": this.page.words(`page.${which}`), input: change,
    }));
    const label = h("div", { class: "head" }, h("span", {}, this.page.words("page.place")), ...fields);
    const element = h("div", { class: "control", hidden: true }, label);
    return {
      element,
      show: (scene) => {
        const own = scene.grids.filter((grid) => selecting(grid.select)[0] === entry.name);
        element.hidden = !own.some((grid) => grid.columns > (scene.screen === "field" ? FEW : FINGER_COLUMNS));
        const cell = scene.settings[entry.name] as number[];
        fields.forEach((field, i) => { if (document.activeElement !== field) field.value = String(cell[i]); });
      },
    };
  }
}
