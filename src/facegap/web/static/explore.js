// The page works without this. With it a moved slider says where it stands and asks for the view when it is let go.
"use strict";
const form = document.getElementById("view");
for (const slider of form.querySelectorAll("input[type=range]")) {
  const said = document.getElementById(slider.id + "-said");
  let moved = false;
  slider.addEventListener("input", () => { moved = true; said.textContent = Number(slider.value).toFixed(4); });
  slider.addEventListener("change", () => { if (moved) form.requestSubmit(); });
}
for (const select of form.querySelectorAll("select")) {
  select.addEventListener("change", () => form.requestSubmit());
}
form.addEventListener("submit", () => {
  for (const field of form.querySelectorAll("select, input[type=number]")) {
    if (field.value === "") field.disabled = true;
  }
});
