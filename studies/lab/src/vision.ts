// A small convolutional network on flat arrays, and drawings as the images that it was trained on.

export interface Block {
  kernel: Float64Array; // rows, columns, in, out
  bias: Float64Array;
  channels: number;
}

export const SIDE = 28;
export type Stroke = [number, number][]; // in units of the pad, from 0 to 1

// Features of one image of 28 by 28 pixels, ink 1 on 0: blocks of convolution, ReLU and pooling.
export function features(blocks: Block[], image: Float64Array): Float64Array {
  let [side, channels, x] = [SIDE, 1, image];
  for (const { kernel, bias, channels: out } of blocks) {
    const half = Math.floor(side / 2);
    const made = new Float64Array(half * half * out); // ReLU is never below zero
    const sum = new Float64Array(out);
    for (let row = 0; row < 2 * half; row++) {
      for (let column = 0; column < 2 * half; column++) {
        sum.set(bias);
        for (let r = -1; r <= 1; r++) {
          if (row + r < 0 || row + r >= side) continue;
          for (let c = -1; c <= 1; c++) {
            if (column + c < 0 || column + c >= side) continue;
            const from = ((row + r) * side + column + c) * channels;
            const at = ((r + 1) * 3 + c + 1) * channels;
            for (let i = 0; i < channels; i++) {
              const value = x[from + i];
              if (value === 0) continue;
              const to = (at + i) * out;
              for (let o = 0; o < out; o++) sum[o] += value * kernel[to + o];
            }
          }
        }
        const place = ((row >> 1) * half + (column >> 1)) * out;
        for (let o = 0; o < out; o++) if (sum[o] > made[place + o]) made[place + o] = sum[o];
      }
    }
    [side, channels, x] = [half, out, made];
  }
  return x;
}

// A drawing as an image: ink where a pen of about one pixel has been.
export function image(strokes: Stroke[], pen = 0.6): Float64Array {
  const made = new Float64Array(SIDE * SIDE);
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i++) {
      const [ax, ay] = stroke[Math.max(0, i - 1)].map((v) => v * SIDE);
      const [bx, by] = stroke[i].map((v) => v * SIDE);
      const square = (bx - ax) ** 2 + (by - ay) ** 2;
      const [top, bottom] = [Math.floor(Math.min(ay, by) - 2), Math.ceil(Math.max(ay, by) + 2)];
      const [first, last] = [Math.floor(Math.min(ax, bx) - 2), Math.ceil(Math.max(ax, bx) + 2)];
      for (let row = Math.max(0, top); row <= Math.min(SIDE - 1, bottom); row++) {
        for (let column = Math.max(0, first); column <= Math.min(SIDE - 1, last); column++) {
          const [px, py] = [column + 0.5, row + 0.5];
          const along = square ? ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / square : 0;
          const t = Math.min(1, Math.max(0, along));
          const away = Math.hypot(px - ax - t * (bx - ax), py - ay - t * (by - ay));
          const ink = Math.min(1, Math.max(0, pen + 0.5 - away));
          const place = row * SIDE + column;
          made[place] = Math.max(made[place], ink);
        }
      }
    }
  }
  return made;
}

export function mean(rows: Float64Array[]): Float64Array {
  return rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
}

export function distance(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
}

// The probability of each class: the closer its mean, the likelier.
export function chances(distances: number[]): number[] {
  const least = Math.min(...distances);
  const powers = distances.map((d) => Math.exp(least - d));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / total);
}

// Places in a plane: across, along the line through both means; up, along what differs most besides.
export function plane(rows: Float64Array[], one: Float64Array, other: Float64Array): [number, number][] {
  const way = other.map((value, i) => value - one[i]);
  const length = Math.sqrt(way.reduce((sum, v) => sum + v * v, 0)) || 1;
  const axis = way.map((v) => v / length);
  const middle = one.map((value, i) => (value + other[i]) / 2);
  const across = rows.map((row) => row.reduce((sum, v, i) => sum + (v - middle[i]) * axis[i], 0));
  const rest = rows.map((row, n) => row.map((v, i) => v - middle[i] - across[n] * axis[i]));
  let up = Float64Array.from(axis, (_, i) => Math.sin(i + 1)); // any start will do
  for (let turn = 0; turn < 60; turn++) {
    const sum = new Float64Array(up.length);
    for (const row of rest) {
      const along = row.reduce((s, v, i) => s + v * up[i], 0);
      row.forEach((v, i) => (sum[i] += along * v));
    }
    const size = Math.sqrt(sum.reduce((s, v) => s + v * v, 0));
    if (size < 1e-12) break;
    up = sum.map((v) => v / size);
  }
  return rows.map((_, n) => [across[n], rest[n].reduce((s, v, i) => s + v * up[i], 0)]);
}
