"use strict";
// What the leaderboard alone has to save: its table with every number, and the charts. Then tables that sort.
// The leaderboard has more than one number in a box: one line for each.
function boardLines() {
  const lines = [["detector", "paradigm", "column", "metric", "pictures", "value", "low", "high", "mark"]];
  for (const r of sorted(visibleRows())) {
    for (const c of visibleColumns()) {
      const cell = cellAt(r, c);
      const column = data.columns[c];
      if (cell) lines.push([data.rows[r].label, column.group, column.label, data.metrics[state.metric].name, pictures(data.perturbations[state.perturbation]), ...[cell.value(), cell.low(), cell.high()].map((value) => (value === null ? "" : fixed(value))), markOf(cell) + (data.rows[r].untrained ? MARK.untrained : "")]);
    }
  }
  return lines;
}

ownLines.board = boardLines;
ownLines.heat = boardLines;

const nameOf = (canvas) => `${canvas.id}-${data.metrics[state.metric].name}-${pictures(data.perturbations[state.perturbation])}`;
function chartLines(found) {
  const lines = [["series", "x", "y"]];
  for (const series of found.data.datasets) {
    series.data.forEach((point, i) => lines.push(point !== null && typeof point === "object" ? [series.label, point.x, point.y] : [series.label, found.data.labels[i], point]));
  }
  return lines;
}
// The chart as it stands on the page, drawn again from the places that Chart.js gave its parts.
function chartSvg(found) {
  const { chartArea: area, width, height, scales } = found;
  const entries = found.data.datasets.map((series, i) => [series, i]).filter(([series]) => series.label);
  const tall = height + 16 * entries.length + 8;
  const svg = drawSvg("svg", { xmlns: SVG, viewBox: `0 0 ${width} ${tall}`, width, height: tall, "font-family": "sans-serif", "font-size": 11 });
  svg.append(drawSvg("rect", { width, height: tall, fill: color("--back") }));
  const words = { fill: color("--text") };
  for (const [name, axis] of Object.entries(scales)) {
    axis.ticks.forEach((tick, i) => {
      const at = axis.getPixelForTick(i);
      const across = name === "x";
      svg.append(drawSvg("line", { ...(across ? { x1: at, x2: at, y1: area.top, y2: area.bottom } : { x1: area.left, x2: area.right, y1: at, y2: at }), stroke: color("--line") }));
      svg.append(drawSvg("text", { ...words, ...(across ? { x: at, y: area.bottom + 14, "text-anchor": "middle" } : { x: area.left - 6, y: at + 4, "text-anchor": "end" }) }, String(tick.label)));
    });
    const title = axis.options.title.text || "";
    const middle = [(area.left + area.right) / 2, (area.top + area.bottom) / 2];
    svg.append(name === "x" ? drawSvg("text", { ...words, x: middle[0], y: area.bottom + 30, "text-anchor": "middle" }, title) : drawSvg("text", { ...words, transform: `translate(12,${middle[1]}) rotate(-90)`, "text-anchor": "middle" }, title));
  }
  found.data.datasets.forEach((series, i) => {
    const parts = found.getDatasetMeta(i).data;
    if (found.config.type === "bar") {
      for (const bar of parts) svg.append(drawSvg("rect", { x: bar.x - bar.width / 2, y: Math.min(bar.y, bar.base), width: bar.width, height: Math.abs(bar.base - bar.y), fill: series.backgroundColor }));
      return;
    }
    const points = parts.filter((point, k) => series.data[k] !== null && !point.skip);
    svg.append(drawSvg("polyline", { points: points.map((point) => `${point.x.toFixed(1)},${point.y.toFixed(1)}`).join(" "), fill: "none", stroke: series.borderColor, "stroke-width": series.borderWidth, "stroke-dasharray": (series.borderDash || []).join(" ") }));
    if (series.pointRadius) for (const point of points) svg.append(drawSvg("circle", { cx: point.x, cy: point.y, r: series.pointRadius, fill: series.borderColor }));
  });
  entries.forEach(([series], k) => {
    const y = height + 16 * k + 8;
    svg.append(drawSvg("line", { x1: 12, x2: 34, y1: y, y2: y, stroke: series.borderColor || series.backgroundColor, "stroke-width": 3, "stroke-dasharray": (series.borderDash || []).join(" ") }), drawSvg("text", { ...words, x: 40, y: y + 4 }, series.label));
  });
  return svg;
}
for (const canvas of document.querySelectorAll("canvas")) {
  offer(canvas.parentElement, canvas.getAttribute("aria-label"), [
    ["SVG", () => drawn[canvas.id] && save(`${nameOf(canvas)}.svg`, "image/svg+xml", svgText(chartSvg(drawn[canvas.id])))],
    ["CSV", () => drawn[canvas.id] && save(`${nameOf(canvas)}.csv`, "text/csv", csvOf(chartLines(drawn[canvas.id])))],
  ]);
}

// Tables that stand ready in the page: a button in each heading sorts, numbers as numbers, what has none last.
const tableOrders = new Map(); // id → "heading ascending"
const sortable = new Map(); // id → function of such a text, "" for the order in which the table came
const numberIn = (text) => { const found = /^[−+-]?\d[\d.]*(e[+-]?\d+)?/.exec(text); return found ? Number(found[0].replace("−", "-")) : null; };
document.querySelectorAll("table.fixed").forEach((table, place) => {
  const id = `table${place + 1}`;
  const start = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  const sort = (order) => {
    const [, name, way] = /^(.*) (ascending|descending)$/.exec(order) || [];
    const at = heads.findIndex((head) => textOf(head) === name);
    heads.forEach((head, i) => (i === at ? head.setAttribute("aria-sort", way) : head.removeAttribute("aria-sort")));
    if (at < 0) { tableOrders.delete(id); table.tBodies[0].replaceChildren(...start); return; }
    tableOrders.set(id, order);
    const sign = way === "ascending" ? 1 : -1;
    const key = (line) => textOf(line.cells[at]);
    table.tBodies[0].replaceChildren(...[...start].sort((a, b) => {
      const [x, y] = [numberIn(key(a)), numberIn(key(b))];
      if (x !== null && y !== null) return sign * (x - y);
      if (x !== null || y !== null) return (x === null) - (y === null);
      return sign * key(a).localeCompare(key(b));
    }));
  };
  sortable.set(id, sort);
  for (const head of heads) {
    const name = textOf(head);
    const button = make("button", name, { type: "button", title: `sort by ${name}` });
    button.addEventListener("click", () => { sort(`${name} ${head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending"}`); address.push(); });
    head.replaceChildren(button);
  }
});
