// What the person has chosen, with its bounds, and the page's address, which holds it. A control, a value in an address
// and a preset all pass through bounded(): none of them can be beyond what the control offers.

const optimizers = {
  gd: { name: "Gradient descent", mark: "circle" },
  momentum: { name: "Momentum (SGD)", mark: "square" },
  nesterov: { name: "Nesterov", mark: "up" },
  adam: { name: "Adam", mark: "diamond" },
  adamw: { name: "AdamW", mark: "down" },
  sam: { name: "SAM", mark: "plus", gradients: 2 },
  msam: { name: "MSAM", mark: "star" },
  "msam-nesterov": { name: "MSAM with rho = lr · m · |v|", mark: "ring" },
};

const surfaceNames = {
  valley: "Valley, (w1 w2 − 1)² / 2",
  "noisy-valley": "Valley with a noisy label",
  bowl: "Bowl",
  rosenbrock: "Rosenbrock",
  beale: "Beale",
  saddle: "Saddle",
  formula: "Your own formula",
};
const dataNames = { moons: "Two moons", spirals: "Spirals", blobs: "Blobs", digits: "Digits, 8 × 8", table: "Your own CSV" };

const number = (name, low, high, usual, more = {}) => ({ kind: "number", name, low, high, usual, ...more });
const choice = (name, values, usual, more = {}) => ({ kind: "choice", name, values, usual, ...more });

/// The settings of optimizers on surfaces; of each of two where there are two.
const settingControls = {
  lr: number("learning rate, lr", 1e-4, 5, 0.02, { logarithmic: true }),
  momentum: number("momentum m (Adam: beta1)", 0, 0.999, 0.9, { step: 0.005 }),
  rho: number("rho of SAM and MSAM", -1, 1, 0.05, { step: 0.005 }),
  decay: number("weight decay", 0, 1, 0, { step: 0.005 }),
  noise: number("noise", 0, 2, 0, { step: 0.01 }),
};

const surfaceControls = {
  surface: choice("surface", surfaceNames, "valley"),
  condition: number("condition number", 1, 1000, 10, { logarithmic: true, of: "bowl" }),
  turn: number("turned by, degrees", 0, 90, 0, { step: 1, of: "bowl" }),
  formula: { kind: "text", name: "loss, of w1 and w2", longest: 200, usual: "(w1^2 - 1)^2 / 4 + w2^2 / 2", of: "formula" },
  start1: number("start w1", -100, 100, 3, { plain: true }),
  start2: number("start w2", -100, 100, 0.5, { plain: true }),
  seed: number("seed of the noise", 1, 9999, 1, { plain: true, whole: true }),
};

const networkControls = {
  data: choice("data", dataNames, "moons"),
  samples: number("training samples", 20, 1000, 100, { step: 10, whole: true }),
  spread: number("noise of the points", 0, 1, 0.2, { step: 0.01, of: "moons spirals blobs" }),
  wrong: number("share of wrong training labels", 0, 0.5, 0.1, { step: 0.01 }),
  seed: number("seed", 1, 9999, 1, { plain: true, whole: true }),
};
const widths = { 0: "none", 4: "4", 8: "8", 16: "16", 32: "32", 64: "64" };
const modelControls = {
  width1: choice("first hidden layer", widths, "32"),
  width2: choice("second hidden layer", widths, "32"),
  batch: choice("batch", { 8: "8", 16: "16", 32: "32", 64: "64", 128: "128", 1000: "all samples" }, "1000"),
};
const trainingControls = {
  lr: number("lr of SGD, Nesterov, SAM, MSAM", 1e-3, 2, 0.1, { logarithmic: true }),
  lrAdam: number("lr of Adam and AdamW", 1e-4, 0.5, 0.01, { logarithmic: true }),
  momentum: number("momentum (Adam: beta1)", 0, 0.999, 0.9, { step: 0.005 }),
  rho: number("rho of SAM", 0, 2, 0.1, { step: 0.01 }),
  rhoMsam: number("rho of MSAM", -2, 2, 0.3, { step: 0.01 }),
  decay: number("weight decay", 0, 0.1, 0, { step: 0.001 }),
};
const networkOptimizers = ["momentum", "nesterov", "adam", "adamw", "sam", "msam"];

const speeds = [1, 2, 5, 10, 30, 60, 300, 1000, 3000];
const arrowNames = { e: "to where the last gradient was taken", g: "minus that gradient", v: "minus the velocity" };
const mostSteps = 50000;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/// The value as the control can hold it; what makes no sense becomes the usual value.
function bounded(control, value) {
  if (control.kind === "choice") return Object.hasOwn(control.values, value) ? String(value) : control.usual;
  if (control.kind === "text") return String(value).slice(0, control.longest);
  const parsed = typeof value === "number" ? value : String(value).trim() === "" ? NaN : Number(value);
  if (!Number.isFinite(parsed)) return control.usual;
  const inside = clamp(parsed, control.low, control.high);
  return control.whole ? Math.round(inside) : inside;
}

const usualOf = (controls) => Object.fromEntries(Object.entries(controls).map(([key, c]) => [key, c.usual]));

function freshState() {
  return {
    tab: "surface",
    surface: usualOf(surfaceControls),
    a: usualOf(settingControls),
    b: usualOf(settingControls),
    two: false,
    on: ["momentum", "sam", "msam"],
    arrows: ["e", "g"],
    axis: "steps",
    speed: 60,
    until: 1000,
    view: null, // [w1 low, w1 high, w2 low, w2 high] instead of the surface's own frame
    lesson: "",
    network: { ...usualOf(networkControls), ...usualOf(modelControls), ...usualOf(trainingControls) },
    networkOn: ["momentum", "sam", "msam"],
    networkUntil: 600,
    networkLesson: "",
  };
}

const allNetworkControls = { ...networkControls, ...modelControls, ...trainingControls };

/// What an address is counted from: the lesson that it names, else a fresh state.
function baseOf(lessonId) {
  const lesson = lessons.find((l) => l.id === lessonId), network = networkLessons.find((l) => l.id === lessonId);
  return lesson ? stateOfLesson(lesson) : network ? stateOfNetworkLesson(network) : freshState();
}
const lessonOf = (state) => (state.tab === "surface" ? state.lesson : state.networkLesson);

/// The address as names and values: only what differs from its base.
function addressOf(state) {
  const lesson = lessonOf(state), base = baseOf(lesson);
  const words = new URLSearchParams();
  const put = (name, value, usual) => String(value) !== String(usual) && words.set(name, value);
  if (lesson) words.set("lesson", lesson);
  put("tab", state.tab, base.tab);
  if (state.tab === "surface") {
    for (const key of Object.keys(surfaceControls)) put(key, state.surface[key], base.surface[key]);
    for (const key of Object.keys(settingControls)) put(key, state.a[key], base.a[key]);
    put("two", state.two ? 1 : 0, base.two ? 1 : 0);
    if (state.two) for (const key of Object.keys(settingControls)) put(`b.${key}`, state.b[key], base.b[key]);
    put("on", state.on.join(","), base.on.join(","));
    put("arrows", state.arrows.join(","), base.arrows.join(","));
    for (const key of ["axis", "speed", "until"]) put(key, state[key], base[key]);
    put("view", (state.view ?? ["whole"]).join(","), (base.view ?? ["whole"]).join(","));
  } else {
    for (const key of Object.keys(allNetworkControls)) put(`n.${key}`, state.network[key], base.network[key]);
    put("on", state.networkOn.join(","), base.networkOn.join(","));
    put("until", state.networkUntil, base.networkUntil);
  }
  return words.toString();
}

/// The state that an address holds. Names that it does not know, and values that no control could have, are left out.
function stateOf(address) {
  const words = new URLSearchParams(address);
  const state = baseOf(words.get("lesson"));
  const known = (text, names) => names.filter((name) => text.split(",").includes(name));
  const take = (name, use) => words.has(name) && use(words.get(name));
  const whole = (text, low, high, usual) => bounded(number("", low, high, usual, { whole: true }), text);
  take("tab", (text) => (state.tab = text === "network" ? "network" : "surface"));
  if (state.tab === "network") {
    for (const [key, control] of Object.entries(allNetworkControls))
      take(`n.${key}`, (text) => (state.network[key] = bounded(control, text)));
    if (state.network.data === "table") state.network.data = "moons"; // an address holds no file
    take("on", (text) => (state.networkOn = known(text, networkOptimizers)));
    take("until", (text) => (state.networkUntil = whole(text, 1, 20000, 600)));
    return state;
  }
  for (const [key, control] of Object.entries(surfaceControls))
    take(key, (text) => (state.surface[key] = bounded(control, text)));
  for (const [key, control] of Object.entries(settingControls)) {
    take(key, (text) => (state.a[key] = bounded(control, text)));
    take(`b.${key}`, (text) => (state.b[key] = bounded(control, text)));
  }
  take("two", (text) => (state.two = text === "1"));
  take("on", (text) => (state.on = known(text, Object.keys(optimizers))));
  take("arrows", (text) => (state.arrows = known(text, Object.keys(arrowNames))));
  take("axis", (text) => (state.axis = text === "gradients" ? "gradients" : "steps"));
  take("speed", (text) => (state.speed = speeds.includes(Number(text)) ? Number(text) : state.speed));
  take("until", (text) => (state.until = whole(text, 1, mostSteps, 1000)));
  take("view", (text) => {
    const view = text.split(",").map(Number);
    const sound = view.length === 4 && view.every((v) => Number.isFinite(v) && Math.abs(v) <= 1e4);
    if (text === "whole") state.view = null;
    else if (sound && view[1] - view[0] > 1e-9 && view[3] - view[2] > 1e-9) state.view = view;
  });
  return state;
}

/// The state that a lesson begins with.
function stateOfLesson(lesson) {
  const state = freshState();
  const set = lesson.set;
  Object.assign(state.surface, set.surface);
  Object.assign(state.a, set.a);
  Object.assign(state.b, set.a, set.b);
  for (const key of ["on", "arrows", "axis", "speed", "view"]) if (set[key] !== undefined) state[key] = set[key];
  state.two = set.b !== undefined;
  state.until = lesson.until;
  state.lesson = lesson.id;
  return state;
}

function stateOfNetworkLesson(lesson) {
  const state = freshState();
  Object.assign(state.network, lesson.set);
  state.tab = "network";
  state.networkLesson = lesson.id;
  state.networkUntil = lesson.until;
  return state;
}
