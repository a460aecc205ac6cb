// A plot in SVG: axes, curves and handles that are moved by pointer or by arrow keys. Elements are
// kept by name, so that what has the focus keeps it when the plot is drawn again.

const SVG = "http://www.w3.org/2000/svg";
export type Range = [number, number];
type Attributes = Record<string, string | number>;

export interface Settings {
  x: Range;
  y: Range;
  label: string;
  xLabel?: string;
  yLabel?: string;
  xTicks?: number[];
  yTicks?: number[];
  ratio?: number; // of height to width
  bare?: boolean; // without axes
}

export class Plot {
  readonly svg: SVGSVGElement;
  private parts = new Map<string, SVGElement>();
  private layers: SVGElement[];
  private width = 640;
  private height = 400;
  private margin = { left: 54, right: 10, top: 10, bottom: 40 };
  private drawn: (() => void) | null = null;

  constructor(
    host: HTMLElement,
    public settings: Settings,
  ) {
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("role", "group");
    this.svg.setAttribute("aria-label", settings.label);
    host.append(this.svg);
    this.layers = ["back", "middle", "front"].map((name) => {
      const layer = document.createElementNS(SVG, "g");
      layer.setAttribute("class", name);
      if (name !== "front") layer.setAttribute("aria-hidden", "true");
      this.svg.append(layer);
      return layer;
    });
    if (settings.bare) this.margin = { left: 4, right: 4, top: 4, bottom: 4 };
    new ResizeObserver(() => this.fit(host)).observe(host);
    this.fit(host);
  }

  // Draws again whenever the size changes.
  whenSized(draw: () => void): void {
    this.drawn = draw;
  }

  private fit(host: HTMLElement): void {
    // One unit is a pixel, but on a projector letters grow with those of the page.
    const letter = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const width = Math.max(240, Math.round((host.clientWidth || 640) / letter));
    const ratio = this.settings.ratio ?? 0.62;
    if (width === this.width && this.parts.size) return;
    this.width = width;
    this.height = Math.round(width * (width < 420 ? Math.max(ratio, Math.min(0.8, ratio * 1.25)) : ratio));
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    if (!this.settings.bare) this.axes();
    this.drawn?.();
  }

  px(x: number): number {
    const [low, high] = this.settings.x;
    const { left, right } = this.margin;
    return left + ((x - low) / (high - low)) * (this.width - left - right);
  }

  py(y: number): number {
    const [low, high] = this.settings.y;
    const { top, bottom } = this.margin;
    return this.height - bottom - ((y - low) / (high - low)) * (this.height - top - bottom);
  }

  part(name: string, tag: string, attributes: Attributes, layer = 1, text?: string): SVGElement {
    let element = this.parts.get(name);
    if (!element) {
      element = document.createElementNS(SVG, tag) as SVGElement;
      this.parts.set(name, element);
      this.layers[layer].append(element);
    }
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    if (text !== undefined) element.textContent = text;
    return element;
  }

  remove(prefix: string): void {
    for (const [name, element] of this.parts) {
      if (name.startsWith(prefix)) {
        element.remove();
        this.parts.delete(name);
      }
    }
  }

  axes(): void {
    const { x, y, xTicks, yTicks, xLabel, yLabel } = this.settings;
    this.remove("axis");
    const back = 0;
    const [left, right, low, high] = [this.px(x[0]), this.px(x[1]), this.py(y[0]), this.py(y[1])];
    for (const tick of yTicks ?? ticks(y)) {
      const at = this.py(tick);
      this.part(`axis-gy${tick}`, "line", { class: "grid", x1: left, x2: right, y1: at, y2: at }, back);
      const place = { x: left - 6, y: at + 4, "text-anchor": "end" };
      this.part(`axis-ty${tick}`, "text", place, back, words(tick));
    }
    for (const tick of xTicks ?? ticks(x)) {
      const place = { x: this.px(tick), y: low + 17, "text-anchor": "middle" };
      this.part(`axis-tx${tick}`, "text", place, back, words(tick));
    }
    this.part("axis-x", "line", { class: "axis", x1: left, x2: right, y1: low, y2: low }, back);
    if (xLabel) {
      const place = { x: (left + right) / 2, y: low + 35, "text-anchor": "middle" };
      this.part("axis-lx", "text", place, back, xLabel);
    }
    if (yLabel) {
      const at = { x: 12, y: (low + high) / 2, "text-anchor": "middle" };
      const turn = { transform: `rotate(-90 12 ${(low + high) / 2})` };
      this.part("axis-ly", "text", { ...at, ...turn }, back, yLabel);
    }
  }

  // A curve; values outside the plot are cut off at its border.
  curve(name: string, xs: ArrayLike<number>, ys: ArrayLike<number>, colour: string, more: Attributes = {}): void {
    const [low, high] = this.settings.y;
    const spare = (high - low) * 0.02;
    let path = "";
    for (let i = 0; i < xs.length; i++) {
      if (!Number.isFinite(ys[i])) continue;
      const y = Math.min(high + spare, Math.max(low - spare, ys[i]));
      path += `${path ? "L" : "M"}${this.px(xs[i]).toFixed(1)} ${this.py(y).toFixed(1)}`;
    }
    const style = `stroke: var(--${colour})`;
    this.part(name, "path", { class: "curve", d: path || "M0 0", style, ...more });
  }

  dot(name: string, x: number, y: number, colour: string, radius = 4, layer = 1): void {
    const style = `fill: var(--${colour})`;
    this.part(name, "circle", { cx: this.px(x), cy: this.py(y), r: radius, style }, layer);
  }

  rect(name: string, x: Range, y: Range, style: string): void {
    const [left, top] = [this.px(x[0]), this.py(y[1])];
    const size = { width: this.px(x[1]) - left, height: this.py(y[0]) - top };
    this.part(name, "rect", { x: left, y: top, ...size, style }, 0);
  }

  text(name: string, x: number, y: number, text: string, more: Attributes = {}): void {
    this.part(name, "text", { x: this.px(x), y: this.py(y), ...more }, 1, text);
  }

  // A thing to move. `move` is given where it should go, in units of the axes.
  handle(
    name: string,
    place: { x: number; y: number; label: string; words: string; colour: string; step: number },
    move: (x: number, y: number) => void,
  ): void {
    const fresh = !this.parts.has(name);
    const group = this.part(name, "g", { class: "handle" }, 2);
    if (fresh) {
      const [reach, dot] = ["reach", "dot"].map((kind) => {
        const circle = document.createElementNS(SVG, "circle");
        circle.setAttribute("class", kind);
        circle.setAttribute("r", kind === "reach" ? "20" : "8");
        group.append(circle);
        return circle;
      });
      dot.style.fill = `var(--${place.colour})`;
      void reach;
      for (const [key, value] of Object.entries({ role: "slider", tabindex: "0", "aria-roledescription": "point that moves" }))
        group.setAttribute(key, value);
      group.addEventListener("pointerdown", (event) => {
        group.setPointerCapture(event.pointerId);
        group.focus({ preventScroll: true });
        event.preventDefault();
      });
      group.addEventListener("pointermove", (event) => {
        if (group.hasPointerCapture(event.pointerId)) move(...this.at(event));
      });
      group.addEventListener("keydown", (event) => {
        const step = Number(group.dataset.step) * (event.shiftKey ? 10 : 1);
        const ways: Record<string, Range> = {
          ArrowLeft: [-step, 0],
          ArrowRight: [step, 0],
          ArrowUp: [0, step],
          ArrowDown: [0, -step],
        };
        const way = ways[event.key];
        if (!way) return;
        event.preventDefault();
        move(Number(group.dataset.x) + way[0], Number(group.dataset.y) + way[1]);
      });
    }
    group.setAttribute("transform", `translate(${this.px(place.x).toFixed(1)} ${this.py(place.y).toFixed(1)})`);
    group.setAttribute("aria-label", place.label);
    group.setAttribute("aria-valuetext", place.words);
    group.setAttribute("aria-valuenow", place.y.toFixed(2));
    group.setAttribute("aria-valuemin", String(this.settings.y[0]));
    group.setAttribute("aria-valuemax", String(this.settings.y[1]));
    group.dataset.x = String(place.x);
    group.dataset.y = String(place.y);
    group.dataset.step = String(place.step);
  }

  at(event: PointerEvent): Range {
    const box = this.svg.getBoundingClientRect();
    const { x, y } = this.settings;
    const { left, right, top, bottom } = this.margin;
    const across = ((event.clientX - box.left) / box.width) * this.width - left;
    const down = ((event.clientY - box.top) / box.height) * this.height - top;
    return [
      x[0] + (across / (this.width - left - right)) * (x[1] - x[0]),
      y[1] - (down / (this.height - top - bottom)) * (y[1] - y[0]),
    ];
  }
}

export function clamp(value: number, [low, high]: Range): number {
  return Math.min(high, Math.max(low, value));
}

function ticks([low, high]: Range): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.99) ?? rough;
  const made = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) made.push(i * step);
  return made;
}

function words(tick: number): string {
  return String(Number(tick.toPrecision(6))).replace("-", "−");
}
