"use strict";
// Ranks, worst case, paired comparisons, and threshold or signal, for what the table shows.
const columnOptions = data.columns.map((column, i) => [i, columnName(column)]);
fill($("pair-column"), columnOptions, meanOfAll());
fill($("loss-column"), columnOptions, meanOfAll());
const pairIndex = new Map();
for (const pair of data.pairs) {
  const key = pair.slice(0, 3).join();
  if (!pairIndex.has(key)) pairIndex.set(key, []);
  pairIndex.get(key).push(pair);
}
if (!data.pairs.some((pair) => pair[2] === meanOfAll()) && data.pairs.length) $("pair-column").value = data.pairs[0][2];
const PREFERRED = ["DeLong", "McNemar", "paired bootstrap"];

function drawRanks() {
  const found = data.ranks[state.metric][state.perturbation];
  const order = found.labels.map((label, i) => [found.ranks[i], label]).sort((a, b) => a[0] - b[0]);
  let text = order.length > 1 ? `Mean rank over ${found.sets} test set${found.sets > 1 ? "s" : ""}: ${order.map(([rank, label]) => `${label} ${rank.toFixed(2)}`).join(", ")}. ` : "";
  text += found.w === null ? `No test of the ranks: ${found.reason}.` : `Friedman χ² = ${found.friedman.toFixed(2)}, p = ${found.p.toPrecision(2)}; Kendall's W = ${found.w.toFixed(2)} (agreement of the sets, 0 to 1).`;
  if (found.left_out.length) text += ` Left out as untrained or incomplete: ${found.left_out.join(", ")}.`;
  $("ranks").textContent = text;
}
function drawStandings(shown) {
  const all = data.standings[state.metric][state.perturbation];
  const head = make("thead");
  const names = make("tr");
  names.append(...["over all test sets", ...data.headings].map((text) => make("th", text, { scope: "col" })));
  head.append(names);
  const bodies = all.map((found) => {
    const body = make("tbody");
    const title = make("tr");
    title.append(make("th", `${found.sets} test sets`, { scope: "rowgroup", colspan: 1 + data.headings.length }));
    body.append(title);
    for (const [r, ...texts] of found.rows.filter(([r]) => shown.includes(r))) {
      const row = data.rows[r];
      const line = make("tr", undefined, row.untrained ? { class: "untrained" } : {});
      line.append(make("th", row.label + (row.untrained ? ` ${MARK.untrained}` : ""), { scope: "row" }), ...texts.map((text) => make("td", text)));
      body.append(line);
    }
    return body;
  });
  $("standings").replaceChildren(...(all.length ? [head, ...bodies] : [make("caption", "Needs a mean over two test sets or more.")]));
}
function drawPairs() {
  const found = pairIndex.get([state.metric, state.perturbation, $("pair-column").value].join()) || [];
  if (!found.length) {
    const line = make("tr");
    line.append(make("td", "No comparison here: it needs two trained, complete detectors on the same pictures, and intervals or the metrics acc or auroc. leaderboard.comparisons.csv lists all that were made.", { class: "said" }));
    $("pairs").replaceChildren(line);
    return;
  }
  const test = PREFERRED.find((name) => found.some((pair) => pair[3] === name));
  const chosen = found.filter((pair) => pair[3] === test);
  const rows = [...new Set(chosen.flatMap((pair) => [pair[4], pair[5]]))].sort((a, b) => a - b);
  const known = new Map();
  for (const pair of chosen) {
    // the share of resamples is the bootstrap's, whichever test decides
    const resampled = found.find((one) => one[4] === pair[4] && one[5] === pair[5] && one[10] !== null);
    const part = (value) => (value === null ? null : value / scale);
    const flip = (value) => (value === null ? null : -value / scale);
    const holds = resampled ? part(resampled[10]) : null;
    known.set(`${pair[4]},${pair[5]}`, [part(pair[6]), part(pair[7]), part(pair[8]), part(pair[9]), holds]);
    known.set(`${pair[5]},${pair[4]}`, [flip(pair[6]), flip(pair[8]), flip(pair[7]), part(pair[9]), holds]);
  }
  const head = make("thead");
  const names = make("tr");
  names.append(make("th", test), ...rows.map((r) => make("th", data.rows[r].label, { scope: "col" })));
  head.append(names);
  const body = make("tbody");
  for (const a of rows) {
    const line = make("tr");
    line.append(make("th", data.rows[a].label, { scope: "row" }));
    for (const b of rows) {
      const pair = known.get(`${a},${b}`);
      const box = make("td");
      if (pair) {
        const alike = pair[3] !== null && pair[3] >= data.alpha;
        box.textContent = `${pair[0] >= 0 ? "+" : "−"}${fixed(Math.abs(pair[0]))}${alike ? " =" : ""}`;
        box.title = `${data.rows[a].label} − ${data.rows[b].label}: ${fixed(pair[0])}${pair[1] === null ? "" : `, 95 % interval ${fixed(pair[1])} to ${fixed(pair[2])}`}, corrected p ${pair[3] === null ? "unknown" : pair[3] < 0.0001 ? "< 0.0001" : pair[3].toFixed(4)}${pair[4] === null ? "" : `, this order in ${(100 * pair[4]).toFixed(1)} % of resamples`}`;
        const better = data.metrics[state.metric].higher ? pair[0] > 0 : pair[0] < 0;
        if (!alike && pair[3] !== null && better) box.className = "best";
      }
      line.append(box);
    }
    body.append(line);
  }
  $("pairs").replaceChildren(head, body);
}
function drawLosses(rows) {
  const [acc, best, auroc] = ["acc", "acc_best_threshold", "auroc"].map((name) => data.metrics.findIndex((metric) => metric.name === name));
  const column = Number($("loss-column").value);
  const head = make("thead");
  const names = make("tr");
  names.append(...["detector", "acc", "lost to the threshold", "by chance", "lost to missing signal", "auroc"].map((text) => make("th", text, { scope: "col" })));
  head.append(names);
  const body = make("tbody");
  for (const r of rows) {
    const cell = cellAt(r, column);
    if (!cell || [acc, best, auroc].some((metric) => metric < 0 || cell.value(metric) === null)) continue;
    const line = make("tr", undefined, data.rows[r].untrained ? { class: "untrained" } : {});
    const numbers = [cell.value(acc), cell.value(best) - cell.value(acc), cell.noise, 1 - cell.value(best), cell.value(auroc)];
    line.append(make("th", data.rows[r].label + (data.rows[r].untrained ? ` ${MARK.untrained}` : ""), { scope: "row" }), ...numbers.map((value) => make("td", fixed(value))));
    body.append(line);
  }
  $("losses").replaceChildren(head, body);
}
$("pair-column").addEventListener("change", drawPairs);
$("loss-column").addEventListener("change", () => drawLosses(visibleRows()));
listeners.push(drawRanks, drawStandings, drawPairs, drawLosses);
