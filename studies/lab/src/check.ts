// What the test calls: the functions that the panels draw from.

export { errors, grid, knowsSines, learn } from "./sines";
export { front } from "./balance";
export { objectives, Walk, weights } from "./objectives";
export { expected, told } from "./setting";
export { blank, swim } from "./maze";
export { agents, size } from "./pool";
export { agreement, pulls } from "./conflict";
export { networks } from "./sines";
export { blocks } from "./characters";
export { chances, distance, features, mean, plane } from "./vision";
