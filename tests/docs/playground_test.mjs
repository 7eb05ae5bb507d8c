// The playground in Chromium: paths equal to native ones, lessons that reach their figures, programs that do the same,
// addresses, keys, what a screen reader gets, no request to anywhere.
//   node playground_test.mjs PAGE PATHS_PROGRAM BUILD_FOLDER [PICTURES]
// PAGE is made first. Exit status 77: something that it needs is not installed.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Browser } from "./browser.mjs";

const [page, pathsProgram, buildFolder, pictures] = process.argv.slice(2);
const source = join(dirname(fileURLToPath(import.meta.url)), "../..");
const which = (names) => names.find((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0);

const chromium = process.env.CHROMIUM || which(["chromium", "chromium-browser", "google-chrome"]);
const missing = [!which(["em++"]) && "em++ (Debian: emscripten, node-acorn)", !chromium && "chromium (Debian: chromium)"].filter(Boolean);
if (missing.length > 0) {
  console.log(`skipped: not installed: ${missing.join(", ")}`);
  process.exit(77);
}

let failures = 0;
const check = (holds, words) => {
  console.log(`${holds ? "holds" : "FAILS"}: ${words}`);
  if (!holds) ++failures;
};

execFileSync(join(source, "docs/playground/build"), [page], { stdio: "inherit", env: { ...process.env, BUILD: buildFolder } });
check(statSync(page).size < 1e6, `the page has ${statSync(page).size} bytes, below 1,000,000`);

const browser = new Browser(chromium);
try {
  const url = `file://${page}`;
  const tab = await browser.open(url);
  // In processor time, for on a busy machine the clock tells of the others; and the least of three, for they share caches.
  const costs = [];
  for (let i = 0; i < 3; ++i) {
    const before = await browser.processorTimes();
    const fresh = await browser.open(url);
    await fresh.until("performance.getEntriesByName('first-contentful-paint').length > 0");
    costs.push(0);
    for (const [id, seconds] of await browser.processorTimes()) costs[i] += seconds - (before.get(id) ?? 0);
    await fresh.close();
  }
  const cost = Math.min(...costs);
  check(cost > 0 && cost < 1, `painted and ready after ${Math.round(1000 * cost)} ms of processor time`);
  const call = (body, ...values) => tab.evaluate(`(${body})(${values.map((v) => JSON.stringify(v)).join(", ")})`);

  // ---- paths
  const native = JSON.parse(execFileSync(pathsProgram, { maxBuffer: 1 << 28, env: { ...process.env, MINIMA_THREADS: "1" } }));
  let worst = 0, where = "";
  for (const one of native) {
    const path = await call((one) => {
      const { minima, Walk } = playground;
      minima.chooseSurface(one.surface, one.condition ?? 1, one.turn ?? 0, one.formula ?? "");
      const walk = new Walk(minima, one.optimizer, one.path[0], { ...one, noise: 0 }, 1);
      walk.step(200);
      if (walk.refused) throw new Error(walk.refused);
      return Array.from({ length: walk.steps + 1 }, (_, i) => [walk.at(i).w1, walk.at(i).w2]);
    }, one);
    if (path.length !== one.path.length || path.length !== 201)
      check(false, `${one.surface} ${one.optimizer}: ${path.length} points here, ${one.path.length} natively, expected 201`);
    let far = 0;
    path.forEach((p, i) => p.forEach((w, k) => (far = Math.max(far, Math.abs(w - one.path[i][k]) / Math.max(1, Math.abs(w))))));
    if (!(far <= 1e-12)) check(false, `${one.surface} ${one.formula ?? ""} ${one.optimizer}: ${far} from the native path`);
    if (!(far <= worst)) (worst = far), (where = `${one.surface}, ${one.optimizer}`);
  }
  check(native.length === 56 && worst <= 1e-12, `${native.length} paths of 200 steps are the native ones: largest distance ${worst} (${where})`);

  // ---- lessons
  for (const id of await tab.evaluate("playground.lessons.map((l) => l.id)"))
    for (const figure of await call((id) => {
      const { page, lessons, stateOfLesson, figuresOf } = playground, lesson = lessons.find((l) => l.id === id);
      page.replace(stateOfLesson(lesson));
      page.parts.surface.runTo(lesson.until);
      return figuresOf(lesson, page.parts.surface.lessonRuns(lesson));
    }, id))
      check(figure.holds, `lesson ${id}: ${figure.what} = ${figure.value}, stated ${figure.low} to ${figure.high}`);
  for (const id of await tab.evaluate("playground.networkLessons.map((l) => l.id)"))
    for (const figure of await call((id) => {
      const { page, networkLessons, figuresOf } = playground, lesson = networkLessons.find((l) => l.id === id);
      page.replace(playground.stateOf("lesson=" + id));
      page.parts.network.runTo(lesson.until);
      return figuresOf(lesson, page.parts.network.lessonRuns(lesson));
    }, id))
      check(figure.holds, `lesson ${id}: ${figure.what} = ${figure.value}, stated ${figure.low} to ${figure.high}`);

  const known = await tab.evaluate("[...playground.lessons, ...playground.networkLessons].map((l) => l.id)");
  const pages = [join(source, "docs"), join(source, "docs/walkthrough")].flatMap((folder) =>
    readdirSync(folder).filter((name) => name.endsWith(".md")).map((name) => readFileSync(join(folder, name), "utf8")));
  const linked = new Set(pages.flatMap((text) => [...text.matchAll(/playground\.md#([a-z-]+)/g)].map((m) => m[1])));
  const described = [...readFileSync(join(source, "docs/playground.md"), "utf8").matchAll(/^### (.+)$/gm)].map((m) => m[1].toLowerCase().replaceAll(" ", "-"));
  check([...linked].every((id) => known.includes(id)) && known.every((id) => described.includes(id)), "every link of the pages names a lesson, and every lesson is described");
  const marked = await call(() => {
    const { page, stateOf, lessons } = playground, lab = page.parts.surface, lesson = lessons.find((l) => l.id === "two-cycle");
    page.replace(stateOf("lesson=two-cycle"));
    lab.runTo(100);
    const slider = document.querySelector("#settings input[type=number]");
    slider.value = 0.2;
    slider.dispatchEvent(new Event("change"));
    lab.runTo(300);
    return { runs: lab.lessonRuns(lesson), words: document.getElementById("lesson-text").textContent, lr: page.state.a.lr };
  });
  check(marked.lr === 0.2 && marked.runs === null && marked.words.includes("no longer the lesson's"), "a run whose setting was changed is not measured by the lesson's figures");

  // ---- speed: what a frame of a run costs, in processor time as well. On a quiet machine it is far below a sixtieth of
  // a second; the bound finds what grew by an order, not a processor that others slow down.
  const processorTime = async () => [...(await browser.processorTimes()).values()].reduce((sum, seconds) => sum + seconds, 0);
  const beforeFrames = await processorTime();
  await tab.evaluate(`new Promise((done) => {
    const { page, stateOf } = playground, lab = page.parts.surface;
    page.replace(stateOf("lesson=flat"));
    lab.play(true);
    let frames = 0;
    const one = () => {
      lab.frame(1 / 60);
      if (++frames < 120) setTimeout(one, 0);
      else lab.play(false), done();
    };
    one();
  })`);
  const frame = ((await processorTime()) - beforeFrames) / 120;
  check(frame > 0 && frame < 0.1, `a frame of the run takes ${(1000 * frame).toFixed(1)} ms of processor time`);

  // ---- the programs shown
  const runShown = (program) => {
    writeFileSync(join(buildFolder, "tests/docs/playground_shown.cpp"), program);
    execFileSync("cmake", ["--build", buildFolder, "--target", "playground_shown"], { stdio: ["ignore", "ignore", "inherit"] });
    return execFileSync(join(buildFolder, "bin/playground_shown"), { encoding: "utf8", env: { ...process.env, MINIMA_THREADS: "1" } });
  };
  const all = "on=gd,momentum,nesterov,adam,adamw,sam,msam,msam-nesterov&until=200";
  const addresses = [`${all}&decay=0.01`, `${all}&surface=noisy-valley&noise=0.1&two=1&b.noise=0.1&b.lr=0.01`,
    `${all}&surface=formula&formula=${encodeURIComponent("max(w1 - 1, -2w1)^2 - (w2 - (w1 - 3)) / 7 + sqrt(1 + w2^4)")}&noise=0.05&lr=0.01`];
  for (const address of addresses) {
    const { program, ends } = await call((address) => {
      const { page, stateOf, surfaceProgram, minima } = playground;
      page.replace(stateOf(address));
      page.parts.surface.runTo(page.state.until);
      const ends = page.parts.surface.walks.map((walk) => ({ name: walk.name, refused: walk.refused, ...walk.at(walk.steps) }));
      return { program: surfaceProgram(page.state, minima), ends };
    }, address);
    const lines = runShown(program).trim().split("\n").map((line) => [...line.matchAll(/= (\S+)/g)].map((m) => Number(m[1])));
    let far = lines.length === ends.length ? 0 : Infinity;
    lines.forEach(([w1, w2, loss], i) => (far = Math.max(far, Math.abs(w1 - ends[i].w1), Math.abs(w2 - ends[i].w2), Math.abs(loss - ends[i].loss))));
    check(far <= 1e-12, `the program shown for ${address} ends where the page does: ${far}`);
  }
  const network = await call(() => {
    const { page, stateOf, networkProgram } = playground;
    page.replace(stateOf("tab=network&until=60&on=momentum,nesterov,adam,adamw,sam,msam&n.decay=0.001"));
    page.parts.network.runTo(60);
    const ends = page.parts.network.trainees.map((t) => t.history.at(-1));
    return { program: networkProgram(page.state, null), ends };
  });
  const shown = runShown(network.program).trim().split("\n").map((line) => [...line.matchAll(/(?:loss|accuracy) +(\S+)/g)].map((m) => Number(m[1])));
  let far = shown.length === network.ends.length ? 0 : Infinity;
  shown.forEach(([train, test, accuracy], i) => (far = Math.max(far, Math.abs(train - network.ends[i].trainLoss), Math.abs(test - network.ends[i].testLoss), Math.abs(accuracy - network.ends[i].testAccuracy))));
  check(far <= 2e-3, `the program shown for the network ends where the page does, but for the rounding of float32: ${far}`);

  // ---- addresses
  const round = await call(() => {
    const { addressOf, stateOf, lessons, networkLessons, stateOfLesson, stateOfNetworkLesson, freshState } = playground;
    const changed = { ...freshState(), two: true, on: ["adam"], arrows: [], axis: "gradients", speed: 5, until: 77, view: [0, 1, -1, 0.25] };
    changed.a.lr = 0.123;
    changed.b.rho = -0.3;
    changed.surface.formula = "w1^2 + exp(-w2) & 3";
    const unzoomed = { ...stateOfLesson(lessons.find((l) => l.id === "parking")), view: null, two: false };
    unzoomed.b = stateOfLesson(lessons.find((l) => l.id === "parking")).b;
    const states = [...lessons.map(stateOfLesson), ...networkLessons.map(stateOfNetworkLesson), freshState(), changed, unzoomed];
    return states.map((s) => [JSON.stringify(s), JSON.stringify(stateOf(addressOf(s)))]).filter(([a, b]) => a !== b);
  });
  check(round.length === 0, `an address gives back the state it was made from${round.length ? `: not ${round}` : ""}`);
  const wild = await call(() => {
    const { stateOf, page, freshState } = playground;
    const state = stateOf("surface=__proto__&lr=1e99&momentum=-3&rho=NaN&noise=Infinity&on=constructor,sam&speed=7&until=1e9&start1=&view=1,0,0,1&axis=x&formula=" + "(".repeat(5000) + "&lesson=toString&b.lr=-1&seed=1.7");
    page.replace(state);
    return { state, usual: freshState(), refused: document.querySelectorAll("#trouble:not([hidden])").length };
  });
  const w = wild.state;
  check(w.surface.surface === "valley" && w.a.lr === 5 && w.a.momentum === 0 && w.a.rho === 0.05 && w.a.noise === 0 && w.on.join() === "sam" && w.speed === 60 && w.until === 50000 && w.view === null && w.surface.formula.length === 200 && w.lesson === "" && w.b.lr === 1e-4 && w.surface.seed === 2 && wild.refused === 0,
    "an address beyond the bounds of the controls becomes what the controls can hold");
  const refusals = await call(() => {
    const { page, stateOf } = playground;
    const words = (formula) => {
      page.replace(stateOf("surface=formula&formula=" + encodeURIComponent(formula)));
      return document.querySelector("#surface-controls .problem:not(:empty)")?.textContent ?? "";
    };
    const formulas = ["w1 +", "<img src=x onerror=alert(1)>", "w3"].map(words);
    page.replace(stateOf("on=sam,msam&rho=-0.1"));
    page.parts.surface.stepOnce();
    page.parts.surface.draw();
    return { formulas, sam: document.querySelector("#numbers .reason")?.textContent ?? "", images: document.images.length };
  });
  check(refusals.formulas.every((words) => words.startsWith("[formula] got ")) && refusals.images === 0, `a formula that cannot be read is refused in words: ${refusals.formulas[0]}`);
  check(refusals.sam.includes("rho"), `what an optimizer refuses stands in its row: ${refusals.sam}`);

  // ---- a table of one's own
  const rows = Array.from({ length: 60 }, (_, i) => `${Math.sin(i)},${Math.cos(1.7 * i)},${i % 2 ? "yes" : '"no, never"'}`);
  const table = await call((csv) => {
    const { page, stateOf } = playground;
    page.replace(stateOf("tab=network"));
    const lab = page.parts.network;
    lab.useCsv(csv);
    lab.runTo(20);
    const good = { classes: lab.classNames, train: lab.train.length, test: lab.test.length, loss: lab.trainees[0].history.at(-1).trainLoss };
    lab.useCsv(csv.replace("\n", "\nx,1,yes\n"));
    return { good, bad: lab.file.querySelector(".problem").textContent };
  }, `a,b,label\n${rows.join("\n")}\n`);
  check(table.good.classes.join() === "no, never,yes" && table.good.train === 48 && table.good.test === 12 && table.good.loss > 0, "a CSV file is split, standardised and learned");
  check(table.bad.includes('row 2, column "a"'), `a field that is no number is named: ${table.bad}`);

  // ---- keys, mouse, what is read out
  await call(() => playground.page.replace(playground.freshState()));
  await tab.evaluate("document.activeElement.blur()");
  await tab.key("ArrowRight");
  await tab.key("ArrowRight");
  check((await tab.evaluate("playground.page.parts.surface.steps")) === 2, "the right arrow takes a step");
  await tab.key(" ", "Space");
  await tab.until("playground.page.parts.surface.steps > 10");
  await tab.key(" ", "Space");
  check((await tab.evaluate("playground.page.parts.surface.playing")) === false, "space plays and pauses");
  await tab.evaluate("document.getElementById('rush').click()");
  await tab.until("playground.page.parts.surface.steps === 1000 && !playground.page.parts.surface.playing");
  await tab.evaluate("document.activeElement.blur()");
  await tab.key("ArrowLeft");
  check((await tab.evaluate("playground.page.parts.surface.shown")) === 999, "the left arrow goes back a step");
  check(/^Step \d+\. Momentum/.test(await tab.evaluate("document.getElementById('spoken').textContent")), "what was reached is read out");
  await tab.evaluate("document.querySelector('.layers').focus()");
  await tab.key("ArrowUp");
  check((await tab.evaluate("playground.page.state.surface.start2")) > 0.5, "arrow keys on the map move the start");
  const box = await tab.evaluate("(() => { const b = document.querySelector('.layers').getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()");
  await tab.click(...box);
  const moved = await tab.evaluate("[playground.page.state.surface.start1, playground.page.state.surface.start2, playground.page.parts.surface.steps]");
  check(Math.abs(moved[0] - 1.8) < 0.2 && Math.abs(moved[1] - 1.5) < 0.2 && moved[2] === 0, `a click moves the start: ${moved}`);
  await tab.send("Accessibility.enable");
  const { nodes } = await tab.send("Accessibility.getFullAXTree");
  const nameless = nodes.filter((n) => !n.ignored && ["button", "checkbox", "combobox", "slider", "spinbutton", "textbox", "tab", "image"].includes(n.role?.value) && !n.name?.value);
  check(nodes.length > 100 && nameless.length === 0, `every control and picture of ${nodes.length} nodes has a name${nameless.length ? `, but ${JSON.stringify(nameless[0].role)}` : ""}`);

  // ---- offline, no errors, every size, both themes
  check(tab.requests.every((r) => r === url || r.startsWith("data:") || r.startsWith("file://") && r.split("#")[0] === url), `nothing is asked for: ${tab.requests.length} request`);
  check(tab.errors.length === 0, `no errors in the page ${tab.errors}`);
  await tab.close();
  for (const [name, size, address] of [
    ["desktop", { width: 1280, height: 900 }, "lesson=flat"], ["phone", { width: 390, height: 844, mobile: true }, "lesson=parking"],
    ["network", { width: 1280, height: 900 }, "tab=network"], ["network-phone", { width: 390, height: 844, mobile: true }, "tab=network"]])
    for (const dark of [false, true]) {
      const view = await browser.open(url, { ...size, dark });
      await view.evaluate(address.startsWith("lesson")
        ? `playground.page.replace(playground.stateOfLesson(playground.lessons.find((l) => l.id === "${address.slice(7)}"))), playground.page.parts.surface.runTo(400)`
        : `playground.page.replace(playground.stateOf("${address}")), playground.page.parts.network.runTo(100)`);
      const empty = "[...document.querySelectorAll('main:not([hidden]) canvas')].filter((c) => !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v)).length";
      await view.until(`${empty} === 0`, 20).catch(() => {});
      const wide = await view.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      const pixels = await view.evaluate(empty);
      check(wide <= 0 && pixels === 0 && view.errors.length === 0, `${name}${dark ? ", dark" : ""}: nothing wider than the page, no empty picture ${view.errors}`);
      if (pictures) {
        mkdirSync(pictures, { recursive: true });
        writeFileSync(join(pictures, `${name}${dark ? "-dark" : ""}.png`), await view.screenshot());
      }
      await view.close();
    }
} finally {
  await browser.close();
}
if (failures > 0) console.log(`${failures} checks fail`);
process.exit(failures > 0 ? 1 : 0);
