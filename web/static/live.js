// What changes while the page is open: told by the server, shown in place. Only a page that is seen listens; of all tabs one
// has the stream, and tells the others.
import { refresh, words } from "./page.js";

const AGAIN = 2_000;
const REFUSED = 30_000;
const ALL = "all";
const MOST_JOBS = 100;
const LOCK = "sora2api live";

const me = String(Math.random());
const tabs = new BroadcastChannel(LOCK);
const others = new Map();
let source = null;
let following = "";
let turn = null;
let leave = null;
let waiting = null;
let changed = new Set();
const heardAt = new Map();

const shown = () => [...new Set([...document.querySelectorAll("[data-job]")].map((part) => part.dataset.job))].sort().join();
const concerns = (topics) => (part) => topics.has(ALL) || part.dataset.live.split(" ").some((topic) => topics.has(topic));

/** Begin to listen, for the jobs that the page shows now; or leave off, where nobody sees it. */
function listen() {
  const seen = !document.hidden && document.querySelector("[data-live], [data-job], [data-listens]");
  following = seen ? shown() : "";
  share();
  if (!seen) stop();
  else if (leave) open();
  else if (!turn) queue();
}

function stop() {
  turn?.abort();
  leave?.();
  end(source);
  source = turn = leave = null;
}

/** Wait to be the one tab that has the stream. Where the browser has no locks, each tab has its own. */
function queue() {
  turn = new AbortController();
  if (!navigator.locks) return lead();
  const { signal } = turn;
  const since = performance.now();
  navigator.locks.request(LOCK, { signal }, () => {
    if (signal.aborted) return undefined;
    if (performance.now() - since > AGAIN) heard({ topics: [ALL] }); // nobody has told what happened in between
    return new Promise(lead);
  }).catch((error) => {
    if (error.name !== "AbortError") throw error;
  });
}

function lead(done = () => undefined) {
  leave = done;
  others.clear();
  tabs.postMessage({ who: me });
  open();
}

/** The old stream goes when the new one is there, so that nothing is missed in between. */
function open() {
  const jobs = [...new Set([following, ...others.values()].join().split(",").filter(Boolean))].slice(0, MOST_JOBS).join();
  const stream = new EventSource(`${document.body.dataset.liveAt}?${new URLSearchParams({ jobs })}`);
  stream.before = source;
  source = stream;
  stream.onopen = () => {
    end(stream.before);
    stream.before = null;
  };
  stream.onmessage = (event) => {
    const told = JSON.parse(event.data);
    tabs.postMessage({ told });
    heard(told);
  };
  stream.onerror = () => {
    if (stream === source && stream.readyState === EventSource.CLOSED) setTimeout(refused, REFUSED);
  };
}

function end(stream) {
  if (stream?.before) end(stream.before);
  stream?.close();
}

/** The login has as many streams as it may: look from time to time instead. */
function refused() {
  heard({ topics: [ALL] });
  listen();
}

const share = () => tabs.postMessage({ tab: me, jobs: following });

tabs.onmessage = ({ data }) => {
  if (data.told && turn && !leave) heard(data.told);
  if (data.who) share();
  if (data.tab && leave && (others.get(data.tab) ?? "") !== data.jobs) {
    others.set(data.tab, data.jobs);
    open();
  }
};

function heard(told) {
  document.dispatchEvent(new CustomEvent("news", { detail: told }));
  for (const job of told.jobs ?? []) progressed(job);
  for (const topic of told.topics ?? []) {
    changed.add(topic);
    heardAt.set(topic, performance.now());
  }
  soon();
}

function soon() {
  if (changed.size && waiting === null) waiting = setTimeout(again, 0);
}

/** Make the parts anew that what has changed concerns; then not again for a while. */
async function again() {
  const topics = changed;
  changed = new Set();
  await refresh(concerns(topics)).catch(() => undefined);
  waiting = setTimeout(() => {
    waiting = null;
    soon();
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
document.addEventListener("refreshed", ({ detail: since }) => {
  for (const [topic, at] of heardAt) if (at > since) changed.add(topic); // what is shown may be from before that
  soon();
  if (shown() !== following) listen();
});
addEventListener("pagehide", () => {
  following = "";
  share();
  stop();
});
addEventListener("pageshow", (event) => event.persisted && listen());
listen();
