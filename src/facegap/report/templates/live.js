// Draws each chart of the page from the very spec whose picture stands in its place. No text becomes markup, nothing is
// fetched and no code is made from text: expressions are interpreted (ast), as the page's policy forbids eval.
const TWO_COLUMNS_PX = 560, LABEL_SHARE = 0.42, CELL_OF_NUMBER_PX = 30, MOST_TURNS = 2;

// The chart as wide as it is meant to be, or as narrow as the room asks for: what stands around the plots is measured.
async function drawWithin(live, spec, roomPx) {
  const plot = spec.spec ?? spec, axis = spec.config.axis, least = spec.usermeta.least;
  spec.padding = 4;  // the picture's slack is for fonts of other machines; here they are measured
  if (roomPx < TWO_COLUMNS_PX) {
    if (spec.columns > 1) spec.columns = 1;
    spec.config.legend.columns = 1;
    axis.labelLimit = Math.min(axis.labelLimit, Math.round(roomPx * LABEL_SHARE));
    if (spec.usermeta.outside) plot.width = Math.max(least, Math.min(plot.width, roomPx - spec.usermeta.outside));
  }
  await vegaEmbed(live, spec, options);
  for (let turn = 0; turn < MOST_TURNS; turn++) {  // labels may take another room once the plot is narrower
    const excess = live.querySelector("svg").getBoundingClientRect().width - roomPx;
    const width = Math.max(least, Math.floor(plot.width - excess / (spec.columns ?? 1)));
    if (excess <= 0 || width >= plot.width) return;
    plot.width = width;
    const cells = spec.usermeta.cells;  // of a heat map: a cell too narrow for its number shows its colour alone
    if (cells && width / cells < CELL_OF_NUMBER_PX) plot.layer = plot.layer.filter((layer) => layer.mark.type !== "text");
    await vegaEmbed(live, spec, options);
  }
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

const tip = document.createElement("table");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("role", "tooltip");

function showTip(handler, event, item, value) {
  tip.hidden = value === null || value === undefined || typeof value !== "object";
  if (tip.hidden) return;
  tip.replaceChildren(...Object.entries(value).map(([name, said]) => {
    const row = document.createElement("tr");
    row.append(element("th", name), element("td", said));
    return row;
  }));
  const { clientWidth, clientHeight } = document.documentElement;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, clientWidth - tip.offsetWidth - 4))}px`;
  const below = event.clientY + 16;
  tip.style.top = `${below + tip.offsetHeight < clientHeight ? below : Math.max(4, event.clientY - tip.offsetHeight - 12)}px`;
}

const refuse = () => Promise.reject(new Error("a chart of this page loads nothing"));
const options = {
  ast: true, logLevel: 1, renderer: "svg", actions: false, defaultStyle: false, tooltip: showTip,
  loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
};

async function draw(figure) {
  const live = figure.querySelector(".live");
  const spec = JSON.parse(figure.querySelector("script").textContent);
  if (!live.hidden) return;
  live.hidden = false;
  try {
    await drawWithin(live, spec, live.clientWidth);
    figure.classList.add("drawn");
  } catch (error) {  // the picture stays
    live.hidden = true;
    figure.dataset.failed = String(error);
  }
}

document.body.append(tip);
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
// What is folded has no width yet: it is drawn when it is opened.
const figures = [...document.querySelectorAll("figure.chart")];
const isFolded = (figure) => figure.closest("details:not([open])");
for (const folded of document.querySelectorAll("details")) {
  folded.addEventListener("toggle", () => {
    for (const figure of folded.querySelectorAll("figure.chart:not(.drawn)")) if (!isFolded(figure)) draw(figure);
  });
}
const drawing = Promise.all(figures.filter((figure) => !isFolded(figure)).map(draw));
drawing.then(() => { document.documentElement.dataset.charts = "drawn"; });
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
