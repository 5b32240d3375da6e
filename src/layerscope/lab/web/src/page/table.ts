/** A grid as a table, for those who read rather than look. */

import type { Grid } from "../scene.ts";
import { cued } from "./cue.ts";
import { h } from "./dom.ts";
import type { Page } from "./page.ts";

export function table(grid: Grid, page: Page): HTMLElement {
  const head = h("tr", {}, h("td"));
  for (let column = 0; column < grid.columns; column++) head.append(h("th", { scope: "col" }, String(column)));
  const body = h("tbody");
  for (let row = 0; row < grid.rows; row++) {
    const line = h("tr", {}, h("th", { scope: "row" }, String(row)));
    for (let column = 0; column < grid.columns; column++) {
      const cell = grid.cells[row * grid.columns + column]!;
      const role = roleName(cell.role, page);
      line.append(h("td", {}, cell.text, role ? h("span", { class: "role" }, ` ${role}`) : null));
    }
    body.append(line);
  }
  const title = page.words(grid.title);
  return cued(h(
    "div", { class: "table", tabindex: 0, role: "region", "aria-label": title },
    h("table", {}, h("caption", { class: "hidden" }, title), h("thead", {}, head), body),
  ));
}

/** What a role is called; those that every cell of a grid may have are not said. */
export function roleName(role: string, page: Page): string {
  return page.has(`role.${role}`) ? page.words(`role.${role}`) : "";
}
