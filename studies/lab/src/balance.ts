// Two objectives: drag the start, choose balancers, and watch where they come to rest.

import { contour } from "./contours";
import { data } from "./data";
import { Method, METHODS, objectives, Pair, Walk } from "./objectives";
import { button, checkbox, details, el, key, Panel, quietly, show } from "./page";
import { clamp, Plot } from "./plot";

const { steps, rate, starts, every } = data.balance;
const COLOURS: Record<Method, string> = {
  Mean: "scratch",
  MGDA: "transfer",
  PCGrad: "warm",
  "CAGrad (c = 0.4)": "meta",
  "IMTL-G": "other",
  "Nash-MTL": "many",
};
const SIDE = Array.from({ length: 89 }, (_, i) => -11 + i / 4);
const LEVELS = 22;
const AT_ONCE = 2500; // steps of each method in a picture

// The points where no objective can fall without the other rising.
export function front(): Pair[] {
  return Array.from({ length: 57 }, (_, i) => {
    const x = -7 + i / 4;
    const share = (7 + x) / 14;
    const slope = (y: number) => {
      const [g, h] = objectives(x, y, 1).gradients;
      return share * g[1] + (1 - share) * h[1];
    };
    let [low, high] = [-10, -6];
    for (let k = 0; k < 50; k++) {
      const middle = (low + high) / 2;
      if (slope(middle) > 0) high = middle;
      else low = middle;
    }
    return [x, low] as Pair;
  });
}

export const balance: Panel = {
  id: "balance",
  title: "Two objectives",
  make(host) {
    host.append(
      el("p", {},
        "One point in the plane has to please two tasks. Lines join places of equal mean loss; the thick " +
          "line below is the front, where neither task can gain without loss to the other. Drag the start (or move it with the arrow " +
          "keys) and watch how each balancer weighs the two gradients, and where it comes to rest."),
    );
    let scale = 1;
    let start: Pair = [...starts["1"][0]] as Pair;
    let walks: Walk[] = [];
    let paths: Record<string, Pair[]> = {};
    const left = el("div");
    const right = el("div");
    const say = el("p", { class: "say" });
    const plot = new Plot(left, {
      x: [-11, 11], y: [-11, 11], ratio: 0.92,
      xTicks: [-7, 0, 7], yTicks: [-8, 0, 8],
      label: "Two parameters, contours of the mean loss, a start to move, and the path of each balancer",
      xLabel: "first parameter", yLabel: "second parameter",
    });
    const presets = el("div", { class: "controls" });
    const [weak, isWeak] = checkbox("the first task counts a tenth", false, () => {
      scale = isWeak() ? 0.1 : 1;
      offer();
      ground();
      again();
    });
    const offer = () => {
      presets.replaceChildren(
        ...starts[String(scale) as "1" | "0.1"].map((at, i) =>
          button(`Start ${i + 1}`, () => {
            start = [...at] as Pair;
            again();
          }),
        ),
        weak,
      );
    };
    offer();
    const cells: Record<string, HTMLElement[]> = {};
    const chosen: Record<string, () => boolean> = {};
    const body = el("tbody");
    for (const method of METHODS) {
      const [box, on] = checkbox(key(`var(--${COLOURS[method]})`, method), true, () => draw());
      chosen[method] = on;
      cells[method] = ["x", "y", "first", "second"].map((part) => el("td", { "data-name": `balance-${method}-${part}` }));
      body.append(el("tr", {}, el("td", {}, box), ...cells[method]));
    }
    const caption = el("caption");
    const heads = ["balancer", "x", "y", "task 1", "task 2"].map((text) => el("th", { scope: "col" }, text));
    right.append(el("div", { class: "scroll" }, el("table", {}, caption, el("thead", {}, el("tr", {}, ...heads)), body)));
    host.append(presets, el("div", { class: "two" }, left, right), say);
    const tell = quietly(say);

    function ground(): void {
      const heights = SIDE.map((y) => SIDE.map((x) => {
        const [first, second] = objectives(x, y, scale).losses;
        return (first + second) / 2;
      }));
      const flat = heights.flat();
      const [low, high] = [Math.min(...flat), Math.max(...flat)];
      for (let i = 0; i < LEVELS; i++) {
        const level = low + ((i + 0.5) / LEVELS) * (high - low);
        const d = contour(SIDE, SIDE, heights, level, (x) => plot.px(x), (y) => plot.py(y));
        const style = `stroke: var(--faint); stroke-width: .8; opacity: ${0.85 - 0.55 * (i / LEVELS)}; fill: none`;
        plot.part(`level${i}`, "path", { d: d || "M0 0", style }, 0);
      }
      const line = front();
      plot.curve("front", line.map(([x]) => x), line.map(([, y]) => y), "ink", { "stroke-width": 6, opacity: 0.3 });
    }

    let frame = 0;
    function again(): void {
      walks = METHODS.map((method) => new Walk(method, start, scale, rate));
      paths = Object.fromEntries(METHODS.map((method) => [method, [[...start] as Pair]]));
      if (!frame) frame = requestAnimationFrame(go);
      draw();
    }

    function go(): void {
      frame = 0;
      const most = steps[String(scale) as "1" | "0.1"];
      for (let i = 0; i < AT_ONCE / every && walks[0].steps < most; i++) {
        for (const walk of walks) {
          walk.walk(every);
          paths[walk.method].push([...walk.at]);
        }
      }
      draw();
      if (walks[0].steps < most) frame = requestAnimationFrame(go);
    }

    function draw(): void {
      if (!walks.length) return;
      for (const walk of walks) {
        const { method } = walk;
        const path = paths[method];
        const visibility = chosen[method]() ? "visible" : "hidden";
        const more = { visibility, "stroke-width": 2.2, opacity: 0.9 };
        plot.curve(method, path.map(([x]) => x), path.map(([, y]) => y), COLOURS[method], more);
        plot.dot(`${method}-end`, walk.at[0], clamp(walk.at[1], [-11, 11]), COLOURS[method], 6);
        plot.part(`${method}-end`, "circle", { visibility, stroke: "var(--page)", "stroke-width": 1.5 });
        const { losses } = objectives(walk.at[0], walk.at[1], scale);
        [...walk.at, ...losses].forEach((value, i) => show(cells[method][i], value, value.toFixed(2).replace("-", "−")));
      }
      const place = { x: start[0], y: start[1], label: "Start", colour: "truth", step: 0.1 };
      plot.handle("start", { ...place, words: `x ${start[0].toFixed(1)}, y ${start[1].toFixed(1)}` }, (x, y) => {
        start = [clamp(x, [-11, 11]), clamp(y, [-11, 11])];
        again();
      });
      const done = walks[0].steps;
      caption.textContent = `After ${done.toLocaleString("en")} steps of Adam`;
      const rest = walks.filter((walk) => walk.at[1] < -8);
      const stuck = walks.filter((walk) => walk.at[1] >= -8);
      const names = (some: Walk[]) => some.map((walk) => walk.method).join(", ");
      if (done < steps[String(scale) as "1" | "0.1"]) say.textContent = "They are on their way …";
      else if (!stuck.length) tell(`All six reach the front. Where on it they rest differs: x from ${Math.min(...rest.map((w) => w.at[0])).toFixed(1)} to ${Math.max(...rest.map((w) => w.at[0])).toFixed(1)}. At x = 0 both tasks are served alike.`);
      else tell(`On the front: ${names(rest) || "none"}. Not there: ${names(stuck)}. The two gradients pull against each other at the same strength, or one task is heard alone, and the point stays where it is.`);
    }

    plot.whenSized(() => {
      ground();
      draw();
    });
    ground();
    again();
    host.append(
      details(
        "What happens here?",
        "A network that learns two tasks gets two gradients at each step, and has to make one of them. <em>Mean</em> averages them: a task with steep gradients wins. <em>MGDA</em> takes the shortest mixture, which hurts neither, and stops wherever the two oppose each other. <em>PCGrad</em> removes from each gradient what opposes the other. <em>CAGrad</em> stays near the mean, but helps the worse-off task. <em>IMTL-G</em> moves equally far along both. <em>Nash-MTL</em> makes them bargain. (With two tasks UPGrad's direction is half of PCGrad's, which makes no difference to Adam.)",
        "In the two narrow valleys above, the slope changes its sign from step to step. Where exactly a path leaves a valley is decided by rounding: PCGrad from starts 1 and 3 may rest a little to the left or to the right, in Python as here.",
        "Tick “the first task counts a tenth”: losses in other units. Whose paths change, and whose do not? Source: Liu et al. 2021, <em>Conflict-Averse Gradient Descent</em>, section 5.1, and Navon et al. 2022; study <code>multitask-toy</code>.",
      ),
    );
  },
};
