// What every page of the panel does with a script; each part works on what a page has, and no part knows a page.
import "./forms.js";
import "./keyboard.js";
import "./pieces.js";
import "./times.js";
import "./visit.js";
import "./live.js";

document.documentElement.classList.add("scripted");
