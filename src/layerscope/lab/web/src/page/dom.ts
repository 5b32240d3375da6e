/** Elements made from data alone: no markup is ever parsed, so no text from a link or a model can become markup. */

export type Child = Node | string | null | false;
type Properties = Record<string, unknown>;

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. A property that is a function listens; true and false set and leave an attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, properties: Properties = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  return dress(document.createElement(tag), properties, children);
}

/** An SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K, properties: Properties = {}, ...children: Child[]
): SVGElementTagNameMap[K] {
  return dress(document.createElementNS(SVG, tag), properties, children);
}

/** Sets an attribute where it is not so already: an unchanged one would cost a layout. */
export function put(element: Element, name: string, value: string | number | null): void {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Sets the text where it is not so already. */
export function tell(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function dress<E extends Element>(element: E, properties: Properties, children: Child[]): E {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== false));
  return element;
}
