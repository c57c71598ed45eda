// Keys that act at once. The page works without this file: arrows choose, Enter saves, Tab reaches everything.
(function () {
  "use strict";
  var form = document.getElementById("answer");
  var face = document.getElementById("face");
  var keys = document.getElementById("keys");
  var undo = document.querySelector("#undo button");
  var skip = document.getElementById("skip");
  var shown = false;
  var sent = false;

  // A second press meant for the last face must not label this one before it was seen.
  var LEAST_LOOK_MS = 150;
  function look() { window.setTimeout(function () { shown = true; document.body.dataset.ready = "yes"; }, LEAST_LOOK_MS); }
  if (face.tagName !== "IMG" || face.complete) { look(); } else {
    face.addEventListener("load", look);
    face.addEventListener("error", look);
  }

  // Single keys are in the way of some assistive tools, so they can be turned off.
  keys.closest("label").hidden = false;
  try { keys.checked = window.localStorage.getItem("facegap-keys") !== "off"; } catch (error) { keys.checked = true; }
  keys.addEventListener("change", function () {
    try { window.localStorage.setItem("facegap-keys", keys.checked ? "on" : "off"); } catch (error) { return; }
  });

  document.addEventListener("submit", function (event) {
    if (sent) { event.preventDefault(); }
    sent = true;
  });
  window.addEventListener("pageshow", function (event) {
    sent = false;
    if (event.persisted) { window.location.reload(); }  // kept by the browser: it may be long answered
  });

  document.addEventListener("keydown", function (event) {
    var writing = event.target.matches("input[type=text], input[type=password]");
    if (!keys.checked || !shown || sent || writing || event.repeat) { return; }
    if (event.ctrlKey || event.altKey || event.metaKey) { return; }
    var choice = /^[0-9]$/.test(event.key) ? form.querySelector("[data-key='" + event.key + "']") : null;
    if (choice) {
      choice.checked = true;
      form.requestSubmit(document.getElementById("send"));
    } else if (event.key.toLowerCase() === "u" && !undo.disabled) {
      undo.form.requestSubmit(undo);
    } else if (event.key.toLowerCase() === "s") {
      skip.open = true;
      skip.querySelector("button").focus();
    } else {
      return;
    }
    event.preventDefault();
  });
})();
