// The gradients of many tasks at one network: which way each of them pulls it.

import { data, floats } from "./data";
import { dot, gradient, places } from "./network";
import { el, number, show } from "./page";
import { Plot } from "./plot";

const given = data.sines;
const at = places(given.width);
export const TASKS = 25; // sines of one height, evenly spaced in shift
const HEIGHT = 2.55; // the mean height of the family
const xs = Float64Array.from({ length: 101 }, (_, i) => -5 + i / 10);

export function pulls(start: Float64Array): Float64Array[] {
  return Array.from({ length: TASKS }, (_, i) => {
    const shift = (Math.PI * i) / (TASKS - 1);
    const ys = xs.map((x) => HEIGHT * Math.sin(x - shift));
    return gradient(start, at, xs, ys).map((value) => -value); // downhill
  });
}

// The share of pairs that oppose each other, and the length of the mean against the mean length.
export function agreement(all: Float64Array[]): { opposing: number; left: number } {
  let opposing = 0;
  for (let i = 0; i < all.length; i++)
    for (let j = 0; j < i; j++) if (dot(all[i], all[j]) < 0) opposing += 2 / (all.length * (all.length - 1));
  const mean = all[0].map((_, k) => all.reduce((sum, one) => sum + one[k], 0) / all.length);
  const length = all.reduce((sum, one) => sum + Math.sqrt(dot(one, one)), 0) / all.length;
  return { opposing, left: Math.sqrt(dot(mean, mean)) / length };
}

// Places in the plane in which the arrows are longest.
export function flat(all: Float64Array[]): [number, number][] {
  const rest = all.map((one) => one.slice());
  const found = all.map((): number[] => []);
  for (let axis = 0; axis < 2; axis++) {
    let way = rest.reduce((best, one) => (dot(one, one) > dot(best, best) ? one : best));
    for (let turn = 0; turn < 100; turn++) {
      const sum = new Float64Array(way.length);
      for (const one of rest) {
        const along = dot(one, way);
        for (let k = 0; k < sum.length; k++) sum[k] += along * one[k];
      }
      const size = Math.sqrt(dot(sum, sum)) || 1;
      way = sum.map((value) => value / size);
    }
    rest.forEach((one, i) => {
      const along = dot(one, way);
      found[i].push(along);
      for (let k = 0; k < one.length; k++) one[k] -= along * way[k];
    });
  }
  return found as [number, number][];
}

// A picture of the arrows, for networks to choose from.
export function arrows(host: HTMLElement): void {
  const left = el("div", { class: "arrows" });
  const [opposing, rest] = [number("conflict-opposing"), number("conflict-left")];
  const which = el("select");
  for (const [value, words] of [["pretrained", "the pretrained network"], ["maml", "MAML's start"]])
    which.append(el("option", { value }, words));
  host.append(
    el("p", {}, `Arrows of ${TASKS} sines at `, el("label", {}, which), ": which way does each pull the network?"),
    left,
    el("p", {}, "", opposing, " of all pairs pull against each other, and what is left of all arrows, their mean, is ", rest, " as long as they are. Pretraining follows only this mean; it has come to rest where the arrows cancel."),
  );
  const plot = new Plot(left, { x: [-1, 1], y: [-0.7, 0.7], ratio: 0.7, bare: true, label: "Arrows of the gradients of many tasks" });
  const draw = () => {
    const all = pulls(floats(given.networks[which.value as "maml"]));
    const { opposing: share, left: length } = agreement(all);
    show(opposing, share, `${(100 * share).toFixed(0)} %`);
    show(rest, length, `${(100 * length).toFixed(0)} %`);
    const ends = flat(all);
    const most = 1.08 * Math.max(...ends.map(([x, y]) => Math.max(Math.abs(x), Math.abs(y))));
    const mean = [0, 1].map((d) => ends.reduce((sum, end) => sum + end[d] / ends.length, 0));
    [...ends, mean].forEach(([x, y], i) => {
      const isMean = i === ends.length;
      const colour = isMean ? "truth" : "transfer";
      const style = `stroke: var(--${colour}); stroke-width: ${isMean ? 4 : 1.5}`;
      const line = { x1: plot.px(0), y1: plot.py(0), x2: plot.px(x / most), y2: plot.py(y / most) };
      plot.part(`arrow${i}`, "line", { ...line, style });
      plot.dot(`end${i}`, x / most, y / most, colour, isMean ? 6 : 3.5);
    });
  };
  which.addEventListener("change", draw);
  plot.whenSized(draw);
  draw();
}
