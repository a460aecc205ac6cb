// Lines of equal height on a grid, by marching squares: one path for each level.

export function contour(
  xs: number[],
  ys: number[],
  heights: number[][], // [row of y][column of x]
  level: number,
  px: (x: number) => number,
  py: (y: number) => number,
): string {
  let path = "";
  const part = (a: number, b: number) => (level - a) / (b - a);
  for (let i = 0; i + 1 < ys.length; i++) {
    for (let j = 0; j + 1 < xs.length; j++) {
      const [a, b] = [heights[i][j], heights[i][j + 1]];
      const [d, c] = [heights[i + 1][j], heights[i + 1][j + 1]];
      const above = Number(a > level) + 2 * Number(b > level) + 4 * Number(c > level) + 8 * Number(d > level);
      if (above === 0 || above === 15) continue;
      const [x0, x1, y0, y1] = [xs[j], xs[j + 1], ys[i], ys[i + 1]];
      const bottom = () => [x0 + part(a, b) * (x1 - x0), y0];
      const right = () => [x1, y0 + part(b, c) * (y1 - y0)];
      const top = () => [x0 + part(d, c) * (x1 - x0), y1];
      const left = () => [x0, y0 + part(a, d) * (y1 - y0)];
      const lines: (() => number[])[][] = {
        1: [[left, bottom]], 2: [[bottom, right]], 3: [[left, right]], 4: [[right, top]],
        5: [[left, top], [bottom, right]], 6: [[bottom, top]], 7: [[left, top]],
        8: [[left, top]], 9: [[bottom, top]], 10: [[left, bottom], [right, top]], 11: [[right, top]],
        12: [[left, right]], 13: [[bottom, right]], 14: [[left, bottom]],
      }[above]!;
      for (const [from, to] of lines) {
        const [p, q] = [from(), to()];
        path += `M${px(p[0]).toFixed(1)} ${py(p[1]).toFixed(1)}L${px(q[0]).toFixed(1)} ${py(q[1]).toFixed(1)}`;
      }
    }
  }
  return path;
}
