// Draws each chart of the page from the very spec whose picture stands in its place. No text becomes markup, nothing is
// fetched and no code is made from text: expressions are interpreted (ast), as the page's policy forbids eval.
const LEAST_PLOT_PX = 150, TWO_COLUMNS_PX = 560;

function fitted(spec, roomPx) {
  const plot = spec.spec ?? spec;
  const columns = spec.columns > 1 && roomPx < TWO_COLUMNS_PX ? 1 : spec.columns;
  const widest = roomPx / (columns ?? 1) - spec.usermeta.outside;
  plot.width = Math.max(LEAST_PLOT_PX, Math.min(plot.width, Math.floor(widest)));
  return columns === undefined ? spec : { ...spec, columns };
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
  ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: showTip,
  loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
};

async function draw(figure) {
  const live = figure.querySelector(".live");
  const picture = figure.querySelector("img");
  const spec = JSON.parse(figure.querySelector("script").textContent);
  live.hidden = false;
  try {
    const parent = getComputedStyle(live);
    const room = live.clientWidth - parseFloat(parent.paddingLeft) - parseFloat(parent.paddingRight);
    await vegaEmbed(live, fitted(spec, room), options);
    figure.classList.add("drawn");
  } catch (error) {  // the picture stays
    live.hidden = true;
    figure.dataset.failed = String(error);
  }
}

document.body.append(tip);
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
const drawing = Promise.all([...document.querySelectorAll("figure.chart")].map(draw));
drawing.then(() => { document.documentElement.dataset.charts = "drawn"; });
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
