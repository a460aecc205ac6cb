// N ways, K shots: draw characters of two kinds, and ask a prototypical network about another.

import { data, halves } from "./data";
import { button, details, digits, el, Panel, quietly, show } from "./page";
import { Plot } from "./plot";
import { Block, chances, distance, features, image, mean, plane, Stroke } from "./vision";

const given = data.characters;
export const blocks: Block[] = given.blocks.map(({ weights, channels }) => {
  const all = halves(weights);
  return { kernel: all.slice(0, -channels), bias: all.slice(-channels), channels };
});
const SHOTS = 4;
const LETTERS = ["A", "B"];
const COLOURS = ["meta", "point"];
// Characters that nobody has learnt, as strokes.
const INVENTED: Stroke[][] = [
  [[[0.2, 0.25], [0.8, 0.25], [0.3, 0.8]], [[0.5, 0.5], [0.8, 0.8]]],
  [[[0.5, 0.15], [0.25, 0.5], [0.5, 0.85], [0.75, 0.5], [0.5, 0.15]], [[0.5, 0.35], [0.5, 0.65]]],
  [[[0.25, 0.2], [0.25, 0.8], [0.7, 0.8]], [[0.5, 0.2], [0.5, 0.55], [0.8, 0.55]]],
  [[[0.2, 0.5], [0.35, 0.25], [0.5, 0.5], [0.65, 0.75], [0.8, 0.5]], [[0.5, 0.2], [0.5, 0.8]]],
  [[[0.75, 0.2], [0.35, 0.25], [0.25, 0.5], [0.4, 0.75], [0.75, 0.75]], [[0.45, 0.5], [0.85, 0.5]]],
  [[[0.2, 0.8], [0.5, 0.2], [0.8, 0.8]], [[0.2, 0.35], [0.8, 0.35]]],
];

// One person's way to draw a character: turned, stretched, and never quite straight.
function drawn(strokes: Stroke[]): Stroke[] {
  const some = (size: number) => size * (Math.random() - 0.5);
  const [turn, slant, wide, high] = [some(0.35), some(0.25), 1 + some(0.3), 1 + some(0.3)];
  const [dx, dy] = [some(0.1), some(0.1)];
  return strokes.map((stroke) =>
    stroke.map(([x, y]) => {
      const [cx, cy] = [(x - 0.5) * wide + slant * (y - 0.5), (y - 0.5) * high];
      const [c, s] = [Math.cos(turn), Math.sin(turn)];
      const inside = (v: number) => Math.min(0.95, Math.max(0.05, v));
      return [inside(0.5 + c * cx - s * cy + dx + some(0.05)), inside(0.5 + s * cx + c * cy + dy + some(0.05))];
    }),
  );
}

class Pad {
  readonly canvas = el("canvas", { class: "pad", width: "140", height: "140", role: "img" });
  strokes: Stroke[] = [];

  constructor(
    private words: string,
    private changed: () => void,
  ) {
    const { canvas } = this;
    const at = (event: PointerEvent): [number, number] => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.strokes.push([at(event)]);
      this.draw();
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      this.strokes[this.strokes.length - 1].push(at(event));
      this.draw();
    });
    canvas.addEventListener("pointerup", () => this.changed());
    this.draw();
  }

  set(strokes: Stroke[]): void {
    this.strokes = strokes;
    this.draw();
  }

  draw(): void {
    const { canvas } = this;
    canvas.setAttribute("aria-label", `${this.words}: ${this.strokes.length ? "drawn" : "empty"}`);
    const pen = canvas.getContext("2d")!;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink") || "#000";
    [pen.lineWidth, pen.lineCap, pen.lineJoin] = [6, "round", "round"];
    for (const stroke of this.strokes) {
      pen.beginPath();
      stroke.forEach(([x, y], i) => (i ? pen.lineTo(x * 140, y * 140) : pen.moveTo(x * 140, y * 140)));
      if (stroke.length === 1) pen.lineTo(stroke[0][0] * 140 + 0.1, stroke[0][1] * 140);
      pen.stroke();
    }
  }
}

export const characters: Panel = {
  id: "characters",
  title: "N ways, K shots",
  make(host) {
    host.append(
      el("p", {},
        "Invent two characters and draw each of them up to four times: a problem of 2 ways (kinds) and 4 shots (examples of each). These eight drawings are the support set. Then draw a query: one of the two again. " +
          "Which one is it? The network has never seen your characters, and it is not trained here: it was trained to be good at such questions."),
    );
    const left = el("div");
    const right = el("div");
    const say = el("p", { class: "say" });
    const answer = () => draw();
    const support = LETTERS.map((letter) => Array.from({ length: SHOTS }, (_, i) => new Pad(`Character ${letter}, drawing ${i + 1}`, answer)));
    const query = new Pad("Query", answer);
    let kinds = [0, 1];
    const example = button("Draw two invented characters for me", () => {
      const first = Math.floor(Math.random() * INVENTED.length);
      kinds = [first, (first + 1 + Math.floor(Math.random() * (INVENTED.length - 1))) % INVENTED.length];
      support.forEach((row, k) => row.forEach((pad) => pad.set(drawn(INVENTED[kinds[k]]))));
      query.set([]);
      draw();
    });
    const asks = LETTERS.map((letter, k) => button(`Draw a query for me: ${letter}`, () => {
      query.set(drawn(INVENTED[kinds[k]]));
      draw();
    }));
    const clear = button("Clear all", () => {
      for (const pad of [...support.flat(), query]) pad.set([]);
      draw();
    });
    support.forEach((row, k) => {
      const name = el("strong", { class: "way" }, LETTERS[k]);
      name.style.color = `var(--${COLOURS[k]})`;
      const again = button("Clear", () => {
        for (const pad of row) pad.set([]);
        draw();
      });
      again.setAttribute("aria-label", `Clear ${LETTERS[k]}`);
      left.append(el("div", { class: "shots" }, name, ...row.map((pad) => pad.canvas), again));
    });
    const wipe = button("Clear", () => {
      query.set([]);
      draw();
    });
    wipe.setAttribute("aria-label", "Clear the query");
    left.append(el("div", { class: "shots query" }, el("strong", { class: "way" }, "?"), query.canvas, wipe));
    host.append(el("div", { class: "controls" }, example, ...asks, clear), el("div", { class: "two" }, left, right), say);
    const tell = quietly(say);
    const plot = new Plot(right, {
      x: [-1, 1], y: [-1, 1], ratio: 0.75, xTicks: [0], yTicks: [],
      label: "Features of the drawings in two dimensions, the mean of each character, and the border between them",
      xLabel: "along the line through both means", yLabel: "what differs most besides",
    });
    const rows = LETTERS.map((letter) => {
      const [far, chance] = [el("td"), el("td")];
      return { far, chance, row: el("tr", {}, el("td", {}, letter), far, chance) };
    });
    const heads = ["character", "squared distance", "probability"].map((text) => el("th", { scope: "col" }, text));
    right.append(el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows.map((r) => r.row))));

    function draw(): void {
      const of = (pad: Pad) => features(blocks, image(pad.strokes));
      const seen = support.map((row) => row.filter((pad) => pad.strokes.length).map(of));
      const asked = query.strokes.length ? of(query) : null;
      plot.remove("mark");
      for (const { far, chance } of rows) far.textContent = chance.textContent = "–";
      if (seen.some((row) => !row.length)) {
        tell("Draw each character at least once. One drawing of each is a 2-way 1-shot problem.");
        return;
      }
      const means = seen.map(mean);
      const all = [...seen[0], ...seen[1], ...(asked ? [asked] : [])];
      const places = plane([...all, ...means], means[0], means[1]);
      const reach = 1.15 * Math.max(...places.map(([x, y]) => Math.max(Math.abs(x), Math.abs(y) * 1.0)), 0.1);
      plot.settings.x = [-reach, reach];
      plot.settings.y = [-reach, reach];
      plot.axes();
      plot.part("mark-border", "line", { x1: plot.px(0), x2: plot.px(0), y1: plot.py(-reach), y2: plot.py(reach), class: "axis", "stroke-dasharray": "5 4" }, 0);
      places.forEach(([x, y], i) => {
        const ofMean = i >= all.length;
        const isQuery = asked && i === all.length - 1;
        const kind = ofMean ? i - all.length : i < seen[0].length ? 0 : 1;
        if (ofMean) {
          plot.text(`mark-mean${kind}`, x, y, LETTERS[kind], { "text-anchor": "middle", dy: -8, style: `fill: var(--${COLOURS[kind]}); font-size: 22px; font-weight: 700` });
        } else if (isQuery) {
          plot.dot("mark-asked", x, y, "truth", 5);
          plot.text("mark-query", x, y, "?", { "text-anchor": "middle", dy: 20, style: "fill: var(--truth); font-size: 26px; font-weight: 700" });
        } else plot.dot(`mark-dot${i}`, x, y, COLOURS[kind], 5);
      });
      const shots = seen.map((row) => row.length).join(" and ");
      if (!asked) {
        tell(`The network has made 64 numbers of each drawing (${shots} shots), and a mean for each character. Draw a query.`);
        return;
      }
      const distances = means.map((one) => distance(one, asked));
      const likely = chances(distances);
      rows.forEach(({ far, chance }, k) => {
        show(far, distances[k]);
        show(chance, likely[k], `${(100 * likely[k]).toFixed(1)} %`);
      });
      const best = likely[0] > likely[1] ? 0 : 1;
      tell(`The query is nearer to the mean of ${LETTERS[best]}: ${LETTERS[best]} with ${(100 * likely[best]).toFixed(1)} % (squared distances ${distances.map((d) => digits(d)).join(" and ")}).`);
    }

    plot.whenSized(draw);
    new MutationObserver(() => [...support.flat(), query].forEach((pad) => pad.draw())).observe(document.documentElement, { attributes: true });
    example.click();
    asks[0].click();
    const accuracy = given.accuracy.map(([ways, shots, value]) => `${value.toFixed(1)} % with ${ways} ways and ${shots} ${shots === 1 ? "shot" : "shots"}`).join(", ");
    host.append(
      details(
        "What happens here?",
        `A <em>prototypical network</em> turns each drawing into 64 numbers, takes the mean of each kind, and answers with the nearest mean. It was trained on ${given.problems.toLocaleString("en")} such small problems with characters of many alphabets, so that drawings of one character come to lie together, whoever draws them, also of characters that it never saw. Nothing is trained when you draw: a new kind costs one mean.`,
        `The plane is cut through both means, so that the dashed line is exactly the border between the answers; distances in the table are those of all 64 dimensions. On characters that it was not trained on, this small network is right in ${accuracy}. Source: Snell, Swersky and Zemel 2017; trained on drawings of Omniglot (Lake et al. 2015), as in the study <code>omniglot</code>, with fewer filters.`,
      ),
    );
  },
};
