// A pool: swims of trained agents, trial by trial, to a platform that the visitor places.

import { data, halves } from "./data";
import { Agent, blank, Memory, Place, PoolSize, Swim, swim } from "./maze";
import { button, checkbox, details, el, key, Panel, quietly, show } from "./page";
import { Plot } from "./plot";

const given = data.pool;
export const size: PoolSize = given.size;
export const agents: Agent[] = given.agents.map((text) => ({
  width: given.width,
  inputs: given.inputs,
  weights: halves(text),
}));
const MOST = 8; // trials of a day here; those of the study have four

const gumbels = () => Array.from({ length: 8 }, () => -Math.log(-Math.log(Math.random() || 0.5)));
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

export const pool: Panel = {
  id: "pool",
  title: "A pool",
  make(host) {
    host.append(
      el("p", {},
        "Somewhere under the opaque water is a platform. The swimmer cannot see it; it senses only where it is. Drag the platform to a place of the day, " +
          "let it swim a trial, then another. The weights of its network never change here: what it learns of the place is in its memory. Empty the memory between trials, or move the platform while it knows the old place."),
    );
    const left = el("div", { class: "pool" });
    const right = el("div");
    const say = el("p", { class: "say" });
    const controls = el("div", { class: "controls" });
    host.append(controls, el("div", { class: "two" }, left, right), say);
    const tell = quietly(say);
    const water = new Plot(left, {
      x: [-1.05, 1.05], y: [-1.05, 1.05], ratio: 1, bare: true,
      label: "The pool from above, with a platform to move and the path of the last swim",
    });
    const chart = new Plot(right, {
      x: [0.8, MOST + 0.2], y: [0, 125], ratio: 0.72,
      xTicks: Array.from({ length: MOST }, (_, i) => i + 1), yTicks: [0, 30, 60, 90, 120],
      label: "Seconds to the platform by trial", xLabel: "trial of the day", yLabel: "seconds to the platform",
    });
    let platform: Place = [...given.platform] as Place;
    let day: { swim: Swim; platform: Place }[] = [];
    let starts: Place[] = [];
    let memory: Memory = blank(agents[0]);
    let shownUntil = Infinity; // seconds of the last swim that are drawn
    let frame = 0;

    const which = el("select");
    agents.forEach((_, i) => which.append(el("option", { value: String(i) }, `${i + 1}`)));
    which.addEventListener("change", () => newDay());
    const [emptied, forgets] = checkbox("memory emptied between trials", false, () => draw());
    const next = button("Swim a trial", () => go(), true);
    const rest = button("Swim the whole day", () => {
      while (day.length < given.trials) trial();
      shownUntil = Infinity;
      draw();
    });
    const again = button("New day", () => newDay());
    controls.append(next, rest, again, emptied, el("label", {}, "Swimmer ", which));
    const legend = el("p", { class: "legend" });
    const words: [string, string, boolean][] = [
      ["this day", "truth", false], ["RL², mean of the study", "meta", false], ["without memory", "bound", true],
    ];
    if (given.rats) words.push(["rats", "point", false]);
    for (const [name, colour, dashes] of words) legend.append(key(`var(--${colour})`, name, dashes), " ");
    const list = el("ol", { class: "times" });
    right.append(legend, list);

    function newDay(): void {
      day = [];
      memory = blank(agents[0]);
      starts = [];
      while (starts.length < MOST) {
        const left = [...given.starts] as Place[];
        while (left.length) starts.push(left.splice(Math.floor(Math.random() * left.length), 1)[0]);
      }
      draw();
      tell("A new day: the memory is empty. Place the platform and let it swim.");
    }

    function trial(): void {
      if (forgets()) memory = blank(agents[0]);
      const made = swim(size, agents[Number(which.value)], memory, platform, starts[day.length], gumbels);
      day.push({ swim: made, platform: [...platform] as Place });
      draw();
      tell(verdict());
    }

    function go(): void {
      cancelAnimationFrame(frame);
      trial();
      if (calm.matches) return;
      const { seconds } = day[day.length - 1].swim;
      const end = seconds[seconds.length - 1];
      const began = performance.now();
      const long = 800 + 12 * end; // milliseconds
      const step = () => {
        shownUntil = ((performance.now() - began) / long) * end;
        if (shownUntil >= end) shownUntil = Infinity;
        else frame = requestAnimationFrame(step);
        draw();
      };
      step();
    }

    const time = (made: Swim) => made.seconds[made.seconds.length - 1];
    function verdict(): string {
      const last = day[day.length - 1];
      const now = day.length;
      const took = `Trial ${now}: ${last.swim.found ? `${time(last.swim).toFixed(1)} seconds` : `not found in ${size.limit} seconds, and put on the platform`}.`;
      if (now === 1) return `${took} The first trial is a search. Let it swim again from another side.`;
      const before = day[now - 2];
      if (before.platform.join() !== last.platform.join()) return `${took} The platform had moved: does it search at the old place first?`;
      if (forgets()) return `${took} Without its memory each trial is a first one.`;
      if (!last.swim.found) return `${took} It had not learnt the place, or lost it. Not each swimmer does on each day: the curve of the study is a mean.`;
      return time(last.swim) < 0.6 * time(before.swim)
        ? `${took} One trial was enough to learn the place.`
        : `${took} Not faster than before: single swims vary, as those of rats do.`;
    }

    function draw(): void {
      if (!starts.length) return;
      const edge = { cx: water.px(0), cy: water.py(0), r: water.px(size.radius) - water.px(0) };
      water.part("wall", "circle", { ...edge, style: "fill: var(--shade); stroke: var(--faint); stroke-width: 2" }, 0);
      const circle = { r: Math.max(4, water.px(size.platform) - water.px(0)) };
      water.part("platform", "circle", { ...circle, cx: water.px(platform[0]), cy: water.py(platform[1]), style: "fill: none; stroke: var(--truth); stroke-width: 2" }, 1);
      water.remove("swim");
      day.slice(-2).forEach(({ swim: made }, i, two) => {
        const last = i === two.length - 1;
        const many = last ? made.seconds.filter((s) => s <= shownUntil).length : made.places.length;
        const places = made.places.slice(0, Math.max(1, many));
        const more = last ? { "stroke-width": 2.5, opacity: 1 } : { "stroke-width": 1.2, opacity: 0.5 };
        water.curve(`swim${i}`, places.map(([x]) => x), places.map(([, y]) => y), last ? "meta" : "bound", more);
        if (last) {
          water.dot("swim-start", ...places[0], "ink", 4);
          water.dot("swim-now", ...places[places.length - 1], "meta", 6);
        }
      });
      const where = `${Math.round(100 * platform[0])} cm east, ${Math.round(100 * platform[1])} cm north of the middle`;
      water.handle("place", { x: platform[0], y: platform[1], label: "Platform", words: where, colour: "truth", step: 0.05 }, (x, y) => {
        const far = Math.hypot(x, y);
        const most = Math.min(1, given.reach / Math.max(far, 1e-9));
        platform = [x * most, y * most];
        draw();
      });
      const curve = (name: string, values: number[], colour: string, dashes = "none") => {
        const xs = values.map((_, i) => i + 1);
        chart.curve(name, xs, values, colour, { "stroke-dasharray": dashes });
        values.forEach((value, i) => chart.dot(`${name}${i}`, xs[i], value, colour, 3.5));
      };
      curve("mean", given.latency["RL²"], "meta");
      curve("forgetful", given.latency["RL² without memory across trials"], "bound", "5 4");
      if (given.rats) curve("rats", given.rats, "point");
      chart.remove("day");
      const done = day.slice(0, shownUntil === Infinity ? day.length : day.length - 1);
      if (done.length) curve("day", done.map(({ swim: made }) => time(made)), "truth");
      list.replaceChildren(
        ...done.map(({ swim: made }) => {
          const cell = el("span");
          show(cell, time(made), `${time(made).toFixed(1)} s`);
          return el("li", {}, cell, made.found ? "" : " (not found)");
        }),
      );
      next.disabled = day.length >= MOST;
      rest.disabled = day.length >= given.trials;
    }

    water.whenSized(draw);
    chart.whenSized(draw);
    newDay();
    host.append(
      details(
        "What happens here?",
        "Rats that have learnt this task find a platform that moves every day after a single trial (Steele and Morris 1999; Bast and colleagues 2009). The swimmer is <em>RL²</em>: a recurrent network that has been trained on many days, each with its own place. It did not learn a place but <em>how to learn a place</em>: to search, to keep what it found, and to swim there from any side. Fine-tuning its weights by a few swims would not do that. The platform of a day in the study lies in parts of the pool that no training day had; here you may put it anywhere.",
        given.rats
          ? "The curve of rats is of a moved platform, swims of at most 60 seconds, other pools and other bodies: compare the shape. Means of the study <code>water-maze</code>: five networks, 200 days each, at most 120 seconds. Each of the five swimmers is one of those networks."
          : "Means of the study <code>water-maze</code>: five networks, 200 days each, at most 120 seconds. Each of the five swimmers is one of those networks.",
      ),
    );
  },
};
