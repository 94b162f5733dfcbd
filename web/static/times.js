// Moments, kept as seen from now; the exact one, in the reader's own zone, is shown by a pointer.

const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const EVERY = 10_000;
const said = new Intl.RelativeTimeFormat(document.documentElement.lang);

function tell() {
  for (const time of document.querySelectorAll("time.ago")) {
    const at = new Date(time.dateTime);
    const away = Math.round((at - Date.now()) / 1000);
    const [unit, seconds] = UNITS.find(([, each]) => Math.abs(away) >= each) ?? UNITS.at(-1);
    const text = said.format(Math.round(away / seconds) || -0, unit);
    if (time.textContent !== text) time.textContent = text;
    time.title = at.toLocaleString(document.documentElement.lang);
  }
}

setInterval(tell, EVERY);
document.addEventListener("refreshed", tell);
tell();
