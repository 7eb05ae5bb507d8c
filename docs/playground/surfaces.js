// The part of the page with two weights: walks of the chosen optimizers, their history, playing, and what is shown.

/// One optimizer with one setting, and its whole history. Point i is before step i; at(i) tells all of it.
class Walk {
  constructor(minima, name, start, settings, seed) {
    this.minima = minima;
    this.name = name;
    this.steps = 0;
    this.capacity = 256;
    this.data = new Float64Array(10 * this.capacity); // w1 w2 at1 at2 g1 g2 v1 v2 loss curvature
    this.measured = 0; // points whose loss and curvature are known
    this.refused = "";
    this.ended = false;
    this.data.set(start);
    try {
      this.handle = minima.newWalker(name, start, settings, seed);
    } catch (problem) {
      this.stop(problem);
    }
  }
  stop(problem) {
    if (!(problem instanceof Refused)) throw problem;
    this.refused = problem.message;
    this.ended = true;
  }
  remove() { if (this.handle) this.minima.deleteWalker(this.handle); }
  get gradients() { return optimizers[this.name].gradients ?? 1; }

  change(settings) {
    if (!this.handle) return;
    try {
      this.minima.changeWalker(this.handle, settings);
      if (this.refused) (this.refused = ""), (this.ended = false);
    } catch (problem) {
      this.stop(problem);
    }
  }

  step(count) {
    const room = Math.min(count, mostSteps - this.steps);
    if (this.ended || room <= 0) return;
    let walked;
    try {
      walked = this.minima.walk(this.handle, room);
    } catch (problem) {
      return this.stop(problem);
    }
    this.reserve(this.steps + walked.made + 1);
    for (let i = 0; i < walked.made; ++i)
      this.data.set(walked.numbers.subarray(8 * i, 8 * i + 8), 10 * (this.steps + i));
    this.steps += walked.made;
    this.data.set(walked.numbers.subarray(8 * walked.made), 10 * this.steps);
    if (walked.made < room || !Number.isFinite(this.data[10 * this.steps] + this.data[10 * this.steps + 1])) this.ended = true;
  }
  reserve(points) {
    if (points <= this.capacity) return;
    while (this.capacity < points) this.capacity *= 2;
    const data = new Float64Array(10 * this.capacity);
    data.set(this.data);
    this.data = data;
  }
  at(i) {
    const [w1, w2, at1, at2, g1, g2, v1, v2, loss, curvature] = this.data.subarray(10 * i, 10 * i + 10);
    return { w1, w2, at1, at2, g1, g2, v1, v2, loss, curvature };
  }
}

/// Fills in loss and curvature of all new points of the walks, by few calls.
function measureWalks(minima, walks) {
  const places = [];
  for (const walk of walks) {
    for (let i = walk.measured; i <= walk.steps; ++i) places.push(walk, i);
    walk.measured = walk.steps + 1;
  }
  const most = 4096;
  for (let from = 0; from < places.length; from += 2 * most) {
    const some = places.slice(from, from + 2 * most), count = some.length / 2;
    const w1 = new Float64Array(count), w2 = new Float64Array(count);
    for (let i = 0; i < count; ++i) {
      w1[i] = some[2 * i].data[10 * some[2 * i + 1]];
      w2[i] = some[2 * i].data[10 * some[2 * i + 1] + 1];
    }
    const { loss, curvature } = minima.heights(w1, w2, true);
    for (let i = 0; i < count; ++i) some[2 * i].data.set([loss[i], curvature[i]], 10 * some[2 * i + 1] + 8);
  }
}

class SurfaceLab {
  constructor(minima, page) {
    this.minima = minima;
    this.page = page; // state, changed()
    this.playing = false;
    this.shown = 0;
    this.follow = true; // show the last step
    this.maps = [];
    this.sides = { a: [], b: [] };
    this.due = 0; // steps that the clock asks for
    this.chartsDrawn = 0;
    this.build();
  }
  get state() { return this.page.state; }
  get walks() { return [...this.sides.a, ...this.sides.b]; }
  get steps() { return Math.max(0, ...this.walks.map((walk) => walk.steps)); }

  // ---- controls

  build() {
    const lesson = byId("lesson");
    fillSelect(lesson, { "": "free play", ...Object.fromEntries(lessons.map((l) => [l.id, l.title])) });
    lesson.onchange = () => this.startLesson(lesson.value);
    fillSelect(byId("speed"), Object.fromEntries(speeds.map((s) => [s, `${s} steps a second`])));
    byId("speed").onchange = () => this.set(() => (this.state.speed = Number(byId("speed").value)));
    byId("until").onchange = () => this.set(() => (this.state.until = Number((byId("until").value = bounded(number("", 1, mostSteps, 1000, { whole: true }), byId("until").value)))));
    byId("axis").onchange = () => this.set(() => (this.state.axis = byId("axis").value));
    byId("play").onclick = () => this.play(!this.playing);
    byId("step").onclick = () => this.stepOnce();
    byId("rewind").onclick = () => this.rewind();
    byId("rush").onclick = () => this.play(this.steps < this.state.until, true);
    byId("shown").oninput = () => this.show(Number(byId("shown").value));
    byId("two").onchange = () => {
      this.state.two = byId("two").checked;
      if (this.state.two) this.state.b = { ...this.state.a };
      this.page.changed();
      this.buildSettings();
      this.rewind();
    };
    checkList(byId("optimizers"), Object.keys(optimizers), (name) => `${markPicture(name)} ${optimizers[name].name}`, (name, on) => {
      this.state.on = Object.keys(optimizers).filter((other) => (other === name ? on : this.state.on.includes(other)));
      this.page.changed();
      this.matchWalks();
    });
    checkList(byId("arrows"), Object.keys(arrowNames), (name) => `${SurfaceLab.arrowPicture(name)} ${arrowNames[name]}`, (name, on) => {
      this.state.arrows = Object.keys(arrowNames).filter((other) => (other === name ? on : this.state.arrows.includes(other)));
      this.page.changed();
    });
    this.controls = {};
    for (const [key, control] of Object.entries(surfaceControls))
      this.controls[key] = addControl(byId("surface-controls"), key, control, () => this.state.surface[key], (value) => {
        this.state.surface[key] = value;
        if (key === "surface") this.forgetLesson(), this.newSurface();
        else if (control.of) this.newSurface(false);
        else this.rewind();
      });
    byId("show-program").onclick = () => showProgram(surfaceProgram(this.state, this.minima));
    byId("copy-address").onclick = () => copyAddress(byId("copy-address"));
  }
  static arrowPicture(name) {
    const line = { e: '<path d="M2 8H17" /><circle cx="19" cy="8" r="3"/>', g: '<path d="M2 8H18M14 4l5 4-5 4"/>', v: '<path d="M2 8H18" stroke-dasharray="4 3"/><path d="M14 4l5 4-5 4"/>' };
    return `<svg viewBox="0 0 24 16" aria-hidden="true" style="stroke:currentColor;fill:none;stroke-width:1.8">${line[name]}</svg>`;
  }
  set(change) {
    change();
    this.page.changed();
  }
  buildSettings() {
    const place = byId("settings");
    place.textContent = "";
    this.settingControls = [];
    for (const side of this.state.two ? ["a", "b"] : ["a"]) {
      if (this.state.two) place.insertAdjacentHTML("beforeend", `<h3 class="setting-name">${side.toUpperCase()}</h3>`);
      for (const [key, control] of Object.entries(settingControls)) {
        const named = this.state.two ? { ...control, spoken: `${control.name}, ${side.toUpperCase()}` } : control;
        this.settingControls.push(addControl(place, `${side}-${key}`, named, () => this.state[side][key], (value) => {
          this.state[side][key] = value;
          this.altered = this.altered || this.steps > 0;
          this.page.changed();
          for (const walk of this.sides[side]) walk.change(this.state[side]);
          this.tellLesson();
        }));
      }
    }
  }

  /// Everything as the state has it, from the start.
  load() {
    this.play(false);
    byId("speed").value = this.state.speed;
    byId("until").value = this.state.until;
    byId("axis").value = this.state.axis;
    byId("two").checked = this.state.two;
    byId("lesson").value = this.state.lesson;
    tick(byId("optimizers"), this.state.on);
    tick(byId("arrows"), this.state.arrows);
    this.buildSettings();
    this.newSurface(false);
  }

  startLesson(id) {
    const lesson = lessons.find((l) => l.id === id);
    if (lesson) this.page.replace(stateOfLesson(lesson));
    else this.set(() => this.forgetLesson());
  }
  forgetLesson() {
    this.state.lesson = "";
    byId("lesson").value = "";
    this.tellLesson();
  }

  /// Chooses the state's surface; with `usual`, also its own start.
  newSurface(usual = true) {
    const s = this.state.surface;
    const problem = this.controls.formula.problem;
    problem.textContent = "";
    try {
      this.surface = this.minima.chooseSurface(s.surface, s.condition, s.turn, s.formula);
    } catch (refusal) {
      if (!(refusal instanceof Refused)) throw refusal;
      problem.textContent = refusal.message;
      if (this.surface) return;
      this.surface = this.minima.chooseSurface("valley", 1, 0, "");
      s.surface = "valley";
    }
    if (usual) {
      [s.start1, s.start2] = this.surface.start.map((v) => Number(v.toPrecision(6)));
      this.state.view = null;
      for (const side of ["a", "b"]) {
        this.state[side].lr = Number(this.surface.lr.toPrecision(3));
        this.state[side].noise = s.surface === "noisy-valley" ? 0.1 : 0;
      }
      this.buildSettings();
    }
    for (const [key, control] of Object.entries(surfaceControls)) {
      this.controls[key].refresh();
      if (control.of) this.controls[key].element.hidden = control.of !== s.surface;
    }
    this.sides = { a: [], b: [] }; // theirs went with the surface
    this.groundChanged = true;
    this.rewind();
  }

  // ---- running

  rewind() {
    this.play(false);
    for (const walk of this.walks) walk.remove();
    const { start1, start2, seed } = this.state.surface;
    for (const side of ["a", "b"])
      this.sides[side] = side === "b" && !this.state.two ? [] : this.state.on.map((name) => new Walk(this.minima, name, [start1, start2], this.state[side], seed));
    measureWalks(this.minima, this.walks);
    this.shown = 0;
    this.follow = true;
    this.altered = false; // whether a setting was changed during the run
    this.matchMaps();
    for (const map of this.maps) map.fresh = true;
    this.page.changed();
    this.tellLesson();
    this.speak("At the start.");
  }
  /// Optimizers that were switched on walk as far as the others are; those switched off go.
  matchWalks() {
    const steps = this.steps, { start1, start2, seed } = this.state.surface;
    for (const side of this.state.two ? ["a", "b"] : ["a"]) {
      for (const walk of this.sides[side]) if (!this.state.on.includes(walk.name)) walk.remove();
      this.sides[side] = this.state.on.map((name) => {
        const there = this.sides[side].find((walk) => walk.name === name);
        if (there) return there;
        const walk = new Walk(this.minima, name, [start1, start2], this.state[side], seed);
        walk.step(steps);
        return walk;
      });
    }
    measureWalks(this.minima, this.walks);
    for (const map of this.maps) map.fresh = true;
  }
  matchMaps() {
    const wanted = this.state.two ? ["A", "B"] : [""];
    if (this.maps.length === wanted.length) return;
    for (const map of this.maps) map.remove();
    byId("maps").className = this.state.two ? "two" : "";
    this.maps = wanted.map((title) => new SurfaceMap(byId("maps"), title, {
      heights: (w1, w2) => this.minima.heights(Float64Array.from(w1), Float64Array.from(w2), false),
      start: () => [this.state.surface.start1, this.state.surface.start2],
      view: () => this.view(),
      focus: () => this.focus(),
      setView: (view) => {
        this.state.view = view && view.map((v) => Number(v.toPrecision(8)));
        this.groundChanged = true;
        this.page.changed();
      },
      moveStart: (w1, w2) => {
        const s = this.state.surface, tidy = (v) => Number(clamp(v, -100, 100).toPrecision(4));
        [s.start1, s.start2] = [tidy(w1), tidy(w2)];
        this.controls.start1.refresh();
        this.controls.start2.refresh();
        this.rewind();
      },
    }));
    this.groundChanged = true;
  }
  view() {
    const f = this.surface.frame;
    return this.state.view ?? [f.x[0], f.x[1], f.y[0], f.y[1]];
  }
  /// The middle of what is shown of the runs; where that is outside, of the map.
  focus() {
    const v = this.view(), points = [];
    for (const walk of this.walks) {
      const p = walk.at(Math.min(this.shown, walk.steps));
      if (p.w1 >= v[0] && p.w1 <= v[1] && p.w2 >= v[2] && p.w2 <= v[3]) points.push([p.w1, p.w2]);
    }
    if (points.length === 0) return [(v[0] + v[1]) / 2, (v[2] + v[3]) / 2];
    return [0, 1].map((k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);
  }

  advance(count) {
    for (const walk of this.walks) walk.step(count);
    measureWalks(this.minima, this.walks);
    if (this.follow) this.shown = this.steps;
  }
  /// At the chosen speed, or as fast as it goes.
  play(on, fast = false) {
    this.playing = on;
    this.fast = fast;
    this.due = 0;
    if (on) (this.follow = true), (this.shown = this.steps);
    byId("play").textContent = on ? "Pause" : "Play";
    if (!on && this.steps > 0) this.speak();
  }
  stepOnce() {
    this.play(false);
    if (this.shown < this.steps) return this.show(this.shown + 1);
    this.follow = true;
    this.advance(1);
    this.speak();
    this.tellLesson();
  }
  show(step) {
    if (this.playing) this.play(false);
    this.shown = clamp(Math.round(step), 0, this.steps);
    this.follow = this.shown === this.steps;
  }
  runTo(step) {
    this.play(false);
    this.follow = true;
    if (step > this.steps) this.advance(step - this.steps);
    this.show(step);
    this.speak();
    this.tellLesson();
  }

  /// What one frame does; `seconds` since the last.
  frame(seconds) {
    if (this.playing) {
      this.due += Math.min(seconds, 0.1) * this.state.speed;
      let count = this.fast ? mostSteps : Math.floor(this.due);
      this.due -= Math.floor(this.due);
      const goal = this.steps < this.state.until ? this.state.until : mostSteps; // a run pauses where it was told to
      count = Math.min(count, goal - this.steps);
      const end = performance.now() + 9;
      while (count > 0 && performance.now() < end) {
        const some = Math.min(count, this.fast ? 50 : 8);
        this.advance(some);
        count -= some;
      }
      if (this.steps >= goal || this.walks.every((walk) => walk.ended)) this.play(false);
      if (!this.playing) this.tellLesson();
    }
    this.draw();
  }

  // ---- showing

  draw() {
    if (this.groundChanged) for (const map of this.maps) map.drawGround();
    this.groundChanged = false;
    const begun = (side) => this.sides[side].filter((walk) => walk.handle); // the others were refused
    this.maps.forEach((map, i) => map.drawRuns(begun(i === 0 ? "a" : "b"), this.shown, this.state.arrows));
    const sign = JSON.stringify([this.shown, this.steps, this.state.axis, this.state.two, this.state.on, this.walks.map((w) => w.refused), this.sized]);
    const now = performance.now();
    if (sign === this.lastDrawn || (this.playing && now - this.chartsDrawn < 80)) return; // the eye needs no more
    this.lastDrawn = sign;
    this.chartsDrawn = now;
    const byGradients = this.state.axis === "gradients";
    const lines = (quantity) => ["a", "b"].flatMap((side) => begun(side).map((walk) => ({
      name: walk.name, dash: side === "b" ? [6, 4] : null, count: walk.steps + 1,
      x: (i) => i * (byGradients ? walk.gradients : 1), y: (i) => walk.data[10 * i + quantity],
    })));
    const lowest = this.state.surface.surface === "saddle" ? -0.25 : 0;
    const positive = this.walks.every((walk) => walk.data[8] - lowest > 0 && walk.data[10 * walk.steps + 8] - lowest >= 0);
    const x = { cursor: this.shown < this.steps ? this.shown : null, xLabel: byGradients ? "gradients spent" : "step", xMost: 20 };
    lineChart(byId("loss-chart"), lines(8), { ...x, logarithmic: positive, lowest: positive ? lowest : 0 });
    lineChart(byId("curvature-chart"), lines(9), x);
    byId("loss-title").textContent = `Loss${positive && lowest ? " above the lowest, −0.25" : ""}${positive ? " (logarithmic)" : ""}${this.state.two ? "; B dashed" : ""}`;
    this.tell();
  }
  tell() {
    const slider = byId("shown");
    slider.max = this.steps;
    slider.value = this.shown;
    byId("shown-text").textContent = `${this.shown} of ${this.steps}`;
    slider.setAttribute("aria-valuetext", `step ${this.shown} of ${this.steps}`);
    const rows = [];
    for (const side of this.state.two ? ["a", "b"] : ["a"])
      for (const walk of this.sides[side]) {
        const label = `<td>${this.state.two ? `${side.toUpperCase()} ` : ""}${markPicture(walk.name)} ${optimizers[walk.name].name}</td>`;
        if (walk.refused) {
          rows.push(`<tr>${label}<td class="reason" colspan="8"><span>${escaped(walk.refused)}</span></td></tr>`);
          continue;
        }
        const i = Math.min(this.shown, walk.steps), p = walk.at(i), s = walk.at(Math.max(0, i - 1)); // g and v of the step that led here
        const cells = [i * walk.gradients, short(p.w1, 5), short(p.w2, 5), short(p.loss), short(p.curvature), short(Math.hypot(p.w1, p.w2), 5), short(Math.hypot(s.g1, s.g2)), short(Math.hypot(s.v1, s.v2))];
        rows.push(`<tr>${label}${cells.map((c) => `<td>${c}</td>`).join("")}</tr>`);
      }
    byId("numbers").innerHTML = `<caption class="hidden">At step ${this.shown}</caption><thead><tr><th scope="col">step ${this.shown}</th><th scope="col">gradients</th><th scope="col">w1</th><th scope="col">w2</th><th scope="col">loss</th><th scope="col">sharpness</th><th scope="col">|w|</th><th scope="col">|g|</th><th scope="col">|v|</th></tr></thead><tbody>${rows.join("")}</tbody>`;
    for (const [id, what] of [["loss-chart", "loss"], ["curvature-chart", "curvature"]])
      byId(id).setAttribute("aria-label", `${what === "loss" ? "Loss" : "Sharpness"} against the step. ${this.walks.filter((w) => !w.refused).map((w) => `${optimizers[w.name].name}: ${short(w.at(0)[what], 3)} at first, ${short(w.at(Math.min(this.shown, w.steps))[what], 3)} at step ${Math.min(this.shown, w.steps)}`).join("; ")}.`);
    byId("legend").innerHTML = this.state.arrows.map((name) => `<span>${SurfaceLab.arrowPicture(name)} ${arrowNames[name]}${name === "e" ? "" : " (direction only)"}</span>`).join("") + `<span><svg viewBox="0 0 24 16" aria-hidden="true" style="stroke:currentColor;fill:none;stroke-width:1.5"><circle cx="12" cy="8" r="4"/><path d="M5 8h14M12 1v14"/></svg> start: click the map to move it</span>`;
  }
  /// For those who listen: where the runs are.
  speak(words = "") {
    const parts = this.walks.map((walk) => {
      if (walk.refused) return `${optimizers[walk.name].name} refused: ${walk.refused}`;
      const p = walk.at(Math.min(this.shown, walk.steps));
      return `${optimizers[walk.name].name}: loss ${short(p.loss, 3)}, sharpness ${short(p.curvature, 3)}`;
    });
    byId("spoken").textContent = words || `Step ${this.shown}. ${parts.join(". ")}.`;
  }
  /// The runs of each setting by name, as lessons look at them; null before the lesson's last step, and where they are
  /// not the lesson's own.
  lessonRuns(lesson) {
    const by = (side) => Object.fromEntries(this.sides[side].map((walk) => [walk.name, walk]));
    return this.steps < lesson.until || this.changedFrom(lesson) ? null : { a: by("a"), b: by("b"), until: lesson.until };
  }
  changedFrom(lesson) {
    const what = ({ surface, a, b, two, on }) => JSON.stringify([surface, a, two && b, two, lesson.set.on.every((name) => on.includes(name))]);
    return this.altered || what(this.state) !== what(stateOfLesson(lesson));
  }
  tellLesson() {
    const lesson = lessons.find((l) => l.id === this.state.lesson);
    byId("lesson-text").innerHTML = lesson ? lessonText(lesson, this.lessonRuns(lesson), `after ${lesson.until} steps`, this.changedFrom(lesson)) : "";
  }
}

/// What has been found of a lesson's figures: [{what, low, high, value, holds}].
function figuresOf(lesson, runs) {
  return lesson.figures.map(([what, low, high, measure]) => {
    let value = NaN;
    if (runs) try { value = measure(runs); } catch { value = NaN; } // a run that was switched off
    return { what, low, high, value, holds: value >= low && value <= high };
  });
}

function lessonText(lesson, runs, when, changed) {
  const rows = figuresOf(lesson, runs).map(({ what, low, high, value, holds }) => {
    const stated = low === high ? short(low, 6) : low === 0 ? `at most ${short(high, 3)}` : `${short(low, 8)} to ${short(high, 8)}`;
    const measured = runs ? `<td class="${holds ? "holds" : "fails"}">${short(value, 7)}${holds ? "" : " (not as stated)"}</td>` : "<td>–</td>";
    return `<tr><td>${escaped(what)}</td><td>${stated}</td>${measured}</tr>`;
  });
  const note = changed ? " <strong>The setting is no longer the lesson's: choose the lesson again to compare figures.</strong>" : "";
  return `<p>${escaped(lesson.text)}${note} <a class="on-site" href="walkthrough/${lesson.chapter}.html">Read the chapter</a></p>
    <div class="scroll"><table><thead><tr><th scope="col">${when}</th><th scope="col">stated</th><th scope="col">measured</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}
