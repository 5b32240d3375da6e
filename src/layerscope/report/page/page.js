// The report's page: sorting, searching, columns, folds, receptive fields, theme and language.
// Names come from files of anybody: they become text nodes and attributes, never markup.
"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const collator = new Intl.Collator("en", { numeric: true });
  let language = "en";

  /** A text of the report in the page's language. */
  const said = (text) => (language === "ko" && Object.hasOwn(data.korean, text) ? data.korean[text] : text);
  /** The same with values in the place of {}. */
  const filled = (text, ...values) => said(text).replace(/\{\}/g, () => values.shift());

  const make = (name, attributes = {}, ...inner) => {
    const svg = ["svg", "rect", "line"].includes(name);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...inner);
    return made;
  };

  // --- Language and theme ---

  const wordings = [...document.querySelectorAll("[data-said]")].map((element) => [element, element.textContent]);
  const labels = [...document.querySelectorAll("[data-label]")].map((element) => [
    element, element.dataset.label, element.getAttribute(element.dataset.label),
  ]);

  const tables = data.tables.map((table, number) => new Table(table, document.getElementById(`table-${number}`)));

  function speak(chosen) {
    language = chosen;
    root.lang = chosen;
    for (const [element, text] of wordings) element.textContent = said(text);
    for (const [element, name, text] of labels) element.setAttribute(name, said(text));
    for (const table of tables) table.render();
  }

  function dress(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  }

  /** The page's state is its link; in a sandboxed frame links cannot change, which is all the same. */
  function remember(key, value, usual) {
    const wishes = new URLSearchParams(location.hash.slice(1));
    if (value === usual) wishes.delete(key);
    else wishes.set(key, value);
    try {
      history.replaceState(null, "", `#${wishes}`);
    } catch { /* a frame without an origin */ }
  }

  function settle() {
    const wishes = new URLSearchParams(location.hash.slice(1));
    const native = (navigator.language || "en").toLowerCase().startsWith("ko") ? "ko" : "en";
    const chosen = ["en", "ko"].includes(wishes.get("lang")) ? wishes.get("lang") : native;
    const theme = ["light", "dark"].includes(wishes.get("theme")) ? wishes.get("theme") : "auto";
    document.getElementById("language").value = chosen;
    document.getElementById("theme").value = theme;
    dress(theme);
    speak(chosen);
  }

  // --- A table ---

  function Table(table, element) {
    const columns = table.columns;
    const rows = table.rows.map((row, place) => ({ ...row, place, cells: row.c.map((n) => data.texts[n]) }));
    const children = new Map();
    for (const row of rows) {
      if (row.w === undefined) continue;
      if (!children.has(row.w)) children.set(row.w, []);
      children.get(row.w).push(row);
    }
    const section = element.closest("section");
    const head = element.tHead.rows[0];
    const body = element.tBodies[0];
    const status = section.querySelector('[role="status"]');
    const search = section.querySelector('input[type="search"]');
    const fold = section.querySelector("button.unfold");
    const beside = section.querySelector(".beside");
    const view = table.planes.length ? new View(table, section.querySelector(".view")) : null;
    const drawing = section.querySelector(".drawing") || (element.id === "table-0" && document.querySelector("figure.journey .drawing"));
    const open = new Set();
    let shown = columns.filter((column) => !column.o);
    let sorted = null, falling = true, lit = null, kept = null;
    if (view) beside.classList.add("seeing");

    const text = (row, n) => (columns[n].s ? said(row.cells[n]) : row.cells[n]);

    /** Numbers by size, texts as people read them; rows that have none stand last. */
    const ordered = (list) => {
      if (sorted === null) return list;
      const numeric = rows.some((row) => row.n && row.n[sorted] !== undefined);
      const sign = falling ? -1 : 1;
      return [...list].sort((a, b) => {
        if (!numeric) return sign * collator.compare(a.cells[sorted], b.cells[sorted]) || a.place - b.place;
        const [x, y] = [a.n?.[sorted], b.n?.[sorted]];
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined) || a.place - b.place;
        return sign * (x - y) || a.place - b.place;
      });
    };

    const visible = () => {
      const wish = search ? search.value.trim().toLowerCase() : "";
      if (wish) {
        const found = rows.filter((row) => !children.has(row.place) &&
          shown.some((column) => text(row, column.i).toLowerCase().includes(wish)));
        return ordered(found);
      }
      return ordered(rows.filter((row) => row.w === undefined)).flatMap((row) =>
        open.has(row.place) ? [row, ...ordered(children.get(row.place))] : [row]);
    };

    const named = (row) => (row.t ? said(row.t) : row.cells[0]);

    const line = (row) => {
      const made = make("tr", { "data-place": row.place, tabindex: "-1", class: row.w === undefined ? undefined : "within" });
      const numbers = shown.findIndex((column) => column.r);
      const span = row.t ? (numbers < 0 ? shown.length : numbers) : 1;
      const title = make("th", { scope: "row", class: row.t ? "again" : columns[0].r ? "right" : undefined, colspan: span > 1 ? span : undefined });
      title.title = named(row);
      if (children.has(row.place)) {
        const words = filled("layers of {}", row.cells[0] || named(row));
        title.append(make("button", {
          class: "fold", type: "button", tabindex: "-1", "aria-expanded": String(open.has(row.place)), "aria-label": words,
        }));
      }
      title.append(named(row));
      made.append(title);
      for (const column of shown.slice(span)) {
        const cell = make("td", { class: column.r ? "right" : undefined }, text(row, column.i));
        if (cell.textContent.length > 30) cell.title = cell.textContent;
        made.append(cell);
      }
      return made;
    };

    this.render = () => {
      const before = body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.place : null;
      head.replaceChildren(...shown.map((column) => make("th", {
        scope: "col", class: column.r ? "right" : undefined,
        "aria-sort": sorted === column.i ? (falling ? "descending" : "ascending") : undefined,
      }, make("button", { type: "button", "data-column": column.i }, said(column.title)))));
      const found = visible();
      body.replaceChildren(...found.map(line));
      const first = body.querySelector(`[data-place="${before ?? kept ?? ""}"]`) || body.rows[0];
      if (first) first.tabIndex = 0;
      if (before !== null && first) first.focus({ preventScroll: true });
      const total = rows.filter((row) => !children.has(row.place)).length;
      const counted = found.filter((row) => !children.has(row.place)).length;
      if (status) status.textContent = filled(counted === total ? "{} rows" : "{} of {} rows", counted.toLocaleString("en"), total.toLocaleString("en"));
      if (fold) fold.textContent = said(open.size ? "Fold" : "Unfold");
      light(lit);
    };

    // What is looked at: a row, its stop in the figure, and what it sees.
    const light = (place) => {
      lit = place;
      for (const row of body.rows) row.classList.toggle("on", Number(row.dataset.place) === place);
      if (drawing) {
        const top = place === null ? null : rows[place].w ?? place;
        const stop = top === null ? null : rows.filter((row) => row.w === undefined).findIndex((row) => row.place === top);
        for (const group of drawing.querySelectorAll("g[data-row]")) {
          group.classList.toggle("on", Number(group.dataset.row) === stop);
        }
      }
      if (view) view.show(place === null ? null : rows[place], named, text);
    };

    const go = (row, scroll) => {
      if (!row) return;
      for (const other of body.rows) other.tabIndex = -1;
      row.tabIndex = 0;
      row.focus({ preventScroll: !scroll });
    };

    head.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const column = Number(button.dataset.column);
      const natural = columns[column].r; // numbers: the largest first
      if (sorted !== column) [sorted, falling] = [column, natural];
      else if (falling === natural) falling = !falling;
      else sorted = null;
      this.render();
      head.querySelector(`[data-column="${column}"]`).focus();
    });
    body.addEventListener("pointerover", (event) => {
      const row = event.target.closest("tr");
      if (row) light(Number(row.dataset.place));
    });
    body.addEventListener("pointerleave", () => light(kept));
    body.addEventListener("focusin", (event) => {
      kept = Number(event.target.closest("tr").dataset.place);
      light(kept);
    });
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (!row) return;
      go(row);
      if (event.target.closest("button.fold")) toggle(Number(row.dataset.place));
    });
    body.addEventListener("keydown", (event) => {
      const row = event.target.closest("tr");
      const place = Number(row.dataset.place);
      const steps = {
        ArrowDown: () => go(row.nextElementSibling, true), ArrowUp: () => go(row.previousElementSibling, true),
        Home: () => go(body.rows[0], true), End: () => go(body.rows[body.rows.length - 1], true),
        ArrowRight: () => children.has(place) && !open.has(place) && toggle(place),
        ArrowLeft: () => open.has(place) ? toggle(place) : rows[place].w !== undefined && go(body.querySelector(`[data-place="${rows[place].w}"]`), true),
        Enter: () => children.has(place) && toggle(place), " ": () => children.has(place) && toggle(place),
        Escape: () => { kept = null; light(null); },
      };
      if (!steps[event.key]) return;
      event.preventDefault();
      steps[event.key]();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!section.contains(event.target) && kept !== null) {
        kept = null;
        light(null);
      }
    });
    const toggle = (place) => {
      if (open.has(place)) open.delete(place);
      else open.add(place);
      kept = place;
      this.render();
      go(body.querySelector(`[data-place="${place}"]`));
    };
    if (search) search.addEventListener("input", () => this.render());
    if (fold) {
      fold.hidden = children.size === 0;
      fold.addEventListener("click", () => {
        if (open.size) open.clear();
        else for (const place of children.keys()) open.add(place);
        this.render();
      });
    }
    const chooser = section.querySelector("details.columns");
    if (chooser) {
      chooser.addEventListener("change", () => {
        const wished = new Set([...chooser.querySelectorAll("input:checked")].map((input) => Number(input.value)));
        shown = columns.filter((column) => column.i === 0 || wished.has(column.i));
        if (sorted !== null && !shown.some((column) => column.i === sorted)) sorted = null;
        this.render();
      });
      chooser.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !chooser.open) return;
        chooser.open = false;
        chooser.querySelector("summary").focus();
      });
      document.addEventListener("pointerdown", (event) => {
        if (!chooser.contains(event.target)) chooser.open = false;
      });
    }
    if (drawing) {
      const tops = () => rows.filter((row) => row.w === undefined);
      drawing.addEventListener("pointerover", (event) => {
        const group = event.target.closest("g[data-row]");
        if (group && tops()[group.dataset.row]) light(tops()[group.dataset.row].place);
      });
      drawing.addEventListener("pointerleave", () => light(kept));
      drawing.addEventListener("click", (event) => {
        const group = event.target.closest("g[data-row]");
        const row = group && tops()[group.dataset.row];
        if (row) go(body.querySelector(`[data-place="${row.place}"]`), true);
      });
    }
  }

  // --- What a layer sees ---

  function View(table, element) {
    const SIDE = 200;
    const drawn = (field) => {
      const plane = table.planes[field[0]];
      const [top, left, bottom, right] = field.slice(1);
      const low = [Math.min(0, top), Math.min(0, left)];
      const high = [Math.max(plane.height - 1, bottom), Math.max(plane.width - 1, right)];
      const unit = SIDE / Math.max(high[0] - low[0] + 1, high[1] - low[1] + 1);
      const thick = plane.height === 1 ? 14 : unit; // a sequence is a strip
      const box = (y0, x0, y1, x1, name) => make("rect", {
        class: name, x: 1 + (x0 - low[1]) * unit, y: 1 + (y0 - low[0]) * thick,
        width: Math.max(1, (x1 - x0 + 1) * unit), height: Math.max(1, (y1 - y0 + 1) * thick),
      });
      const inside = [Math.max(0, top), Math.max(0, left), Math.min(plane.height - 1, bottom), Math.min(plane.width - 1, right)];
      const width = 2 + (high[1] - low[1] + 1) * unit, height = 2 + (high[0] - low[0] + 1) * thick;
      const made = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
        box(0, 0, plane.height - 1, plane.width - 1, "plane"));
      if (inside[0] <= inside[2] && inside[1] <= inside[3]) made.append(box(...inside, "seen"));
      if (top < 0 || left < 0 || bottom >= plane.height || right >= plane.width) {
        made.append(box(top, left, bottom, right, "outside"));
      }
      return made;
    };
    const told = (field) => {
      const plane = table.planes[field[0]];
      const [top, left, bottom, right] = field.slice(1);
      const flat = plane.height === 1;
      const times = (height, width) => (flat ? `${width}` : `${height} \u00d7 ${width}`);
      const words = filled("Its middle position sees {} of the {} positions of {}.",
        times(bottom - top + 1, right - left + 1), times(plane.height, plane.width), plane.name);
      const out = top < 0 || left < 0 || bottom >= plane.height || right >= plane.width;
      return out ? `${words} ${said("What is dashed lies in the padding.")}` : words;
    };
    this.show = (row, named, text) => {
      element.classList.toggle("live", row !== null);
      if (row === null) {
        element.replaceChildren(make("h3", {}, said("Receptive field")), make("p", { class: "soft" },
          said("Point at a layer, or move through the rows with the arrow keys, to see what it sees of the input.")));
        return;
      }
      const parts = (row.f || []).flatMap((field) => [make("div", {}, drawn(field), make("p", {}, told(field)))]);
      if (!parts.length) parts.push(make("p", { class: "soft" }, said("Nothing of it can be drawn.")));
      element.replaceChildren(make("h3", {}, named(row)), ...parts);
    };
  }

  /** What can be scrolled sideways fades at the sides where there is more. */
  for (const box of document.querySelectorAll(".scroll")) {
    const look = () => {
      const more = [box.scrollLeft > 1 && "left", box.scrollLeft + box.clientWidth < box.scrollWidth - 1 && "right"];
      if (more.some(Boolean)) box.dataset.more = more.filter(Boolean).join(" ");
      else delete box.dataset.more;
    };
    box.addEventListener("scroll", look, { passive: true });
    const watching = new ResizeObserver(look);
    for (const one of [box, ...box.children]) watching.observe(one);
  }

  document.getElementById("language").addEventListener("change", (event) => {
    remember("lang", event.target.value, "");
    speak(event.target.value);
  });
  document.getElementById("theme").addEventListener("change", (event) => {
    remember("theme", event.target.value, "auto");
    dress(event.target.value);
  });
  addEventListener("hashchange", settle);
  for (const element of document.querySelectorAll(".tools, .bar")) element.hidden = false;
  root.classList.add("js");
  settle();
})();
