"use strict";
// Charts. They are drawn when they come into view, and again when the table changes.
const HUES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f"];
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];
const styleOf = (row) => ({ borderColor: HUES[row % HUES.length], backgroundColor: HUES[row % HUES.length], borderDash: DASHES[Math.floor(row / HUES.length) % DASHES.length], borderWidth: 2, pointRadius: 0, pointHitRadius: 6 });
const families = [...new Set(data.perturbations.filter((name) => /^(?!chain:)[^:]+:[\d.]+$/.test(name)).map((name) => name.split(":")[0]))];
fill($("family"), families.map((name) => [name, name]));
fill($("robust-column"), columnOptions, meanOfAll());
fill($("curve-set"), columnOptions.filter(([i]) => !data.columns[i].mean));
fill($("curve-detector"), data.rows.map((row, i) => [i, row.label]));
const drawn = {};
// Curves lie compressed, those of a test set and its condition together; `loaded` has what was unpacked.
const packed = JSON.parse($("curves").textContent);
const loaded = new Map();
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}
const running = (steps) => { let sum = 0; return steps.map((step) => (sum += step)); };
const curveKey = () => { const column = data.columns[Number($("curve-set").value)]; return column ? `${column.sets[0]}|${data.perturbations[state.perturbation]}` : ""; };
async function loadCurves() {
  const key = curveKey();
  if (loaded.has(key) || !(key in packed)) return;
  const found = (await unpack(packed[key])).map(([row, seed, [fp, tp, real, fake, mean]]) =>
    ({ row, seed, fp: running(fp), tp: running(tp), real, fake, mean: mean.map((value) => (value < 0 ? null : value / 1e4)) }));
  loaded.set(key, found);
}
const curvesOf = (row) => {
  if (!cellAt(row, Number($("curve-set").value))) return [];
  return (loaded.get(curveKey()) || []).filter((curve) => curve.row === row);
};

function chart(id, type, datasets, { labels, x = {}, y = {}, legend = true, box = 2 } = {}) {
  if (drawn[id]) drawn[id].destroy();
  const axis = (more) => ({ ticks: { color: color("--soft") }, grid: { color: color("--line") }, ...more, title: { display: true, color: color("--soft"), ...(more.title || {}) } });
  drawn[id] = new Chart($(id), {
    type,
    data: { labels, datasets },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false, parsing: true,
      interaction: { mode: "nearest", intersect: false },
      scales: { x: axis(x), y: axis(y) },
      plugins: { legend: { display: legend, position: "bottom", labels: { color: color("--text"), boxWidth: 22, boxHeight: box } } },
    },
  });
}
const unit = (text) => ({ type: "linear", min: 0, max: 1, title: { text } });

function drawRobustness(rows) {
  const metric = data.metrics[state.metric];
  const column = Number($("robust-column").value);
  const chosen = data.perturbations.map((name, i) => i).filter((i) => data.perturbations[i] === "none" || data.perturbations[i].split(":")[0] === $("family").value);
  const datasets = rows.map((r) => ({
    label: data.rows[r].label + (data.rows[r].untrained ? ` ${MARK.untrained}` : ""), ...styleOf(r), pointRadius: 3,
    data: chosen.map((p) => { const cell = cellAt(r, column, p); return cell ? cell.value() : null; }),
  }));
  chart("robustness", "line", datasets, { labels: chosen.map((p) => pictures(data.perturbations[p])), y: { title: { text: metric.name } } });
}
async function drawCurves(rows) {
  const key = curveKey();
  await loadCurves();
  if (key !== curveKey()) return; // another set was chosen meanwhile
  const known = rows.flatMap((r) => curvesOf(r).map((curve) => [r, curve]));
  // trainings by several seeds are thin lines of one colour
  const nameOf = (r, curve) => data.rows[r].label + (curve.seed === null ? "" : `, seed ${curve.seed}`);
  const lines = (points) => known.map(([r, curve]) => ({ label: nameOf(r, curve), ...styleOf(r), ...(curve.seed === null ? {} : { borderWidth: 1 }), data: points(curve) }));
  const last = (list) => list[list.length - 1];
  const diagonal = { label: "", data: [{ x: 0, y: 0 }, { x: 1, y: 1 }], borderColor: color("--soft"), borderDash: [4, 4], borderWidth: 1, pointRadius: 0 };
  chart("roc", "line", [...lines((curve) => curve.fp.map((fp, i) => ({ x: fp / last(curve.fp), y: curve.tp[i] / last(curve.tp) }))), diagonal],
    { x: unit("false-positive rate"), y: unit("true-positive rate"), legend: false });
  chart("pr", "line", lines((curve) => curve.tp.map((tp, i) => ({ x: tp / last(curve.tp), y: tp + curve.fp[i] ? tp / (tp + curve.fp[i]) : 1 }))),
    { x: unit("recall"), y: unit("precision"), legend: false });
  chart("calibration", "line", [...lines((curve) => curve.mean.map((mean, i) => ({ x: mean, y: curve.fake[i] / (curve.real[i] + curve.fake[i]) })).filter((point) => point.x !== null)).map((line) => ({ ...line, pointRadius: 3 })), diagonal],
    { x: unit("mean score"), y: unit("share generated"), legend: false });
  $("curve-legend").replaceChildren(...[...new Set(known.map(([r]) => r))].map((r) => {
    const item = make("li", data.rows[r].label + (data.rows[r].untrained ? ` ${MARK.untrained}` : ""));
    const style = styleOf(r);
    item.prepend(make("span", undefined, { class: "swatch", style: `border-top: 3px ${style.borderDash.length ? "dashed" : "solid"} ${style.borderColor}` }));
    return item;
  }));
  drawHistogram();
}
function drawHistogram() {
  const found = curvesOf(Number($("curve-detector").value));
  const bins = found.length ? found[0].real.length : 0;
  const together = (kind) => Array.from({ length: bins }, (_, i) => found.reduce((sum, curve) => sum + curve[kind][i], 0));
  const labels = Array.from({ length: bins }, (_, i) => `${(i / bins).toFixed(2)}–${((i + 1) / bins).toFixed(2)}`);
  const bar = (label, hue, values) => ({ label, data: values, backgroundColor: hue, categoryPercentage: 0.95, barPercentage: 0.95 });
  chart("histogram", "bar", bins ? [bar("real", HUES[0], together("real")), bar("generated", HUES[1], together("fake"))] : [], { labels, x: { title: { text: "score" } }, y: { title: { text: "pictures" }, beginAtZero: true }, box: 12 });
}
const sections = [["heat", drawHeat], ["robustness", drawRobustness], ["roc", drawCurves]];
const inView = new Set();
const redraw = (rows) => { for (const [id, drawer] of sections) if (inView.has(id)) drawer(rows); };
listeners.push(redraw);
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting || inView.has(entry.target.id)) continue;
    inView.add(entry.target.id);
    sections.find(([id]) => id === entry.target.id)[1](visibleRows());
  }
}, { rootMargin: "200px" });
for (const [id] of sections) watcher.observe($(id));
for (const id of ["family", "robust-column"]) $(id).addEventListener("change", () => drawRobustness(visibleRows()));
$("curve-set").addEventListener("change", () => drawCurves(visibleRows()));
$("curve-detector").addEventListener("change", drawHistogram);
if (!families.length) for (const part of [$("robustness").closest("section"), document.querySelector('nav [href="#h-robust"]').parentElement]) part.hidden = true;
