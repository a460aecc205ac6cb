// Elements of the page, and numbers in them.

export type Child = Node | string;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Three significant digits, as the library's pages write numbers. None here is below zero.
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "diverged";
  const size = Math.abs(value);
  if (size > 0 && size < 1e-4) return "<0.0001";
  if (size >= 1e6) return value.toExponential(2);
  const power = size === 0 ? 0 : Math.floor(Math.log10(Number(size.toPrecision(3))));
  return value.toFixed(Math.max(0, 2 - power));
}

// A number in the page, with its exact value for those who check it.
export function show(place: HTMLElement, value: number, text = digits(value)): void {
  place.textContent = text;
  place.dataset.value = String(value);
}

export function number(name: string): HTMLElement {
  return el("span", { "data-name": name });
}

export interface Panel {
  id: string;
  title: string;
  make(host: HTMLElement): void;
}

export interface Slider {
  input: HTMLInputElement;
  label: HTMLElement;
  value(): number;
  set(value: number): void;
}

export function slider(
  text: string,
  range: { min: number; max: number; step: number; value: number },
  words: (value: number) => string,
  change: () => void,
): Slider {
  const attributes: Record<string, string> = { type: "range" };
  for (const [name, value] of Object.entries(range)) attributes[name] = String(value);
  const input = el("input", attributes);
  const output = el("output");
  const label = el("label", { class: "slide" }, el("span", {}, text), input, output);
  const tell = () => {
    const said = words(Number(input.value));
    output.textContent = said;
    input.setAttribute("aria-valuetext", said);
  };
  input.addEventListener("input", () => {
    tell();
    change();
  });
  tell();
  return {
    input,
    label,
    value: () => Number(input.value),
    set(value) {
      input.value = String(value);
      tell();
    },
  };
}

export function button(text: string, press: () => void, main = false): HTMLButtonElement {
  const made = el("button", { type: "button" }, text);
  if (main) made.classList.add("main");
  made.addEventListener("click", press);
  return made;
}

export function checkbox(text: Child, on: boolean, change: () => void): [HTMLElement, () => boolean] {
  const input = el("input", { type: "checkbox" });
  input.checked = on;
  input.addEventListener("change", change);
  return [el("label", {}, input, " ", text), () => input.checked];
}

export function key(colour: string, name: string, dashes = false): HTMLElement {
  const line = el("span", { class: dashes ? "key dashes" : "key", "aria-hidden": "true" });
  line.style.borderColor = colour;
  return el("span", {}, line, name);
}

export function details(summary: string, ...texts: string[]): HTMLElement {
  const made = el("details", {}, el("summary", {}, summary));
  for (const text of texts) {
    const paragraph = el("p");
    paragraph.innerHTML = text;
    made.append(paragraph);
  }
  return made;
}

// What a reader of the screen hears: the last words only, and not each step of a movement.
export function quietly(region: HTMLElement): (text: string) => void {
  region.setAttribute("aria-live", "off");
  const heard = el("div", { class: "heard", "aria-live": "polite" });
  region.after(heard);
  let timer = 0;
  return (text) => {
    region.textContent = text;
    clearTimeout(timer);
    timer = window.setTimeout(() => (heard.textContent = text), 700);
  };
}
