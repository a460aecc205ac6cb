import { el, Panel } from "./page";
import { balance } from "./balance";
import { characters } from "./characters";
import { harlow } from "./harlow";
import { pool } from "./pool";
import { setting } from "./setting";
import { sines } from "./sines";
import * as check from "./check";

const panels: Panel[] = [sines, setting, balance, harlow, pool, characters];

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const theme = document.getElementById("theme") as HTMLButtonElement;
function paint(on: boolean): void {
  document.documentElement.classList.toggle("dark", on);
  theme.setAttribute("aria-pressed", String(on));
}
theme.addEventListener("click", () => paint(theme.getAttribute("aria-pressed") !== "true"));
dark.addEventListener("change", () => paint(dark.matches));
paint(dark.matches || location.hash === "#dark");

const main = document.getElementById("lab")!;
const list = el("ol");
document.querySelector("nav")!.append(list);
for (const panel of panels) {
  const section = el("section", { id: panel.id, "aria-labelledby": `${panel.id}-title` });
  section.append(el("h2", { id: `${panel.id}-title` }, panel.title));
  main.append(section);
  list.append(el("li", {}, el("a", { href: `#${panel.id}` }, panel.title)));
  panel.make(section);
}

// For the test that compares the page with Python.
Object.assign(window, { lab: check });
