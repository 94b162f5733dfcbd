// What pieces do under a pointer: ids and code that are copied, rows that are chosen, pictures that play, charts that tell their values.
import { words } from "./page.js";

const SAID = 1_500;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-code]");
  if (!button) return;
  const code = [...(button.closest(".code")?.querySelectorAll("pre") ?? [])].find((block) => block.checkVisibility());
  await navigator.clipboard.writeText(button.dataset.copy ?? code.textContent);
  const place = button.querySelector("code") ?? button;
  if (place.dataset.before === undefined) place.dataset.before = place.textContent;
  place.textContent = words.copied;
  setTimeout(() => {
    place.textContent = place.dataset.before;
    delete place.dataset.before;
  }, SAID);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    const rows = event.target.closest("table").querySelectorAll('[name="ids"]');
    for (const box of rows) box.checked = event.target.checked;
  }
  if (event.target.matches('[data-all], [name="ids"]')) count();
});
document.addEventListener("refreshed", count);

function count() {
  const said = document.querySelector("[data-chosen]");
  if (said) said.textContent = document.querySelectorAll('[name="ids"]:checked').length;
}

document.addEventListener("pointerover", (event) => {
  const card = event.target.closest?.("[data-clip]");
  if (!card || card.querySelector("video") || event.pointerType === "touch") return;
  const video = Object.assign(document.createElement("video"), { src: card.dataset.clip, muted: true, loop: true, autoplay: true });
  video.dataset.own = "";
  card.querySelector(".frame").append(video);
  card.addEventListener("pointerleave", () => video.remove(), { once: true });
});

// Over a chart: the row of its table that lies under the pointer.
document.addEventListener("pointermove", ({ target, clientX }) => {
  const plot = target.closest?.(".plot");
  if (!plot) return;
  const table = plot.closest("figure").querySelector("table");
  const { left, width } = plot.getBoundingClientRect();
  const row = table.tBodies[0].rows[Math.floor(((clientX - left) / width) * table.tBodies[0].rows.length)];
  if (!row) return;
  const [label, ...values] = [...row.cells].map((cell) => cell.textContent);
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
  plot.title = [label, ...names.map((name, at) => `${name}: ${values[at]}`)].join("\n");
});
