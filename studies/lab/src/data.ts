// Weights and values that Python exported: `learnset_studies.lab` writes them into the page.

export interface Data {
  sines: {
    networks: Record<"maml" | "pretrained" | "scratch" | "r2d2", string>;
    width: number;
    penalty: number; // of R2D2
    rates: { maml: number; pretrained: number; scratch: number };
    choices: number[];
    steps: number;
    seen: { study: number; r2d2: number }; // tasks in training
    prior: { mean: [number, number]; variance: [number, number]; noise: number };
  };
  setting: { noise: number; shots: number };
  balance: {
    starts: Record<"1" | "0.1", [number, number][]>;
    steps: Record<"1" | "0.1", number>;
    rate: number;
    every: number;
  };
  harlow: {
    trials: number;
    problems: number; // of one training step
    curves: Record<string, number[]>; // % correct by trial
    stages: Record<string, number[]>; // of RL², by training steps
    people: number[] | null;
  };
  pool: {
    size: import("./maze").PoolSize;
    agents: string[];
    width: number;
    inputs: number;
    starts: [number, number][];
    reach: number; // of the platform from the centre
    platform: [number, number];
    trials: number;
    latency: Record<string, number[]>; // seconds by trial
    rats: number[] | null;
  };
  characters: {
    blocks: { weights: string; channels: number }[]; // kernel, then bias
    problems: number; // in training
    accuracy: [number, number, number][]; // ways, shots, % correct
  };
}

const element = document.getElementById("data");
export const data = JSON.parse(element?.textContent ?? "null") as Data;

// Single-precision numbers in base 64.
export function floats(text: string): Float64Array {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float64Array.from(new Float32Array(bytes.buffer));
}

// Half-precision numbers in base 64.
export function halves(text: string): Float64Array {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float64Array.from(new Uint16Array(bytes.buffer), (bits) => {
    const [power, rest] = [(bits >> 10) & 31, bits & 1023];
    const size = power ? (1 + rest / 1024) * 2 ** (power - 15) : rest * 2 ** -24;
    return bits & 0x8000 ? -size : size;
  });
}
