// The keys: / searches, g and a letter goes, j and k walk through a list, x chooses, Esc closes, ? shows them all.

const GOING = 1_500;
const ROWS = "main [data-key], main .media";
let going = 0;

const typing = (target) => target.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

function walk(step) {
  const rows = [...document.querySelectorAll(ROWS)];
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[Math.min(Math.max(now + step, 0), rows.length - 1)];
  (row?.matches("a") ? row : row?.querySelector("a, button"))?.focus();
}

function go(letter) {
  document.querySelector(`[data-go="${CSS.escape(letter)}"]`)?.click();
}

const KEYS = {
  "/": () => document.querySelector('main [type="search"]')?.focus(),
  "?": () => document.getElementById("help")?.showModal(),
  g: () => (going = Date.now()),
  j: () => walk(1),
  k: () => walk(-1),
  x: () => document.activeElement.closest("[data-key]")?.querySelector('[name="ids"]')?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (typing(event.target)) event.target.blur();
    else document.querySelector("#drawer .close")?.click();
    return;
  }
  if (typing(event.target)) return;
  if (Date.now() - going < GOING) {
    going = 0;
    go(event.key);
  } else if (event.key in KEYS) {
    event.preventDefault();
    KEYS[event.key]();
  }
});
