// Streams what the service sees into the page. Without this script the page reloads itself.
"use strict";

const state = document.getElementById("state");
const seen = document.getElementById("seen");
const RELOAD_AFTER = 5000;
const ANNOUNCED_FOR = 4000;

function showLocalTimes() {
  for (const time of document.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString();
  }
}

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

// Said anew each time, for those who hear it: a text that stays the same is not read out again.
let quiet = 0;
function announce() {
  clearTimeout(quiet);
  say(state.dataset.new);
  quiet = setTimeout(() => { if (state.textContent === state.dataset.new) say(state.dataset.live); }, ANNOUNCED_FOR);
}

// Stories and their stages; a hint for who still waits is nothing new.
function count() {
  return seen.querySelectorAll(".story, .stages > li").length;
}

// A reload that fails would leave the browser at an error page, from which nothing comes back.
async function reloadWhenThere(wasAway) {
  const isThere = await fetch(location.href, { method: "HEAD", cache: "no-store" }).then((answer) => answer.ok, () => false);
  if (isThere && wasAway) {
    location.reload();
    return;
  }
  say(isThere ? state.dataset.full : state.dataset.lost);
  setTimeout(() => { if (isThere) location.reload(); else reloadWhenThere(true); }, RELOAD_AFTER);
}

let first = true;
let failures = 0;
const stream = new EventSource(state.dataset.events);

stream.addEventListener("open", () => { failures = 0; say(state.dataset.live); });
stream.addEventListener("seen", (event) => {
  const before = count();
  seen.innerHTML = event.data; // made by the service's own template, escaped there
  showLocalTimes();
  if (!first && count() > before) announce();
  first = false;
});
stream.addEventListener("over", () => { stream.close(); say(state.dataset.over); });
stream.addEventListener("error", () => {
  failures += 1;
  if (stream.readyState === EventSource.CLOSED || failures > 5) { // there is no place, or no service
    stream.close();
    reloadWhenThere(false);
  } else {
    say(state.dataset.lost);
  }
});
showLocalTimes();
