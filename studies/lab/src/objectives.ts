// Two objectives of two parameters: the toy problem of CAGrad, followed by Adam from any start.

export type Pair = [number, number];
export const METHODS = ["Mean", "MGDA", "PCGrad", "CAGrad (c = 0.4)", "IMTL-G", "Nash-MTL"] as const;
export type Method = (typeof METHODS)[number];
const SMALLEST = 5e-6;

export interface Point {
  losses: Pair;
  gradients: [Pair, Pair];
}

// Both losses at a point and their gradients, the first of them times `scale`.
export function objectives(x: number, y: number, scale: number): Point {
  const [half, full] = [Math.tanh(y / 2), Math.tanh(y)];
  const bend = (1 - half * half) / 2;
  const [upper, dUpper] = half >= 0 ? [half, bend] : [0, 0];
  const [lower, dLower] = half <= 0 ? [-half, -bend] : [0, 0];
  const slope = 1 - full * full;
  const one = (inside: number, dy: number, side: number): [number, Pair] => {
    const size = Math.abs(inside);
    const log = Math.log(Math.max(size, SMALLEST)) + 6;
    const down = size >= SMALLEST ? 1 / inside : 0;
    const bowl = ((-x + side) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20;
    return [
      upper * log + lower * bowl,
      [
        upper * down * -0.5 - (lower * (-x + side)) / 5,
        dUpper * log + upper * down * dy + dLower * bowl - (lower * (-y - 8)) / 50,
      ],
    ];
  };
  const [first, [gx, gy]] = one((-x - 7) / 2 + full, slope, 7);
  const [second, other] = one((-x + 3) / 2 - full + 2, -slope, -7);
  return { losses: [scale * first, second], gradients: [[scale * gx, scale * gy], other] };
}

// The weights that a balancer gives to two gradients.
export function weights(method: Method, [g, h]: [Pair, Pair]): Pair {
  const a = g[0] * g[0] + g[1] * g[1];
  const b = g[0] * h[0] + g[1] * h[1];
  const c = h[0] * h[0] + h[1] * h[1];
  switch (method) {
    case "Mean":
      return [0.5, 0.5];
    case "MGDA": {
      const apart = a + c - 2 * b;
      const w = apart > 0 ? Math.min(1, Math.max(0, (c - b) / apart)) : 0.5;
      return [w, 1 - w];
    }
    case "PCGrad":
      return b < 0 ? [1 - b / a, 1 - b / c] : [1, 1];
    case "IMTL-G": {
      const [n, k] = [Math.sqrt(a), Math.sqrt(c)];
      return n + k > 0 ? [k / (n + k), n / (n + k)] : [0, 0];
    }
    case "Nash-MTL": {
      const [n, k] = [Math.sqrt(a), Math.sqrt(c)];
      if (n * k === 0) return [n, k].map((one) => (one > 0 ? Math.min(1, 1 / one) : 0)) as Pair;
      const size = Math.sqrt(a * a + 2 * b * b + c * c);
      const cosine = Math.min(1, Math.max(-1, b / n / k));
      // Rounding error on the diagonal: where the gradients contradict each other, their weighted
      // sum is nearly zero.
      const v = Math.sqrt(size / (1 + 2 * Math.SQRT2 * Number.EPSILON + cosine));
      const [w, u] = [v / n, v / k];
      const length = Math.sqrt(Math.max(0, w * w * a + 2 * w * u * b + u * u * c));
      const factor = length > 1 ? 1 / length : 1;
      return [factor * w, factor * u];
    }
    case "CAGrad (c = 0.4)":
      return cautious(a, b, c, 0.4);
  }
}

// CAGrad: the mean gradient g0 and c |g0| / |gw| times gw, where gw minimises gw·g0 + c |g0| |gw|.
function cautious(a: number, b: number, c: number, much: number): Pair {
  const radius = much * Math.sqrt(Math.max(0, a + 2 * b + c)) * 0.5;
  const square = (w: number) => w * w * a + 2 * w * (1 - w) * b + (1 - w) * (1 - w) * c;
  const slope = (w: number) => {
    const length = Math.sqrt(Math.max(square(w), 1e-300));
    return 0.5 * (a - c) + (radius * (w * (a - b) + (1 - w) * (b - c))) / length;
  };
  let [low, high] = [0, 1];
  if (slope(0) >= 0) high = 0;
  else if (slope(1) <= 0) low = 1;
  for (let i = 0; i < 60 && high - low > 1e-16; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) > 0) high = middle;
    else low = middle;
  }
  const w = (low + high) / 2;
  const length = Math.sqrt(square(w));
  const much2 = length > 0 ? radius / length : 0;
  return [0.5 + much2 * w, 0.5 + much2 * (1 - w)];
}

// Adam along a balancer's direction. `walk` goes on from where it was.
export class Walk {
  at: Pair;
  steps = 0;
  private first: Pair = [0, 0];
  private second: Pair = [0, 0];
  private powers: Pair = [1, 1];

  constructor(
    readonly method: Method,
    start: Pair,
    readonly scale: number,
    readonly rate: number,
  ) {
    this.at = [...start];
  }

  walk(steps: number): void {
    const { at, first, second, powers } = this;
    for (let i = 0; i < steps; i++) {
      const { gradients } = objectives(at[0], at[1], this.scale);
      const w = weights(this.method, gradients);
      powers[0] *= 0.9;
      powers[1] *= 0.999;
      for (let d = 0; d < 2; d++) {
        const g = w[0] * gradients[0][d] + w[1] * gradients[1][d];
        first[d] = 0.9 * first[d] + 0.1 * g;
        second[d] = 0.999 * second[d] + 0.001 * g * g;
        const size = Math.sqrt(second[d] / (1 - powers[1])) + 1e-8;
        at[d] -= (this.rate * first[d]) / (1 - powers[0]) / size;
      }
    }
    this.steps += steps;
  }
}
