// What changes while the page is open: told by the server, shown in place. Only a page that is seen listens.
import { refresh, words } from "./page.js";

const AGAIN = 2_000;
const REFUSED = 30_000;
const ALL = "all";

let source = null;
let following = "";
let waiting = null;
let changed = new Set();

const shown = () => [...new Set([...document.querySelectorAll("[data-job]")].map((part) => part.dataset.job))].sort().join();
const concerns = (topics) => (part) => topics.has(ALL) || part.dataset.live.split(" ").some((topic) => topics.has(topic));

function listen() {
  source?.close();
  source = null;
  if (document.hidden || !document.querySelector("[data-live], [data-job], [data-listens]")) return;
  following = shown();
  source = new EventSource(`${document.body.dataset.liveAt}?${new URLSearchParams({ jobs: following })}`);
  source.onmessage = (event) => heard(JSON.parse(event.data));
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED) setTimeout(listen, REFUSED);
  };
}

function heard(told) {
  document.dispatchEvent(new CustomEvent("news", { detail: told }));
  for (const job of told.jobs ?? []) progressed(job);
  for (const topic of told.topics ?? []) changed.add(topic);
  if (changed.size && waiting === null) waiting = setTimeout(again, 0);
}

/** Make the parts anew that what has changed concerns; then not again for a while. */
async function again() {
  const topics = changed;
  changed = new Set();
  await refresh(concerns(topics)).catch(() => undefined);
  waiting = setTimeout(() => {
    waiting = null;
    if (changed.size) waiting = setTimeout(again, 0);
  }, AGAIN);
}

function progressed(job) {
  for (const part of document.querySelectorAll(`[data-job="${CSS.escape(job.id)}"]`)) {
    const bar = part.querySelector("progress");
    if (bar) bar.value = job.percent;
    tell(part, "[data-percent]", job.percent);
    tell(part, "[data-waiting]", job.waiting_for ?? "");
    tell(part, "[data-eta]", job.eta == null ? "" : words.about.replace("{}", span(job.eta)));
  }
}

function tell(part, selector, text) {
  const place = part.querySelector(selector);
  if (place && place.textContent !== String(text)) place.textContent = text;
}

/** Seconds as the server writes them. */
function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)}\u202f${words.s}`;
  const minutes = seconds / 60;
  return minutes < 90 ? `${Math.round(minutes)}\u202f${words.min}` : `${Math.round(minutes / 60)}\u202f${words.h}`;
}

document.addEventListener("visibilitychange", async () => {
  if (!document.hidden) await refresh(() => true).catch(() => undefined);
  listen();
});
document.addEventListener("refreshed", () => {
  if (shown() !== following) listen();
});
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && listen());
listen();
