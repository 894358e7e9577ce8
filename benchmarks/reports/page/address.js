"use strict";
// What is selected stands in the address, so that every view is a link and the back button goes to the one before.
const CONTROLS = {
  metric: "metric", pictures: "perturbation", detectors: "find-detector", sets: "find-set", intervals: "intervals", all: "unranked",
  compare: "pair-column", loss: "loss-column", family: "family", over: "robust-column", set: "curve-set", histogram: "curve-detector",
};
const nameOfSort = (key) => (key === null ? "" : key === "name" ? "detector" : columnName(data.columns[key]));
const address = {
  first: new Map(), // what each control shows on a page that was opened without a selection
  shown(id) {
    const control = $(id);
    if (control.type === "checkbox") return control.checked ? "yes" : "no";
    return control.tagName === "SELECT" ? (control.selectedOptions[0] || { text: "" }).text : control.value;
  },
  set(id, text) {
    const control = $(id);
    if (control.type === "checkbox") control.checked = text === "yes";
    else if (control.tagName !== "SELECT") control.value = text;
    else { const option = [...control.options].find((one) => one.text === text); if (option) control.value = option.value; }
  },
  remember() {
    for (const id of Object.values(CONTROLS)) this.first.set(id, this.shown(id));
    this.first.set("sort", state.sort);
  },
  text() {
    const chosen = new URLSearchParams();
    for (const [key, id] of Object.entries(CONTROLS)) if (this.shown(id) !== this.first.get(id)) chosen.set(key, this.shown(id));
    for (const group of state.hidden) chosen.append("without", group);
    const usual = state.sort === "name" || !data.metrics[state.metric].higher;
    if (state.sort !== this.first.get("sort") || state.ascending !== usual) {
      chosen.set("sort", nameOfSort(state.sort));
      chosen.set("order", state.ascending ? "ascending" : "descending");
    }
    for (const [id, order] of tableOrders) chosen.set(id, order);
    return chosen.toString();
  },
  // push: a view of its own; otherwise the one that is shown takes on the new address
  push() { if (`#${this.text()}` !== (location.hash || "#")) location.hash = this.text(); },
  replace() { if (`#${this.text()}` !== (location.hash || "#")) location.replace(`#${this.text()}`); },
  read() {
    if (/^#[^=]+$/.test(location.hash)) return; // a place on the page
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const [key, id] of Object.entries(CONTROLS)) this.set(id, chosen.has(key) ? chosen.get(key) : this.first.get(id));
    state.metric = Number($("metric").value);
    state.perturbation = Number($("perturbation").value);
    state.hidden = new Set(chosen.getAll("without"));
    for (const box of document.querySelectorAll("#groups input")) box.checked = !state.hidden.has(box.value);
    const keys = [null, "name", ...data.columns.keys()];
    state.sort = chosen.has("sort") ? keys.find((key) => nameOfSort(key) === chosen.get("sort")) ?? null : this.first.get("sort");
    state.ascending = chosen.has("order") ? chosen.get("order") === "ascending" : state.sort === "name" || !data.metrics[state.metric].higher;
    $("board").classList.toggle("show-ci", $("intervals").checked);
    for (const [id, sort] of sortable) sort(chosen.get(id) || "");
  },
};
for (const id of Object.values(CONTROLS)) {
  const typed = $(id).type === "search";
  $(id).addEventListener(typed ? "input" : "change", () => (typed ? address.replace() : address.push()));
}
$("groups").addEventListener("change", () => address.push());
window.addEventListener("hashchange", () => {
  if (location.hash.slice(1) === address.text()) return; // our own doing
  address.read();
  draw();
});
