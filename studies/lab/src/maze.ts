// A water maze and an agent with a recurrent memory: one trial at a time.

export type Place = [number, number];

export interface PoolSize {
  radius: number;
  platform: number;
  speed: number;
  interval: number;
  limit: number;
  turning: number;
  width: number; // of place fields
  centres: Place[];
}

export interface Agent {
  width: number;
  inputs: number;
  weights: Float64Array; // of the gates from the input, from the memory, biases, and of the actor
}

export interface Swim {
  places: Place[];
  seconds: number[];
  found: boolean;
}

export interface Memory {
  hidden: Float64Array;
}

export const ACTIONS = 8;

export function blank(agent: Agent): Memory {
  return { hidden: new Float64Array(agent.width) };
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

// A gated recurrent unit (Cho et al. 2014), and the logits of the actions after it.
export function hear(agent: Agent, memory: Memory, input: Float64Array): Float64Array {
  const { width: w, inputs, weights } = agent;
  const [fromMemory, bias] = [3 * w * inputs, 3 * w * inputs + 3 * w * w];
  const biasNew = bias + 3 * w;
  const old = memory.hidden;
  const into = new Float64Array(3 * w);
  const back = new Float64Array(3 * w);
  for (let i = 0; i < 3 * w; i++) {
    let sum = weights[bias + i];
    for (let j = 0; j < inputs; j++) sum += weights[i * inputs + j] * input[j];
    into[i] = sum;
    sum = 0;
    for (let j = 0; j < w; j++) sum += weights[fromMemory + i * w + j] * old[j];
    back[i] = sum;
  }
  const made = new Float64Array(w);
  for (let i = 0; i < w; i++) {
    const reset = sigmoid(into[i] + back[i]);
    const keep = sigmoid(into[w + i] + back[w + i]);
    const fresh = Math.tanh(into[2 * w + i] + reset * (back[2 * w + i] + weights[biasNew + i]));
    made[i] = fresh + keep * (old[i] - fresh);
  }
  memory.hidden = made;
  const actor = biasNew + w;
  return Float64Array.from({ length: ACTIONS }, (_, a) => {
    let sum = weights[actor + ACTIONS * w + a];
    for (let j = 0; j < w; j++) sum += weights[actor + a * w + j] * made[j];
    return sum;
  });
}

const times = ([x, y]: Place, factor: number): Place => [x * factor, y * factor];
const plus = (a: Place, b: Place): Place => [a[0] + b[0], a[1] + b[1]];
const product = (a: Place, b: Place) => a[0] * b[0] + a[1] * b[1];

function unit(vector: Place, otherwise: Place): Place {
  const length = Math.hypot(...vector);
  return length > 1e-6 ? times(vector, 1 / length) : otherwise;
}

function toWall(place: Place, way: Place, radius: number): number {
  const along = product(place, way);
  const room = Math.max(radius ** 2 - product(place, place), 0);
  return product(way, way) > 0 ? Math.sqrt(along ** 2 + room) - along : Infinity;
}

// Metres along a straight path until it enters the platform; infinite if it does not.
function entry(start: Place, way: Place, length: number, platform: Place, radius: number): number {
  const towards: Place = [platform[0] - start[0], platform[1] - start[1]];
  const along = product(towards, way);
  const square = radius ** 2 - (product(towards, towards) - along ** 2);
  const half = Math.sqrt(Math.max(square, 0));
  return square >= 0 && along + half >= 0 && along - half <= length ? Math.max(along - half, 0) : Infinity;
}

// One trial. `noise` gives Gumbel noise for the eight actions of a step.
export function swim(
  pool: PoolSize,
  agent: Agent,
  memory: Memory,
  platform: Place,
  start: Place,
  noise: () => ArrayLike<number>,
): Swim {
  let [place, heading]: [Place, Place] = [start, [0, 0]];
  const made: Swim = { places: [start], seconds: [0], found: false };
  const most = Math.ceil(pool.limit / pool.interval - 1e-9);
  const remainder = Math.exp(-pool.interval / pool.turning);
  let [action, first, reward, late] = [-1, 1, 0, 0];
  for (let step = 0; ; step++) {
    const input = new Float64Array(agent.inputs);
    const cells = pool.centres.length;
    pool.centres.forEach(([x, y], i) => {
      input[i] = Math.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * pool.width ** 2));
    });
    input.set(heading, cells);
    if (action >= 0) {
      input[cells + 2 + action] = 1;
      input[cells + 2 + ACTIONS + action] = reward;
    }
    input.set([reward, reward, late, first], cells + 2 + 2 * ACTIONS);
    const logits = hear(agent, memory, input);
    const gumbel = noise();
    if (reward || late) return made; // the last look has no consequence but in memory
    action = 0;
    for (let a = 1; a < ACTIONS; a++)
      if (logits[a] + gumbel[a] > logits[action] + gumbel[action]) action = a;
    first = 0;
    const wish: Place = [Math.cos((action * Math.PI) / 4), Math.sin((action * Math.PI) / 4)];
    heading = unit(plus(times(wish, 1 - remainder), times(heading, remainder)), wish);
    const length = pool.speed * pool.interval * Math.hypot(...heading);
    const wallAt = Math.min(toWall(place, heading, pool.radius), length);
    const wall = plus(place, times(heading, wallAt));
    const normal = times(wall, 1 / pool.radius);
    const back =
      wallAt < length ? unit(plus(heading, times(normal, -2 * product(heading, normal))), heading) : heading;
    const rest = Math.min(length - wallAt, Math.max(toWall(wall, back, pool.radius), 0));
    let end = plus(wall, times(back, rest));
    const away = Math.hypot(...end);
    if (away > pool.radius) end = times(end, pool.radius / away);
    const swum = Math.min(
      entry(place, heading, wallAt, platform, pool.platform),
      wallAt + entry(wall, back, rest, platform, pool.platform),
    );
    const found = Number.isFinite(swum);
    const before = made.seconds[made.seconds.length - 1];
    made.seconds.push(before + (found ? swum / pool.speed : pool.interval));
    made.places.push(found ? platform : end);
    made.found = found;
    [reward, late] = [Number(found), Number(!found && step + 1 >= most)];
    // Who runs out of time is put on the platform.
    place = found || late ? platform : end;
    heading = found || late ? [0, 0] : back;
  }
}
