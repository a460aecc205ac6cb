// Harlow's two objects: the visitor plays problems of six trials, next to monkeys' heirs.

import { data } from "./data";
import { button, details, el, key, Panel, quietly, show, slider } from "./page";
import { Plot } from "./plot";

const { trials, curves, stages, people, problems } = data.harlow;
const LOOKS: Record<string, { colour: string; dashes?: string }> = {
  "RL²": { colour: "meta" },
  "REINFORCE from scratch": { colour: "scratch" },
  "REINFORCE after earlier problems": { colour: "transfer" },
  "RL² without memory across trials": { colour: "bound", dashes: "2 5" },
};
const SHAPES = ["circle", "square", "triangle", "star", "ring", "cross", "moon", "heart"] as const;
const HUES = { red: "#d6453d", blue: "#3a7bd5", green: "#2e9e62", yellow: "#d9a514", purple: "#8a5cc2", pink: "#d9679f" };
type Thing = { shape: (typeof SHAPES)[number]; hue: keyof typeof HUES };

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)];

// The better object of each trial is on the left in half of them, in random order.
export function sides(random: () => number = Math.random): boolean[] {
  const made = Array.from({ length: trials }, (_, i) => i < trials / 2);
  for (let i = made.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [made[i], made[j]] = [made[j], made[i]];
  }
  return made;
}

function drawing({ shape, hue }: Thing): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("aria-hidden", "true");
  const star = Array.from({ length: 10 }, (_, i) => {
    const [r, a] = [i % 2 ? 18 : 44, (i * Math.PI) / 5 - Math.PI / 2];
    return `${50 + r * Math.cos(a)} ${52 + r * Math.sin(a)}`;
  }).join("L");
  const paths: Record<Thing["shape"], string> = {
    circle: "M50 10A40 40 0 1 1 49.9 10Z",
    square: "M14 14H86V86H14Z",
    triangle: "M50 10L92 86H8Z",
    star: `M${star}Z`,
    ring: "M50 8A42 42 0 1 1 49.9 8ZM50 30A20 20 0 1 0 50.1 30Z",
    cross: "M36 8H64V36H92V64H64V92H36V64H8V36H36Z",
    moon: "M62 8A43 43 0 1 0 92 66A36 36 0 1 1 62 8Z",
    heart: "M50 90C8 58 6 36 12 24C22 6 44 10 50 30C56 10 78 6 88 24C94 36 92 58 50 90Z",
  };
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", paths[shape]);
  path.setAttribute("fill", HUES[hue]);
  svg.append(path);
  return svg;
}

export const harlow: Panel = {
  id: "harlow",
  title: "Harlow's two objects",
  make(host) {
    host.append(
      el("p", {},
        `Under one of two new objects there is food, ${trials} times under the same one, whichever side it is on. ` +
          "Find it. Then compare yourself: the first choice is a guess, but what does the second one tell of you?"),
    );
    const left = el("div");
    const right = el("div");
    const say = el("p", { class: "say" });
    const board = el("div", { class: "board" });
    const dots = el("p", { class: "dots" });
    const next = button("New objects", () => begin(), true);
    const forget = button("Forget my problems", () => {
      played.length = 0;
      begin();
      draw();
    });
    left.append(board, dots, el("div", { class: "controls" }, next, forget));
    host.append(el("div", { class: "two" }, left, right), say);
    const tell = quietly(say);
    const plot = new Plot(right, {
      x: [0.8, trials + 0.2], y: [0, 105], ratio: 0.72,
      xTicks: Array.from({ length: trials }, (_, i) => i + 1), yTicks: [0, 25, 50, 75, 100],
      label: "Percentage correct by trial: you, people and agents",
      xLabel: "trial of a problem", yLabel: "% correct",
    });
    const order = Object.keys(stages).map(Number);
    const training = slider(
      "RL² after training on",
      { min: 0, max: order.length - 1, step: 1, value: order.length - 1 },
      (i) => `${(order[i] * problems).toLocaleString("en")} problems`,
      () => draw(),
    );
    const names: [string, string, boolean][] = [["you", "truth", false], ...Object.entries(LOOKS).map(([name, l]) => [name, l.colour, Boolean(l.dashes)] as [string, string, boolean])];
    if (people) names.push(["people, three answers to choose from", "point", false]);
    const legend = el("p", { class: "legend" });
    for (const [name, colour, dashes] of names) legend.append(key(`var(--${colour})`, name, dashes), " ");
    const shown = el("span", { "data-name": "harlow-second" });
    right.append(training.label, legend, el("p", {}, "Right in the second trial: RL² ", shown, " %."));

    const played: boolean[][] = [];
    let things: [Thing, Thing] = [{ shape: "star", hue: "blue" }, { shape: "ring", hue: "red" }];
    let good = 0;
    let onLeft: boolean[] = [];
    let now: boolean[] = [];

    function begin(): void {
      const first: Thing = { shape: any(SHAPES), hue: any(Object.keys(HUES) as Thing["hue"][]) };
      let second = first;
      while (second.shape === first.shape || second.hue === first.hue)
        second = { shape: any(SHAPES), hue: any(Object.keys(HUES) as Thing["hue"][]) };
      things = [first, second];
      good = Math.random() < 0.5 ? 0 : 1;
      onLeft = sides();
      now = [];
      lay();
      tell("Two new objects. Which one hides the food?");
    }

    function lay(): void {
      const had = board.contains(document.activeElement);
      const which = [...board.children].indexOf(document.activeElement as Element);
      const over = now.length >= trials;
      const order = onLeft[Math.min(now.length, trials - 1)] ? [good, 1 - good] : [1 - good, good];
      board.replaceChildren(
        ...order.map((index, side) => {
          const thing = things[index];
          const made = button("", () => choose(index));
          made.className = "thing";
          made.append(drawing(thing));
          made.disabled = over;
          made.setAttribute("aria-label", `${side === 0 ? "Left" : "Right"}: ${thing.hue} ${thing.shape}`);
          return made;
        }),
      );
      if (had) (over ? next : (board.children[Math.max(0, which)] as HTMLElement)).focus({ preventScroll: true });
      dots.textContent = Array.from({ length: trials }, (_, i) => (i < now.length ? (now[i] ? "●" : "○") : "·")).join(" ");
      dots.setAttribute("aria-label", `Trial ${Math.min(now.length + 1, trials)} of ${trials}, ${now.filter(Boolean).length} right`);
    }

    function choose(index: number): void {
      const right = index === good;
      now.push(right);
      if (now.length === trials) {
        played.push(now);
        draw();
      }
      lay();
      if (now.length < trials) tell(right ? "Food! And now?" : "Nothing there. And now?");
      else {
        const later = now.slice(1).filter(Boolean).length;
        tell(
          `${right ? "Food!" : "Nothing there."} ${later} of ${trials - 1} right after the first. ` +
            (later === trials - 1
              ? "You knew after one look, although you had never seen these objects: you have learnt to learn, as Harlow's monkeys did over some three hundred problems."
              : "Play another problem: does your second trial get better?"),
        );
      }
    }

    board.addEventListener("keydown", (event) => {
      const side = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
      if (side === undefined) return;
      event.preventDefault();
      (board.children[side] as HTMLElement).focus();
    });

    function draw(): void {
      const xs = Array.from({ length: trials }, (_, i) => i + 1);
      const line = (name: string, values: number[], colour: string, dashes?: string) => {
        plot.curve(name, xs, values, colour, { "stroke-dasharray": dashes ?? "none" });
        values.forEach((value, i) => plot.dot(`${name}${i}`, xs[i], value, colour, 3.5));
      };
      for (const [name, look] of Object.entries(LOOKS))
        if (name !== "RL²") line(name, curves[name], look.colour, look.dashes);
      if (people) line("people", people, "point");
      const agent = stages[String(order[training.value()])];
      line("RL²", agent, "meta");
      show(shown, agent[1], agent[1].toFixed(1));
      plot.remove("you");
      if (played.length) {
        const mine = xs.map((_, i) => (100 * played.filter((problem) => problem[i]).length) / played.length);
        line("you", mine, "truth");
      }
    }

    plot.whenSized(draw);
    draw();
    begin();
    host.append(
      details(
        "What happens here?",
        "A learner without experience needs several trials to find out that the object counts, and not the side. One who has solved many such problems needs one look: after a guess that fails, the other object must be the one. Harry Harlow called this a <em>learning set</em> (1949): his monkeys did not only learn hundreds of problems, they learnt how to learn them. <em>RL²</em> is a recurrent network trained on such problems; its weights stand still while it plays, and only its memory learns. Move the slider to see the learning set form. <em>REINFORCE</em> learns by its weights, and earlier problems do not help it.",
        people
          ? "The curve of people is from another task (Collins and Frank 2012): which of three keys goes with a picture, two pictures at a time, so that chance is a third. It is here for its shape. Values of the study <code>harlow</code>: means of five networks on 1,000 new problems."
          : "Values of the study <code>harlow</code>: means of five networks on 1,000 new problems.",
      ),
    );
  },
};
