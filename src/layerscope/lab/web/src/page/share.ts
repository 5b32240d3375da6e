/** Taking things away: the link, the Python that makes the same scene, the figure as SVG. */

import { h, tell } from "./dom.ts";
import type { Page } from "./page.ts";

const SAID_MS = 1600;

/** A button that copies; where the browser forbids it, the text is shown, selected, to be copied by hand. */
export function copyButton(page: Page, label: string, text: () => string): HTMLElement {
  const button = h("button", { type: "button", class: "copy" }, label);
  const box = h("textarea", { class: "byhand", rows: 3, readonly: true, hidden: true, "aria-label": label });
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    box.hidden = copied;
    if (copied) {
      tell(button, page.words("page.copied"));
      page.announce(page.words("page.copied"));
      setTimeout(() => tell(button, label), SAID_MS);
    } else {
      box.value = text();
      box.focus();
      box.select();
    }
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    box.hidden = true;
    button.focus();
  });
  return h("span", { class: "copying" }, button, box);
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Python that makes the scene of a link. */
export function python(hash: string): string {
  return `from layerscope.lab.scenes import scene\n\nprint(scene(${JSON.stringify(hash)}).to_json())\n`;
}
