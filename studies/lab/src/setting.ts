// Which setting helps me? Exact errors where everything is Gaussian.

import { data } from "./data";
import { details, digits, el, key, Panel, quietly, show, slider } from "./page";
import { Plot } from "./plot";

const { noise, shots: m } = data.setting;
const s2 = noise ** 2;
export type Way = "alone" | "pooled" | "transfer" | "best";

// The variance of a new task's number after its siblings, and nothing of itself, have been seen.
export function told(alike: number, tasks: number): number {
  const common = 1 / (1 + (tasks * alike) / (1 - alike + s2 / m));
  return alike * common + 1 - alike;
}

// Expected squared errors with some points of the new task.
export function expected(alike: number, tasks: number, points: number): Record<Way, number> {
  const past = tasks * m;
  // One number for all: the shrunken mean of all points.
  const square = (k: number, own: number) => {
    const all = past + own;
    const common = alike * (k * all - 1) ** 2;
    const apart = (1 - alike) * (k * k * m * m * tasks + (k * own - 1) ** 2);
    return common + apart + k * k * all * s2;
  };
  const before = square(1 / (past + s2), 0);
  return {
    alone: 1 / (1 + points / s2),
    pooled: square(1 / (past + points + s2), points),
    transfer: 1 / (1 / before + points / s2),
    best: 1 / (1 / told(alike, tasks) + points / s2),
  };
}

const LOOKS: Record<Way, { words: string; colour: string; dashes?: string }> = {
  alone: { words: "alone, from scratch", colour: "scratch" },
  pooled: { words: "one model for all", colour: "pooled" },
  transfer: { words: "start from one model for all, then tuned", colour: "transfer", dashes: "3 9" },
  best: { words: "learnt how alike tasks are", colour: "meta" },
};
const WAYS = Object.keys(LOOKS) as Way[];
const MOST = 40;

export const setting: Panel = {
  id: "setting",
  title: "Which setting helps me?",
  make(host) {
    host.append(
      el("p", {},
        `You want the true average of your school from the test scores of a few pupils. You also have ${m} pupils ` +
          "from each of some other schools. Should you look at the others at all? It depends on three things: move them."),
    );
    const alike = slider("How alike are schools?", { min: 0, max: 1, step: 0.01, value: 0.8 },
      (v) => `${Math.round(100 * v)} % of their differences are shared`, () => draw());
    const tasks = slider("How many other schools?", { min: 0, max: 100, step: 1, value: 20 }, (v) => `${v}`, () => draw());
    const points = slider("How many pupils of your own?", { min: 0, max: MOST, step: 1, value: 4 }, (v) => `${v}`, () => draw());
    const left = el("div");
    const right = el("div");
    const say = el("p", { class: "say" });
    host.append(
      el("div", { class: "controls" }, alike.label, tasks.label, points.label),
      el("div", { class: "two" }, left, right),
      say,
    );
    const plot = new Plot(left, {
      x: [0, MOST],
      y: [0, 1.2],
      label: "Expected error against the number of pupils of your own",
      xLabel: "pupils of your own school",
      yLabel: "expected squared error",
    });
    const cells = {} as Record<Way, HTMLElement>;
    const body = el("tbody");
    for (const way of WAYS) {
      const { words, colour, dashes } = LOOKS[way];
      cells[way] = el("td", { "data-name": `setting-${way}` });
      body.append(el("tr", {}, el("td", {}, key(`var(--${colour})`, words, Boolean(dashes))), cells[way]));
    }
    const caption = el("caption");
    const heads = ["way", "expected squared error"].map((text) => el("th", { scope: "col" }, text));
    right.append(el("table", {}, caption, el("thead", {}, el("tr", {}, ...heads)), body));
    const worth = el("strong", { "data-name": "setting-worth" });
    right.append(el("p", {}, "What the other schools tell you is worth ", worth, " pupils of your own."));
    const tell = quietly(say);

    function draw(): void {
      const [rho, others, own] = [alike.value(), tasks.value(), points.value()];
      const xs = Array.from({ length: MOST + 1 }, (_, i) => i);
      const curves = xs.map((x) => expected(rho, others, x));
      for (const way of [...WAYS].reverse()) {
        const { colour, dashes } = LOOKS[way];
        const more = { "stroke-dasharray": dashes ?? "none" };
        plot.curve(way, xs, curves.map((each) => each[way]), colour, more);
        plot.dot(`${way}-now`, own, Math.min(1.2, curves[own][way]), colour, 5);
        show(cells[way], curves[own][way]);
      }
      const line = { x1: plot.px(own), x2: plot.px(own), y1: plot.py(0), y2: plot.py(1.2) };
      plot.part("now", "line", { ...line, class: "axis", "stroke-dasharray": "3 3" }, 0);
      caption.textContent = `With ${own} ${own === 1 ? "pupil" : "pupils"} of your own`;
      const equal = s2 * (1 / told(rho, others) - 1);
      show(worth, equal, equal < 10 ? equal.toFixed(1) : equal.toFixed(0));
      tell(verdict(curves[own], equal, own));
    }

    function verdict(now: Record<Way, number>, equal: number, own: number): string {
      const near = (a: number, b: number) => a < 1.05 * b;
      if (equal < 0.5) {
        const harm = near(now.pooled, now.best) ? "" : ` One model for all would be ${digits(now.pooled / now.alone)} times as wrong: that is negative transfer.`;
        return `Nothing helps: the others tell you next to nothing. Learn alone.${harm}`;
      }
      if (near(now.alone, now.best) && own > 0) return "You have enough pupils of your own: learning alone is nearly as good as the best.";
      if (near(now.pooled, now.best)) return "One model for all is enough: schools are so alike, or your own pupils so few, that nobody can do much better.";
      const times = now.pooled / now.best;
      const tuned = near(now.transfer, now.best) ? " A start from one model for all, with a well-chosen amount of tuning, does it too." : "";
      const harm = now.pooled > now.alone ? " One model for all is worse than learning alone." : times > 1.05 ? ` One model for all is ${digits(times)} times as wrong.` : "";
      return `Learn from the others how far to trust them: error ${digits(now.best)}, against ${digits(now.alone)} alone.${harm}${tuned}`;
    }

    plot.whenSized(draw);
    draw();
    host.append(
      details(
        "What happens here?",
        `A task is one number: the true average of a school, in units of how much schools differ. Pupils scatter around it, ${digits(noise)} times as much. All schools have a part in common, and the first slider says how large it is. Everything is Gaussian, so that the expected errors are formulas, not simulations.`,
        "<em>One model for all</em> treats all pupils as if they came from one school. It never learns what is special about yours. <em>Start from one model for all, then tuned</em> is transfer learning: it moves from there towards your own pupils, by the best amount. <em>Learnt how alike tasks are</em> is the best that anyone can do who knows the three numbers: the aim of multi-task and meta-learning. Source: Lindley and Smith 1972; the library has the family as <code>ls.tasks.RelatedGaussian</code>.",
      ),
    );
  },
};
