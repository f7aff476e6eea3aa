// Streams what the service sees into the page. Without this script the page reloads itself.
"use strict";

const state = document.getElementById("state");
const seen = document.getElementById("seen");
const RELOAD_AFTER = 5000;

function showLocalTimes() {
  for (const time of document.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString();
  }
}

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

let first = true;
let failures = 0;
const stream = new EventSource(state.dataset.events);

stream.addEventListener("open", () => { failures = 0; say(state.dataset.live); });
stream.addEventListener("seen", (event) => {
  const grew = seen.querySelectorAll("li, h2").length;
  seen.innerHTML = event.data; // made by the service's own template, escaped there
  showLocalTimes();
  if (!first && seen.querySelectorAll("li, h2").length !== grew) say(state.dataset.new);
  first = false;
});
stream.addEventListener("over", () => { stream.close(); say(state.dataset.over); });
stream.addEventListener("error", () => {
  failures += 1;
  if (stream.readyState === EventSource.CLOSED || failures > 5) { // refused: there is no place
    stream.close();
    say(state.dataset.full);
    setTimeout(() => location.reload(), RELOAD_AFTER);
  } else {
    say(state.dataset.lost);
  }
});
showLocalTimes();
