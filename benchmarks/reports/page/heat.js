"use strict";
// Heat map of detectors × test sets, as SVG: the numbers of the table, in colours that print and that colour-blind readers tell apart.
const drawSvg = (tag, attributes, text) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
// cividis at 0, ¼, ½, ¾ and 1
const STOPS = [[0, 34, 78], [67, 78, 108], [124, 123, 120], [188, 175, 111], [254, 232, 56]];
function shade(share) {
  const place = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low].map((part, i) => Math.round(part + (place - low) * (STOPS[low + 1][i] - part)));
}
const shorten = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function drawHeat(rows) {
  const columns = visibleColumns();
  const values = rows.map((r) => columns.map((c) => { const cell = cellAt(r, c); return cell ? cell.value() : null; }));
  const known = values.flat().filter((value) => value !== null);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const higher = data.metrics[state.metric].higher;
  const [wide, tall, left, top] = [44, 24, 170, 130];
  const [width, height] = [left + Math.max(columns.length * wide, 160) + 60, top + rows.length * tall + 40];
  const figure = drawSvg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "font-family": "system-ui, sans-serif", "font-size": 11, "aria-label": `${data.metrics[state.metric].name} of ${rows.length} detectors on ${columns.length} test sets and means, from ${known.length ? `${fixed(least)} to ${fixed(most)}` : "nothing"}; the table above has the numbers` });
  columns.forEach((c, j) => {
    const name = shorten(columnName(data.columns[c]), 26);
    figure.append(drawSvg("text", { x: 0, y: 0, fill: "currentColor", transform: `translate(${left + j * wide + wide / 2},${top - 6}) rotate(-45)` }, name));
  });
  rows.forEach((r, i) => {
    const label = shorten(data.rows[r].label, 25) + (data.rows[r].untrained ? ` ${MARK.untrained}` : "");
    figure.append(drawSvg("text", { x: left - 6, y: top + i * tall + tall / 2 + 4, "text-anchor": "end", fill: "currentColor" }, label));
    columns.forEach((c, j) => {
      const value = values[i][j];
      const [x, y] = [left + j * wide, top + i * tall];
      if (value === null) {
        figure.append(drawSvg("text", { x: x + wide / 2, y: y + tall / 2 + 4, "text-anchor": "middle", fill: "currentColor" }, cellAt(r, c) ? markOf(cellAt(r, c)) : ""));
        return;
      }
      const share = most > least ? (value - least) / (most - least) : 1;
      const hue = shade(higher ? share : 1 - share);
      const dark = 0.299 * hue[0] + 0.587 * hue[1] + 0.114 * hue[2] < 125;
      const box = drawSvg("rect", { x: x + 1, y: y + 1, width: wide - 2, height: tall - 2, fill: `rgb(${hue})` });
      box.append(drawSvg("title", {}, describe(r, c, cellAt(r, c))));
      figure.append(box, drawSvg("text", { x: x + wide / 2, y: y + tall / 2 + 4, "text-anchor": "middle", fill: dark ? "#ffffff" : "#000000", "pointer-events": "none" }, value.toFixed(2)));
    });
  });
  if (known.length) {
    const y = top + rows.length * tall + 14;
    const steps = 40;
    for (let k = 0; k < steps; k++) figure.append(drawSvg("rect", { x: left + k * 4, y, width: 4.5, height: 10, fill: `rgb(${shade(higher ? k / steps : 1 - k / steps)})` }));
    figure.append(drawSvg("text", { x: left - 6, y: y + 10, "text-anchor": "end", fill: "currentColor" }, least.toFixed(2)), drawSvg("text", { x: left + steps * 4 + 6, y: y + 10, fill: "currentColor" }, most.toFixed(2)));
  }
  $("heat").replaceChildren(figure);
}
