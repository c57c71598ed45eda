// The page works without this. With it a moved slider says where it stands and asks for the view when it is let go, and
// the new view begins where the old one was left: the keyboard goes on from the same field.
"use strict";
const form = document.getElementById("view");
const PLACE = "facegap-explore-place";
const PAUSE_MS = 400;  // between two keys of a field that is moved by the keyboard
let waiting = 0;

function ask() {
  clearTimeout(waiting);
  waiting = setTimeout(() => form.requestSubmit(), PAUSE_MS);
}

for (const slider of form.querySelectorAll("input[type=range]")) {
  const said = document.getElementById(slider.id + "-said");
  let moved = false;
  slider.addEventListener("input", () => { moved = true; said.textContent = Number(slider.value).toFixed(4); });
  slider.addEventListener("change", () => { if (moved) ask(); });
}
for (const select of form.querySelectorAll("select")) {
  select.addEventListener("change", ask);
}
form.addEventListener("submit", () => {
  clearTimeout(waiting);
  sessionStorage.setItem(PLACE, JSON.stringify([document.activeElement.id, scrollY]));
  for (const field of form.querySelectorAll("select, input[type=number]")) {
    if (field.value === "") field.disabled = true;
  }
});

const left = sessionStorage.getItem(PLACE);
if (left !== null) {
  sessionStorage.removeItem(PLACE);
  const [id, height] = JSON.parse(left);
  document.getElementById(id)?.focus({ preventScroll: true });
  scrollTo(0, height);
}
