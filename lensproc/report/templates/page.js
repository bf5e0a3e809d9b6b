"use strict";
const table = document.getElementById("cutouts");
const body = table.tBodies[0];
const panels = document.getElementById("panels");
const filters = document.getElementById("filters");
const headings = [...table.tHead.rows[0].cells];

const asWorstFirst = [...body.rows];

// numbers before words, and what is not measured last whichever way it is sorted
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const x = Number(a), y = Number(b);
  if (!Number.isNaN(x) && !Number.isNaN(y)) return sign * (x - y);
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return sign * a.localeCompare(b, undefined, { numeric: true });
}

function place(rows) {
  body.append(...rows);
  panels.append(...rows.map((row) => document.getElementById(row.dataset.panel)).filter(Boolean));
}

function sortBy(column, direction) {
  const sign = direction === "descending" ? -1 : 1;
  const value = (row) => row.cells[column].dataset.v;
  headings.forEach((heading, i) => heading.setAttribute("aria-sort", i === column ? direction : "none"));
  place([...asWorstFirst].sort((a, b) => compare(value(a), value(b), sign)));
}

function filterRows() {
  const chosen = new FormData(filters);
  const status = chosen.getAll("stat");
  const find = chosen.get("find").trim().toLowerCase();
  const verdict = chosen.get("verdict");
  let count = 0;
  for (const row of body.rows) {
    const seen = status.includes(row.dataset.stat)
      && row.cells[0].textContent.toLowerCase().includes(find)
      && (!verdict || row.dataset.verdicts.split(" ").includes(verdict));
    row.hidden = !seen;
    count += seen;
    const panel = document.getElementById(row.dataset.panel);
    if (panel) panel.hidden = !seen;
  }
  document.getElementById("visible").value = `${count} of ${body.rows.length}`;
}

function applyAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (asked.has("sort")) {
    const column = headings.findIndex((heading) => heading.dataset.name === asked.get("sort"));
    if (column >= 0) sortBy(column, asked.get("order") === "desc" ? "descending" : "ascending");
  }
  if (asked.has("stat")) {
    const wanted = asked.get("stat").split(",");
    for (const box of filters.querySelectorAll("[name=stat]")) box.checked = wanted.includes(box.value);
  }
  if (asked.has("find")) filters.elements.find.value = asked.get("find");
  if (asked.has("verdict")) filters.elements.verdict.value = asked.get("verdict");
  filterRows();
}

headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
  sortBy(column, heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
}));
filters.addEventListener("input", filterRows);
filters.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", applyAddress);

document.getElementById("show-sources").addEventListener("change", (event) => {
  panels.classList.toggle("no-sources", !event.target.checked);
});
document.getElementById("large").addEventListener("change", (event) => {
  panels.classList.toggle("large", event.target.checked);
});

for (const button of document.querySelectorAll(".blink")) {
  const [first, second] = button.closest("article").querySelectorAll("figure");
  const [before, after] = [first?.querySelector("img"), second?.querySelector("img")];
  if (!before || !after) {
    button.hidden = true;
    continue;
  }
  const images = [after.src, before.src];
  const caption = second.querySelector("figcaption");
  const names = [caption.textContent, first.querySelector("figcaption").textContent];
  let timer = 0, turn = 0;
  const show = (i) => { after.src = images[i]; caption.textContent = names[i]; };
  button.addEventListener("click", () => {
    clearInterval(timer);
    const start = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(start));
    turn = 0;
    show(0);
    if (start) timer = setInterval(() => show(turn ^= 1), 700);
  });
}

applyAddress();
document.documentElement.dataset.ready = "true";
