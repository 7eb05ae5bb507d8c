// The page: its two parts, its address, its keys, and the clock that drives them.

const pageColour = () => {
  const text = theme.page.replace("#", "");
  return [0, 2, 4].map((i) => parseInt(text.slice(i, i + 2), 16));
};

const page = {
  state: stateOf(location.hash.slice(1)),
  parts: null,
  /// The state has changed: so does the address, once the hand is still (browsers limit how often it may).
  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.writeAddress(), 250);
  },
  writeAddress() {
    const address = addressOf(this.state);
    if (location.hash.slice(1) !== address) history.replaceState(null, "", `#${address}`);
  },
  replace(state) {
    this.state = state;
    this.show();
    this.writeAddress();
  },
  show() {
    const network = this.state.tab === "network";
    for (const [tab, on] of [["surface", !network], ["network", network]]) {
      byId(tab).hidden = !on;
      byId(`tab-${tab}`).setAttribute("aria-selected", on);
      byId(`tab-${tab}`).tabIndex = on ? 0 : -1;
    }
    if (network) this.parts.surface.play(false), this.parts.network.load();
    else this.parts.network.play(false), this.parts.surface.load();
  },
};

function tabTo(tab) {
  if (page.state.tab === tab) return;
  page.state.tab = tab;
  page.show();
  page.changed();
  byId(`tab-${tab}`).focus();
}

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("program").open) return;
    if (["INPUT", "SELECT", "TEXTAREA", "SUMMARY", "A"].includes(event.target.tagName)) return;
    const part = page.parts[page.state.tab];
    const onButton = event.target.tagName === "BUTTON"; // space presses it
    if (event.target.getAttribute?.("role") === "tab") {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") tabTo(page.state.tab === "surface" ? "network" : "surface");
      else return;
    } else if (event.key === " " && !onButton) part.play(!part.playing);
    else if (event.key === "ArrowRight") part.stepOnce();
    else if (event.key === "ArrowLeft" && part.show) part.show(part.shown - 1);
    else if (event.key === "Home") part.rewind();
    else return;
    event.preventDefault();
  });
}

async function start() {
  readTheme();
  let minima;
  try {
    minima = await startMinima();
  } catch (problem) {
    byId("trouble").hidden = false;
    byId("trouble").textContent = `minima does not start in this browser (${problem.message}). It needs one from 2023 or later, with WebAssembly exceptions and DecompressionStream.`;
    return;
  }
  page.parts = { surface: new SurfaceLab(minima, page), network: new NetworkLab(minima, page) };
  for (const tab of ["surface", "network"]) byId(`tab-${tab}`).onclick = () => tabTo(tab);
  byId("close-program").onclick = () => byId("program").close();
  byId("copy-program").onclick = () => copied(byId("copy-program"), byId("program-text").textContent);
  window.addEventListener("hashchange", () => {
    if (location.hash.slice(1) !== addressOf(page.state)) page.replace(stateOf(location.hash.slice(1)));
  });
  const redraw = () => {
    readTheme();
    const { surface, network } = page.parts;
    surface.sized = `${innerWidth}x${innerHeight} ${theme.page}`;
    surface.groundChanged = network.changed = true;
    for (const map of surface.maps) map.fresh = true;
    for (const t of network.trainees) t.stale = true;
  };
  window.addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  listenToKeys();
  page.show();
  let before = performance.now();
  const tickFrame = (now) => {
    if (page.state.tab === "surface") page.parts.surface.frame((now - before) / 1000);
    else page.parts.network.frameTick();
    before = now;
    requestAnimationFrame(tickFrame);
  };
  requestAnimationFrame(tickFrame);
  // for tests, and for the curious
  window.playground = { page, minima, lessons, networkLessons, figuresOf, stateOf, addressOf, stateOfLesson, stateOfNetworkLesson, surfaceProgram, networkProgram, freshState, Walk };
  document.documentElement.dataset.ready = "";
}
start();
