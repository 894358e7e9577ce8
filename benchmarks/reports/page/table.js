"use strict";
// The table: state, filtering, sorting, keyboard. Everything reads `data`, which is metrics.json in arrays.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const MARK = { untrained: "†", partial: "‡", failed: "✗", none: "–", tied: "≈", own: "◇", no_interval: "°", unmeasured: "?" };
const state = { metric: 0, perturbation: 0, sort: null, ascending: false, hidden: new Set() };
const scale = 10 ** data.digits;
const [ROWS, COLUMNS] = [data.rows.length, data.columns.length];
// One cell of the arrays of `data.cells`; `of` takes the number of a metric and is null where there is none.
class Cell {
  constructor(at) { this.at = at; }
  of(name, metric) { const all = data.cells[name][metric]; return all ? all[this.at] : null; }
  number(name, metric) { const found = this.of(name, metric); return found === null ? null : found / scale; }
  value(metric = state.metric) { return this.number("v", metric); }
  low(metric = state.metric) { return this.number("lo", metric); }
  high(metric = state.metric) { return this.number("hi", metric); }
  spread(metric = state.metric) { return this.number("sd", metric); }
  rank(metric = state.metric) { return this.of("r", metric) || 0; }
  get status() { return data.statuses[data.cells.s[this.at]]; }
  get own() { return Boolean(data.cells.own[this.at]); }
  get noise() { return data.cells.noise[this.at] / scale; }
  get counts() { return data.counts[data.cells.n[this.at]]; }
  reason(metric = state.metric) {
    const found = data.reasons[data.cells.why[this.at]];
    return typeof found === "string" ? found : (found || {})[metric] || "";
  }
  withoutInterval(metric = state.metric) { const found = this.of("ni", metric); return found === null || found < 0 ? "" : data.no_interval[found]; }
}
function cellAt(row, column, perturbation = state.perturbation) {
  const place = (perturbation * ROWS + row) * COLUMNS + column;
  return data.cells.s[place] < 0 ? null : new Cell(place);
}
const fixed = (value) => value.toFixed(data.digits);
const pictures = (name) => (name === "none" ? "clean" : name);
const listeners = [];

function markOf(cell) {
  if (cell.status === "failed") return MARK.failed;
  if (cell.status === "partial") return MARK.partial;
  if (cell.value() === null) return MARK.none;
  if (cell.own) return MARK.own;
  return cell.rank() === -1 || cell.rank() === -2 ? MARK.tied : "";
}
function describe(row, column, cell) {
  const place = data.columns[column];
  const parts = [`${data.rows[row].label} on ${place.group} ${place.label}: ${data.metrics[state.metric].name}`];
  const value = cell.value();
  parts[0] += value === null ? " undefined" : ` ${fixed(value)}`;
  if (cell.spread() !== null) parts.push(`mean over seeds, standard deviation ${fixed(cell.spread())}`);
  const about = data.metrics[state.metric];
  if (cell.low() !== null) parts.push(`95 % interval ${fixed(cell.low())} to ${fixed(cell.high())} (${about.way}${about.measured ? "" : "; its coverage was not measured"})`);
  if (cell.withoutInterval()) parts.push(`no interval: ${cell.withoutInterval()}`);
  if (cell.counts) parts.push(`${cell.counts[0]} real and ${cell.counts[1]} generated pictures, ${cell.counts[2]} failed`);
  const rank = cell.rank();
  if (rank) parts.push(`rank ${Math.abs(rank)}${rank < 0 ? ", not significantly different from the best of it" : ""}`);
  if (data.rows[row].untrained) parts.push(`untrained: ${data.rows[row].parts.join(", ") || "weights"}`);
  parts.push(`trained on ${data.rows[row].trained_on}`);
  parts.push(cell.status);
  if (cell.reason()) parts.push(cell.reason());
  return parts.join("; ");
}

const matches = (text, query) => text.toLowerCase().includes(query.trim().toLowerCase());
function visibleColumns() {
  const query = $("find-set").value;
  return data.metrics[state.metric].columns.filter((i) => {
    const column = data.columns[i];
    if (state.hidden.has(column.group)) return false;
    return column.mean || matches(`${column.group} ${column.label}`, query);
  });
}
function visibleRows() {
  const query = $("find-detector").value;
  return data.rows.map((row, i) => i).filter((i) => {
    if (!matches(data.rows[i].label, query)) return false;
    if ($("unranked").checked) return true;
    if (data.rows[i].untrained) return false;
    return data.columns.every((_, c) => { const cell = cellAt(i, c); return !cell || cell.status === "complete"; });
  });
}
function sorted(rows) {
  if (state.sort === null) return rows;
  const direction = state.ascending ? 1 : -1;
  if (state.sort === "name") return rows.sort((a, b) => direction * data.rows[a].label.localeCompare(data.rows[b].label));
  const value = (row) => { const cell = cellAt(row, state.sort); return cell ? cell.value() : null; };
  return rows.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return direction * (x - y);
  });
}

function sortBy(key) {
  const better = key === "name" ? true : !data.metrics[state.metric].higher;
  state.ascending = state.sort === key ? !state.ascending : better;
  state.sort = key;
  draw();
  address.push();
  const again = document.querySelector(`#board button[data-key="${key}"]`);
  if (again) again.focus();
}
function heading(text, key, attributes = {}) {
  const cell = make("th", undefined, { scope: "col", ...attributes });
  const button = make("button", text, { type: "button", "data-key": key, title: `sort by ${text}` });
  button.addEventListener("click", () => sortBy(key));
  if (state.sort === key) cell.setAttribute("aria-sort", state.ascending ? "ascending" : "descending");
  cell.append(button);
  return cell;
}
function drawHead(columns) {
  const [top, names] = [make("tr"), make("tr")];
  const corner = heading("detector", "name", { rowspan: 2 });
  top.append(corner);
  let last = null;
  for (const c of columns) {
    const column = data.columns[c];
    if (!last || last.group !== column.group) {
      last = { group: column.group, cell: make("th", column.group, { class: "group", scope: "colgroup", colspan: 0 }), count: 0 };
      top.append(last.cell);
    }
    last.cell.setAttribute("colspan", ++last.count);
    names.append(heading(column.label, c));
  }
  $("board").tHead.replaceChildren(top, names);
}
function drawBody(rows, columns) {
  const body = document.createDocumentFragment();
  for (const r of rows) {
    const row = data.rows[r];
    const line = make("tr", undefined, row.untrained ? { class: "untrained" } : {});
    line.append(make("th", row.label + (row.untrained ? ` ${MARK.untrained}` : ""), { scope: "row", title: `${row.label}, trained on ${row.trained_on}` }));
    let group = null;
    for (const c of columns) {
      const column = data.columns[c];
      const cell = cellAt(r, c);
      const box = make("td");
      const classes = [];
      if (column.mean) classes.push("mean");
      if (column.group !== group) classes.push("first");
      group = column.group;
      if (cell) {
        const value = cell.value();
        box.textContent = (value === null ? "" : fixed(value)) + markOf(cell);
        if (cell.spread() !== null) box.append(` ± ${fixed(cell.spread())}`);
        if (cell.low() !== null) box.append(make("span", ` [${fixed(cell.low())}, ${fixed(cell.high())}]${data.metrics[state.metric].measured ? "" : MARK.unmeasured}`, { class: "ci" }));
        if (cell.withoutInterval()) box.append(make("span", ` ${MARK.no_interval}`, { class: "ci" }));
        const rank = Math.abs(cell.rank());
        if (rank === 1) classes.push("best");
        if (rank === 2) classes.push("second");
        if (cell.status !== "complete") classes.push(cell.status);
        box.title = describe(r, c, cell);
        box.tabIndex = -1;
      }
      box.className = classes.join(" ");
      line.append(box);
    }
    body.append(line);
  }
  const table = $("board");
  table.tBodies[0].replaceChildren(body);
  const first = table.tBodies[0].querySelector("td[tabindex]");
  if (first) first.tabIndex = 0;
}
// as notes.py: reasons once that differ in the count they begin with alone
function folded(reasons) {
  const counts = new Map();
  for (const reason of reasons) {
    const [, count, what] = /^(\d*)(.*)$/s.exec(reason.replace(/ \(on (\d+) of \1 test sets\)$/, ""));
    counts.set(what, [...(counts.get(what) || []), ...(count ? [Number(count)] : [])]);
  }
  return [...counts].map(([what, found]) =>
    [...new Set(found.length ? [Math.min(...found), Math.max(...found)] : [])].join(" to ") + what).sort();
}

function drawNotes(rows, columns) {
  const used = new Set();
  let marked = false;
  const grouped = new Map();
  for (const r of rows) {
    if (data.rows[r].untrained) used.add("untrained");
    for (const c of columns) {
      const cell = cellAt(r, c);
      if (!cell) continue;
      if (cell.rank()) marked = true;
      const mark = markOf(cell);
      const kind = Object.keys(MARK).find((name) => MARK[name] === mark);
      if (kind) used.add(kind);
      if (!kind || kind === "tied" || kind === "own" || data.columns[c].mean) continue;
      const key = `${mark} ${data.rows[r].label}: ${cell.reason()}`;
      grouped.set(key, [...(grouped.get(key) || []), `${data.columns[c].group} ${data.columns[c].label}`]);
    }
  }
  const meaning = {
    untrained: "untrained: random weights, never ranked", partial: "partial: not every picture has a score, never ranked",
    failed: "failed: no picture has a score", none: "undefined", tied: "not significantly different from the best of its rank",
    own: "white box on its own generator; without a rank in means",
  };
  const metric = data.metrics[state.metric];
  const shown = rows.flatMap((r) => columns.map((c) => cellAt(r, c))).filter((cell) => cell);
  const intervals = folded(shown.map((cell) => cell.withoutInterval()).filter((reason) => reason))
    .map((reason) => `${MARK.no_interval} no interval: ${reason}`);
  if (shown.some((cell) => cell.low() !== null)) intervals.unshift(metric.measured ? `intervals: ${metric.way}` : `${MARK.unmeasured} ${metric.way}; its coverage was not measured`);
  $("legend").replaceChildren(
    ...[...used].map((kind) => make("li", `${MARK[kind]} ${meaning[kind]}`)),
    ...(marked ? [make("li", "green: best, blue underlined: second, with all that do not differ significantly")] : []),
    make("li", data.tested[state.metric][state.perturbation]));
  const trained = new Map();
  for (const r of rows) {
    const { label, trained_on: on } = data.rows[r];
    trained.set(on, [...(trained.get(on) || []), label]);
  }
  $("notes").replaceChildren(
    ...[...trained].map(([on, labels]) => make("li", `Trained on ${on}: ${labels.join(", ")}`)),
    ...[...grouped].map(([key, places]) => make("li", `${key} (${places.join(", ")})`)),
    ...intervals.map((text) => make("li", text)),
  );
}
function draw() {
  const columns = visibleColumns();
  const rows = sorted(visibleRows());
  drawHead(columns);
  drawBody(rows, columns);
  drawNotes(rows, columns);
  $("board").style.setProperty("--head", `${$("board").tHead.rows[0].offsetHeight}px`);
  const metric = data.metrics[state.metric];
  $("status").textContent = `${rows.length} of ${data.rows.length} detectors, ${columns.length} of ${data.columns.length} columns; ${metric.name}: ${metric.summary} (${metric.higher ? "higher" : "lower"} is better); ${pictures(data.perturbations[state.perturbation])} pictures`;
  for (const listener of listeners) listener(rows);
}

const fill = (select, options, chosen = 0) => {
  select.replaceChildren(...options.map(([value, text]) => make("option", text, { value })));
  if (options.length) select.value = options[Math.min(chosen, options.length - 1)][0];
};
const columnName = (column) => `${column.group}: ${column.label}`;
// A single test set has no mean, and stands for all.
const meanOfAll = () => Math.max(0, data.columns.findIndex((column) => column.group === "all"));
if (data.columns.length === 1 || data.columns.some((column) => column.group === "all")) state.sort = meanOfAll();
fill($("metric"), data.metrics.map((metric, i) => [i, metric.name]), data.metrics.findIndex((m) => m.name === data.shown[0]));
state.metric = Number($("metric").value);
state.ascending = !data.metrics[state.metric].higher;
fill($("perturbation"), data.perturbations.map((name, i) => [i, pictures(name)]));
for (const group of new Set(data.columns.map((column) => column.group))) {
  const box = make("input", undefined, { type: "checkbox", checked: "", value: group });
  box.addEventListener("change", () => { if (box.checked) state.hidden.delete(group); else state.hidden.add(group); draw(); });
  const label = make("label");
  label.append(box, group);
  $("groups").append(label);
}
$("metric").addEventListener("change", () => { state.metric = Number($("metric").value); if (state.sort !== null && state.sort !== "name") state.ascending = !data.metrics[state.metric].higher; draw(); });
$("perturbation").addEventListener("change", () => { state.perturbation = Number($("perturbation").value); draw(); });
for (const id of ["find-detector", "find-set"]) $(id).addEventListener("input", draw);
$("unranked").addEventListener("change", draw);
$("intervals").addEventListener("change", () => $("board").classList.toggle("show-ci", $("intervals").checked));
document.querySelector(".controls").addEventListener("submit", (event) => event.preventDefault());
const tell = (event) => { const box = event.target.closest("td"); if (box && box.title) $("detail").textContent = box.title; };
$("board").addEventListener("mouseover", tell);
$("board").addEventListener("focusin", tell);
$("board").addEventListener("keydown", (event) => {
  const box = event.target.closest("td");
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!box || !step) return;
  event.preventDefault();
  const lines = [...$("board").tBodies[0].rows];
  const line = lines[lines.indexOf(box.parentElement) + step[0]];
  const next = line && line.cells[box.cellIndex + step[1]];
  if (!next || next.tabIndex === undefined || !next.title || next.tagName !== "TD") return;
  box.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
