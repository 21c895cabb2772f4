"use strict";

// Filters and sorts the entries. The page is complete without this script.
const list = document.getElementById("entries");
const entries = [...list.children];
const find = document.getElementById("find");
const sort = document.getElementById("sort");
const reverse = document.getElementById("reverse");
const count = document.getElementById("count");
const nothing = document.getElementById("nothing");
const controls = document.querySelector("form");
const texts = new Map(entries.map((entry) => [entry, textOf(entry)]));
const places = new Map(entries.map((entry, place) => [entry, place])); // failures come first
const names = new Intl.Collator(undefined, { numeric: true });

// Names ascend; amounts descend, so that the largest come first.
const orders = {
  order: (a, b) => places.get(a) - places.get(b),
  name: (a, b) => names.compare(a.dataset.name, b.dataset.name),
  ...Object.fromEntries(
    ["seconds", "bytes", "samples", "growth"].map((key) => [key, (a, b) => b.dataset[key] - a.dataset[key]]),
  ),
};

function textOf(entry) {
  const parts = entry.querySelectorAll("h2, .output, .error, .warnings li, dd");
  return [...parts].map((part) => part.textContent.toLowerCase()).join("\n");
}

function belongs(entry, show) {
  return show === "all" || entry.dataset.status === show || (show === "warned" && entry.dataset.warned === "yes");
}

function filter() {
  const show = controls.elements.show.value;
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const entry of entries) {
    entry.hidden = !(belongs(entry, show) && words.every((word) => texts.get(entry).includes(word)));
    shown += !entry.hidden;
  }
  nothing.hidden = shown > 0;
  const all = entries.length === 1 ? "1 file" : `${entries.length} files`;
  count.textContent = shown === entries.length ? all : `${shown} of ${all}`;
}

function isReversed() {
  return reverse.getAttribute("aria-pressed") === "true";
}

function arrange() {
  const sorted = [...entries].sort((a, b) => orders[sort.value](a, b) || orders.order(a, b));
  list.append(...(isReversed() ? sorted.reverse() : sorted));
}

controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("change", (event) => (event.target === sort ? arrange() : filter()));
find.addEventListener("input", filter);
reverse.addEventListener("click", () => {
  reverse.setAttribute("aria-pressed", !isReversed());
  arrange();
});
document.getElementById("clear").addEventListener("click", () => {
  controls.reset();
  filter();
  arrange();
  find.focus();
});
