// A network of two hidden layers from one number to one number, on one flat array of parameters:
// weight and bias of each layer in turn, a weight as (in, out).

export interface Places {
  width: number;
  b1: number;
  w2: number;
  b2: number;
  w3: number;
  b3: number;
  size: number;
}

export function places(width: number): Places {
  const [b1, w2] = [width, 2 * width];
  const b2 = w2 + width * width;
  const w3 = b2 + width;
  const b3 = w3 + width;
  return { width, b1, w2, b2, w3, b3, size: b3 + 1 };
}

// The activations of both layers for one input.
export function features(p: Float64Array, at: Places, x: number, first: Float64Array, second: Float64Array): void {
  const { width, b1, w2, b2 } = at;
  for (let i = 0; i < width; i++) first[i] = Math.max(0, x * p[i] + p[b1 + i]);
  for (let j = 0; j < width; j++) second[j] = p[b2 + j];
  for (let i = 0; i < width; i++) {
    const h = first[i];
    if (h === 0) continue;
    const row = w2 + i * width;
    for (let j = 0; j < width; j++) second[j] += h * p[row + j];
  }
  for (let j = 0; j < width; j++) second[j] = Math.max(0, second[j]);
}

export function predict(p: Float64Array, at: Places, xs: ArrayLike<number>): Float64Array {
  const [first, second] = [new Float64Array(at.width), new Float64Array(at.width)];
  const out = new Float64Array(xs.length);
  for (let n = 0; n < xs.length; n++) {
    features(p, at, xs[n], first, second);
    let y = p[at.b3];
    for (let j = 0; j < at.width; j++) y += second[j] * p[at.w3 + j];
    out[n] = y;
  }
  return out;
}

// The gradient of the mean squared error on some points.
export function gradient(p: Float64Array, at: Places, xs: ArrayLike<number>, ys: ArrayLike<number>): Float64Array {
  const { width, b1, w2, b2, w3, b3 } = at;
  const g = new Float64Array(at.size);
  const [first, second, back] = [0, 1, 2].map(() => new Float64Array(width));
  for (let n = 0; n < xs.length; n++) {
    features(p, at, xs[n], first, second);
    let y = p[b3];
    for (let j = 0; j < width; j++) y += second[j] * p[w3 + j];
    const error = (2 * (y - ys[n])) / xs.length;
    g[b3] += error;
    for (let j = 0; j < width; j++) {
      g[w3 + j] += error * second[j];
      back[j] = second[j] > 0 ? error * p[w3 + j] : 0;
      g[b2 + j] += back[j];
    }
    for (let i = 0; i < width; i++) {
      const h = first[i];
      if (h === 0) continue; // nothing goes through it, neither forwards nor backwards
      const row = w2 + i * width;
      let into = 0;
      for (let j = 0; j < width; j++) {
        g[row + j] += h * back[j];
        into += back[j] * p[row + j];
      }
      g[i] += into * xs[n];
      g[b1 + i] += into;
    }
  }
  return g;
}

// Parameters before the first step of gradient descent and after each.
export function descend(
  start: Float64Array,
  at: Places,
  rate: number,
  steps: number,
  xs: ArrayLike<number>,
  ys: ArrayLike<number>,
): Float64Array[] {
  const all = [start];
  for (let step = 0; step < steps; step++) {
    const p = all[step];
    const g = gradient(p, at, xs, ys);
    all.push(p.map((value, i) => value - rate * g[i]));
  }
  return all;
}

// A linear head in closed form on the features of a network; the bias is not shrunk.
export function ridgeHead(
  p: Float64Array,
  at: Places,
  penalty: number,
  xs: ArrayLike<number>,
  ys: ArrayLike<number>,
): Float64Array {
  const { width, w3, b3 } = at;
  const rows: Float64Array[] = [];
  for (let n = 0; n < xs.length; n++) {
    const second = new Float64Array(width);
    features(p, at, xs[n], new Float64Array(width), second);
    rows.push(second);
  }
  const count = xs.length;
  const mean = new Float64Array(width);
  let meanY = 0;
  for (let n = 0; n < count; n++) {
    meanY += ys[n] / count;
    for (let j = 0; j < width; j++) mean[j] += rows[n][j] / count;
  }
  const centred = rows.map((row) => row.map((value, j) => value - mean[j]));
  const gram = centred.map((a, i) => Float64Array.from(centred, (b, j) => dot(a, b) + (i === j ? penalty : 0)));
  const weights = solve(gram, Float64Array.from(ys, (y) => y - meanY));
  const made = p.slice();
  let bias = meanY;
  for (let j = 0; j < width; j++) {
    let w = 0;
    for (let n = 0; n < count; n++) w += centred[n][j] * weights[n];
    made[w3 + j] = w;
    bias -= mean[j] * w;
  }
  made[b3] = bias;
  return made;
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

// Solves a small system by Gaussian elimination with pivots.
export function solve(matrix: Float64Array[], right: Float64Array): Float64Array {
  const n = right.length;
  const a = matrix.map((row, i) => [...row, right[i]]);
  for (let i = 0; i < n; i++) {
    let best = i;
    for (let k = i + 1; k < n; k++) if (Math.abs(a[k][i]) > Math.abs(a[best][i])) best = k;
    [a[i], a[best]] = [a[best], a[i]];
    for (let k = i + 1; k < n; k++) {
      const factor = a[k][i] / a[i][i];
      for (let j = i; j <= n; j++) a[k][j] -= factor * a[i][j];
    }
  }
  const x = new Float64Array(n);
  for (let i = n - 1; i >= 0; i--) {
    let rest = a[i][n];
    for (let j = i + 1; j < n; j++) rest -= a[i][j] * x[j];
    x[i] = rest / a[i][i];
  }
  return x;
}
