"use strict";
// Colours, then the first drawing: of what the address asks for.
const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const showTheme = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
$("theme").addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; showTheme(); redraw(visibleRows()); });
// Paper is light, whatever the screen is.
let onScreen;
window.addEventListener("beforeprint", () => { onScreen = document.documentElement.dataset.theme || ""; document.documentElement.dataset.theme = "light"; for (const [id, drawer] of sections) { inView.add(id); drawer(visibleRows()); } });
window.addEventListener("afterprint", () => { document.documentElement.dataset.theme = onScreen; redraw(visibleRows()); });
showTheme();
address.remember();
address.read();
draw();
loadCurves(); // so that they are there when the page is printed
document.documentElement.dataset.drawn = Math.round(performance.now());
