// Figure 2 of MAML by hand: a new sine from five points, learnt step by step in five ways.

import { arrows } from "./conflict";
import { data, floats } from "./data";
import { descend, places, predict, ridgeHead, solve } from "./network";
import { button, checkbox, details, digits, el, key, Panel, quietly, show, slider } from "./page";
import { clamp, Plot } from "./plot";

const given = data.sines;
const at = places(given.width);
export const networks = {
  maml: floats(given.networks.maml),
  pretrained: floats(given.networks.pretrained),
  scratch: floats(given.networks.scratch),
  r2d2: floats(given.networks.r2d2),
};
export const grid = Float64Array.from({ length: 201 }, (_, i) => -5 + i / 20);
export type Name = "maml" | "pretrained" | "scratch" | "r2d2" | "knows";

interface Look {
  words: string;
  colour: string;
  dashes?: string;
}

const LOOKS: Record<Name, Look> = {
  maml: { words: "MAML", colour: "meta" },
  pretrained: { words: "pretrained, then fine-tuned", colour: "transfer" },
  scratch: { words: "from scratch", colour: "scratch" },
  r2d2: { words: "R2D2", colour: "other" },
  knows: { words: "knows that it is a sine", colour: "bound", dashes: "6 5" },
};
export const NAMES = Object.keys(LOOKS) as Name[];

// Bayesian regression on sin x and cos x with the mean and spread that amplitudes and phases give.
export function knowsSines(xs: ArrayLike<number>, ys: ArrayLike<number>): [number, number] {
  const { mean, variance, noise } = given.prior;
  const precision = [
    Float64Array.of(1 / variance[0], 0),
    Float64Array.of(0, 1 / variance[1]),
  ];
  const evidence = new Float64Array(2);
  for (let n = 0; n < xs.length; n++) {
    const f = [Math.sin(xs[n]), Math.cos(xs[n])];
    const rest = ys[n] - f[0] * mean[0] - f[1] * mean[1];
    for (let i = 0; i < 2; i++) {
      evidence[i] += (f[i] * rest) / noise;
      for (let j = 0; j < 2; j++) precision[i][j] += (f[i] * f[j]) / noise;
    }
  }
  const moved = solve(precision, evidence);
  return [mean[0] + moved[0], mean[1] + moved[1]];
}

// The functions of all learners at some places, after each step: [step][place].
export function learn(
  xs: number[],
  ys: number[],
  rate: number,
  where: Float64Array = grid,
): Record<Name, (Float64Array | null)[]> {
  const { rates, steps } = given;
  const wave = ([s, c]: readonly number[]) => where.map((x) => s * Math.sin(x) + c * Math.cos(x));
  const of = (start: Float64Array, lr: number) =>
    descend(start, at, lr, steps, xs, ys).map((p) => predict(p, at, where));
  const ridge = predict(ridgeHead(networks.r2d2, at, given.penalty, xs, ys), at, where);
  const known = wave(knowsSines(xs, ys));
  const later = <T>(first: T, then: T): T[] => [first, ...Array<T>(steps).fill(then)];
  return {
    maml: of(networks.maml, rates.maml),
    pretrained: of(networks.pretrained, rate),
    scratch: of(networks.scratch, rates.scratch),
    r2d2: later<Float64Array | null>(null, ridge),
    knows: later(wave(given.prior.mean), known),
  };
}

export function errors(values: Float64Array, truth: Float64Array): { left: number; right: number; all: number } {
  const sums = { left: 0, right: 0 };
  values.forEach((value, i) => {
    const square = (value - truth[i]) ** 2;
    if (i < 100) sums.left += square / 100;
    if (i > 100) sums.right += square / 100;
  });
  return { ...sums, all: (sums.left + sums.right) / 2 };
}

const HALF = [0.6, 1.6, 2.6, 3.7, 4.6];
const WIDE = [-4.2, -2.1, 0.2, 2.3, 4.4];

export const sines: Panel = {
  id: "sines",
  title: "Figure 2 by hand",
  make(host) {
    const state = { amplitude: 3.5, phase: 0.6, xs: [...HALF], lifts: [0, 0, 0, 0, 0] };
    const truth = (x: number) => state.amplitude * Math.sin(x - state.phase);
    const ys = () => state.xs.map((x, i) => truth(x) + state.lifts[i]);

    const left = el("div");
    const right = el("div");
    const say = el("p", { class: "say" });
    host.append(
      el("p", {},
        "The orange dashed line is a sine that no learner has seen. They get five points of it. " +
          "Drag the points, or choose one with the Tab key and move it with the arrow keys; then go " +
          "through the steps. All points lie in the right half at first: who can say what happens in the left one?"),
    );
    const controls = el("div", { class: "controls" });
    const plot = new Plot(left, {
      x: [-5, 5],
      y: [-6, 6],
      label: "A sine, five points to move, and what each learner believes",
      xLabel: "x (no points in the grey part)",
      yLabel: "y",
    });
    const losses = new Plot(right, {
      x: [0, given.steps],
      y: [0, 8],
      ratio: 0.66,
      label: "Error against gradient steps",
      xLabel: "gradient steps on the five points",
      yLabel: "error everywhere",
      xTicks: [0, 2, 4, 6, 8, 10],
    });

    const step = slider(
      "Gradient steps",
      { min: 0, max: given.steps, step: 1, value: given.steps },
      (value) => (value === 0 ? "before learning" : value === 1 ? "1 step" : `${value} steps`),
      () => draw(),
    );
    const amplitude = slider("Height of the sine", { min: 0.1, max: 5, step: 0.1, value: state.amplitude }, (v) => v.toFixed(1), () => {
      state.amplitude = amplitude.value();
      change();
    });
    const phase = slider("Shift of the sine", { min: 0, max: 3.14, step: 0.02, value: state.phase }, (v) => v.toFixed(2), () => {
      state.phase = phase.value();
      change();
    });
    let timer = 0;
    const play = button("Play the steps", () => {
      clearInterval(timer);
      step.set(0);
      draw();
      timer = window.setInterval(() => {
        step.set(step.value() + 1);
        draw();
        if (step.value() >= given.steps) clearInterval(timer);
      }, 450);
    }, true);
    const fresh = button("Another sine", () => {
      state.amplitude = Math.round((0.5 + 4.5 * Math.random()) * 10) / 10;
      state.phase = Math.round(3.14 * Math.random() * 50) / 50;
      amplitude.set(state.amplitude);
      phase.set(state.phase);
      state.lifts.fill(0);
      change();
    });
    const place = (xs: number[]) => {
      state.xs = [...xs];
      state.lifts.fill(0);
      change();
    };
    const [locked, on] = checkbox("points stay on the sine", true, () => {
      if (on()) state.lifts.fill(0);
      change();
    });
    const rates = el("select");
    for (const choice of given.choices) {
      const option = el("option", { value: String(choice) }, String(choice));
      option.selected = choice === given.rates.pretrained;
      rates.append(option);
    }
    rates.addEventListener("change", () => change());
    controls.append(
      step.label,
      play,
      amplitude.label,
      phase.label,
      fresh,
      button("Points on the right only", () => place(HALF)),
      button("Points everywhere", () => place(WIDE)),
      locked,
      el("label", {}, "Step size of fine-tuning ", rates),
    );

    const cells: Record<string, HTMLElement> = {};
    const shown = {} as Record<Name, () => boolean>;
    const body = el("tbody");
    for (const name of NAMES) {
      const look = LOOKS[name];
      const [box, checked] = checkbox(key(`var(--${look.colour})`, look.words, Boolean(look.dashes)), name !== "r2d2", () => draw());
      shown[name] = checked;
      const row = el("tr", {}, el("td", {}, box));
      for (const part of ["points", "left", "all"]) {
        const cell = el("td", { "data-name": `sines-${name}-${part}` });
        cells[`${name}-${part}`] = cell;
        row.append(cell);
      }
      body.append(row);
    }
    const caption = el("caption");
    const head = ["learner", "at the points", "left half", "everywhere"].map((text) => el("th", { scope: "col" }, text));
    right.append(el("div", { class: "scroll" }, el("table", {}, caption, el("thead", {}, el("tr", {}, ...head)), body)));
    host.append(controls, el("div", { class: "two" }, left, right), say);
    const tell = quietly(say);

    let functions: ReturnType<typeof learn>;
    let atPoints: Record<Name, (number | null)[]>;
    function change(): void {
      const { xs } = state;
      const wanted = ys();
      const everywhere = learn(xs, wanted, Number(rates.value), Float64Array.of(...grid, ...xs));
      functions = {} as typeof functions;
      atPoints = {} as typeof atPoints;
      for (const name of NAMES) {
        functions[name] = everywhere[name].map((values) => values && values.subarray(0, grid.length));
        atPoints[name] = everywhere[name].map(
          (values) =>
            values &&
            wanted.reduce((sum, y, i) => sum + (values[grid.length + i] - y) ** 2 / xs.length, 0),
        );
      }
      draw();
    }

    function draw(): void {
      if (!functions) return;
      const now = step.value();
      const { xs } = state;
      const target = grid.map(truth);
      plot.remove("empty");
      const sorted = [-5, ...[...xs].sort((a, b) => a - b), 5];
      const gaps = sorted.slice(1).map((x, i) => [sorted[i], x] as [number, number]);
      gaps.filter(([a, b]) => b - a > 2.5).forEach((gap, i) => plot.rect(`empty${i}`, gap, [-6, 6], "fill: var(--shade)"));
      for (const name of NAMES) {
        const look = LOOKS[name];
        const values = functions[name][now];
        const style = { "stroke-dasharray": look.dashes ?? "none", visibility: values && shown[name]() ? "visible" : "hidden" };
        plot.curve(name, grid, values ?? [], look.colour, style);
      }
      plot.curve("truth", grid, target, "truth", { "stroke-dasharray": "2 5", "stroke-width": 3 });
      const heights = ys();
      xs.forEach((x, i) =>
        plot.handle(
          `point${i}`,
          { x, y: heights[i], label: `Point ${i + 1} of 5`, words: `x ${x.toFixed(1)}, y ${heights[i].toFixed(1)}`, colour: "point", step: 0.1 },
          (toX, toY) => {
            state.xs[i] = clamp(toX, [-5, 5]);
            state.lifts[i] = on() ? 0 : clamp(toY, [-6, 6]) - truth(state.xs[i]);
            change();
          },
        ),
      );
      const steps = Array.from({ length: given.steps + 1 }, (_, i) => i);
      for (const name of NAMES) {
        const look = LOOKS[name];
        const curve = functions[name].map((values) => (values ? errors(values, target).all : NaN));
        const style = { "stroke-dasharray": look.dashes ?? "none", visibility: shown[name]() ? "visible" : "hidden" };
        losses.curve(name, steps, curve, look.colour, style);
        const values = functions[name][now];
        const found = values && errors(values, target);
        for (const [part, value] of [["points", atPoints[name][now]], ["left", found?.left], ["all", found?.all]] as const) {
          const cell = cells[`${name}-${part}`];
          if (value == null) {
            cell.textContent = "–";
            delete cell.dataset.value;
          } else show(cell, value);
        }
      }
      losses.part("now", "line", { x1: losses.px(now), x2: losses.px(now), y1: losses.py(0), y2: losses.py(8), class: "axis", "stroke-dasharray": "3 3" });
      caption.textContent = `Mean squared error ${now === 0 ? "before learning" : now === 1 ? "after 1 step" : `after ${now} steps`}`;
      tell(verdict(now, target));
    }

    function verdict(now: number, target: Float64Array): string {
      const [maml, tuned] = (["maml", "pretrained"] as const).map((name) => errors(functions[name][now]!, target));
      const empty = state.xs.every((x) => x > 0) ? "left" : "all";
      const where = empty === "left" ? "In the half without points" : "Over the whole range";
      const [a, b] = [maml[empty], tuned[empty]];
      const numbers = `${where}, the squared error of MAML is ${digits(a)}, that of the fine-tuned network ${digits(b)}.`;
      if (now === 0) return `${numbers} Before learning both draw about the same curve: the average of all sines.`;
      if (!(Number.isFinite(a) && Number.isFinite(b))) return `${numbers} Steps of this size are too large here: the network leaves the plot.`;
      if (a < 0.5 * b)
        return `${numbers} ${empty === "left" ? "MAML fills in what it has not seen" : "MAML needs few steps"}: it has learnt from other tasks that the answer is a sine.`;
      if (a < b) return `${numbers} MAML is closer.`;
      return `${numbers} Here MAML is no better: it too learnt from examples, and this case is a hard one for it.`;
    }

    plot.whenSized(draw);
    losses.whenSized(draw);
    change();
    const why = details("Why does pretraining not help?");
    why.addEventListener("toggle", () => why.childElementCount === 1 && arrows(why));
    host.append(
      why,
      details(
        "What happens here?",
        `All learners but <em>from scratch</em> have seen ${given.seen.study.toLocaleString("en")} other sines (R2D2: ${given.seen.r2d2.toLocaleString("en")}), of other heights and shifts. They differ in what they made of them. <em>Pretraining</em> fits one network to all sines at once. One sine says <em>up</em> where another says <em>down</em>, so the network settles for their average, and five points do not undo that. <em>MAML</em> trains the network's start, so that a few gradient steps <em>from there</em> lead to any sine. <em>R2D2</em> learns features and solves for the last layer in one go. The dashed grey line uses mathematics in place of experience: it was told that the answer is a sine.`,
        "To try: put all points on the left. Lift one point off the sine: who believes it? Choose another step size for fine-tuning: does the right one rescue it? Source: Finn, Abbeel and Levine 2017, <em>Model-Agnostic Meta-Learning</em>, figure 2; weights of the study <code>maml-sinusoids</code>.",
      ),
    );
  },
};
