"use strict";
// On every page: tables are saved as CSV, figures as SVG and CSV. Everything is made here, nothing is asked of a server.
const make = (tag, text, attributes = {}) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const SVG = "http://www.w3.org/2000/svg";
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FORMULA = new RegExp(`^\\s*[${FORMULA_SIGNS.map((sign) => `\\${sign}`).join("")}]`);
// As benchmarks/text.py: a number stays a number, and what a spreadsheet would take for a formula becomes text.
function inSpreadsheet(value) {
  const text = String(value ?? "").replace(/^−(?=\d+(\.\d+)?$)/, "-");
  const safe = !/^[+-]?\d+(\.\d+)?$/.test(text) && FORMULA.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
const csvOf = (lines) => lines.map((line) => line.map(inSpreadsheet).join(",")).join("\n") + "\n";
function save(name, type, text) {
  const link = make("a", undefined, { download: name.replace(/[^\w.@-]+/g, "_"), href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const textOf = (box) => box.textContent.replace(/\s+/g, " ").trim();
const tableLines = (table) => [...table.rows].map((line) => [...line.cells].map(textOf));
// id → function that gives the lines to save, for a table or figure of which a table does not show them
const ownLines = {};
const linesOf = (thing) => (ownLines[thing.id] || (() => tableLines(thing.dataset.table ? document.getElementById(thing.dataset.table) : thing)))();
function svgText(svg) {
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("style", `color: ${color("--text")}; background: ${color("--back")}`);
  return new XMLSerializer().serializeToString(copy);
}

function offer(place, what, buttons) {
  const line = make("p", undefined, { class: "save" });
  for (const [kind, act] of buttons) {
    const button = make("button", kind, { type: "button", "aria-label": `${kind} of ${what}` });
    button.addEventListener("click", act);
    line.append(button);
  }
  place.after(line);
}
for (const region of document.querySelectorAll(".scroll")) {
  const table = region.querySelector("table");
  const what = region.getAttribute("aria-label");
  if (table) offer(region, what, [["CSV", () => save(`${what}.csv`, "text/csv", csvOf(linesOf(table)))]]);
}
for (const figure of document.querySelectorAll(".drawing")) {
  const what = figure.getAttribute("aria-label");
  offer(figure.closest(".scroll") || figure, what, [
    ["SVG", () => save(`${what}.svg`, "image/svg+xml", svgText(figure.querySelector("svg")))],
    ["CSV", () => save(`${what}.csv`, "text/csv", figure.dataset.csv ?? csvOf(linesOf(figure)))],
  ]);
}
