// The part of the page with a network: several optimizers train the same network from the same weights on the same
// batches, each by its turn, so that all have spent about as many gradients.

/// A table from the text of a CSV file (RFC 4180): a header row; all columns but the label's are numbers. Errors name
/// line and column.
function readCsv(text) {
  const rows = [];
  let row = [], field = "", quoted = false;
  const end = () => (row.push(field), (field = ""));
  for (let i = 0; i < text.length; ++i) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') (field += '"'), ++i;
      else quoted = false;
    } else if (c === '"' && field === "") quoted = true;
    else if (c === ",") end();
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") ++i;
      end();
      if (row.length > 1 || row[0] !== "") rows.push(row);
      row = [];
    } else field += c;
  }
  if (quoted) throw new Refused("[csv] got a quotation without an end, expected a second \".");
  end();
  if (row.length > 1 || row[0] !== "") rows.push(row);
  const header = (rows.shift() ?? []).map((name) => name.replace(/^\ufeff/, "").trim());
  if (header.length < 2) throw new Refused(`[csv] got ${header.length} column, expected a header row with at least two names and commas between them.`);
  if (rows.length < 10 || rows.length > 5000) throw new Refused(`[csv] got ${rows.length} rows below the header, expected 10 to 5,000.`);
  if (header.length > 65) throw new Refused(`[csv] got ${header.length} columns, expected at most 65.`);
  rows.forEach((r, i) => {
    if (r.length !== header.length) throw new Refused(`[csv] got ${r.length} fields in row ${i + 2}, expected ${header.length} as in the header.`);
  });
  return { header, rows };
}

/// What chooseTable() takes: the values row by row, and the labels as numbers from 0.
function tableOf({ header, rows }, label) {
  const at = header.indexOf(label);
  const names = [...new Set(rows.map((r) => r[at].trim()))].sort((a, b) => (a - b) || (a < b ? -1 : a > b ? 1 : 0));
  if (names.length < 2 || names.length > 10) throw new Refused(`[csv] got ${names.length} different values in column "${label}", expected 2 to 10 classes. Choose another column as the label.`);
  const values = new Float64Array(rows.length * (header.length - 1));
  let to = 0;
  rows.forEach((r, i) => r.forEach((text, column) => {
    if (column === at) return;
    const value = text.trim() === "" ? NaN : Number(text);
    if (!Number.isFinite(value)) throw new Refused(`[csv] got "${text}" in row ${i + 2}, column "${header[column]}", expected a number. Every column but the label must hold numbers.`);
    values[to++] = value;
  }));
  return { values, labels: Float64Array.from(rows, (r) => names.indexOf(r[at].trim())), names, features: header.length - 1 };
}

class NetworkLab {
  constructor(minima, page) {
    this.minima = minima;
    this.page = page;
    this.trainees = [];
    this.playing = false;
    this.csv = null;
    this.build();
  }
  get state() { return this.page.state; }
  get gradients() { return Math.min(...this.active.map((t) => t.gradients), Infinity); }
  get active() { return this.trainees.filter((t) => !t.refused); }

  // ---- controls

  build() {
    fillSelect(byId("network-lesson"), { "": "free play", ...Object.fromEntries(networkLessons.map((l) => [l.id, l.title])) });
    byId("network-lesson").onchange = () => {
      const lesson = networkLessons.find((l) => l.id === byId("network-lesson").value);
      const state = lesson ? stateOfNetworkLesson(lesson) : { ...freshState(), tab: "network" };
      this.page.replace(state);
    };
    byId("network-play").onclick = () => this.play(!this.playing);
    byId("network-step").onclick = () => this.stepOnce();
    byId("network-rewind").onclick = () => this.rewind();
    byId("network-until").onchange = () => {
      this.state.networkUntil = bounded(number("", 1, 20000, 600, { whole: true }), byId("network-until").value);
      byId("network-until").value = this.state.networkUntil;
      this.page.changed();
    };
    checkList(byId("network-optimizers"), networkOptimizers, (name) => `${markPicture(name)} ${optimizers[name].name}`, (name, on) => {
      this.state.networkOn = networkOptimizers.filter((other) => (other === name ? on : this.state.networkOn.includes(other)));
      this.rewind();
    });
    this.controls = {};
    const group = (place, controls, change) => {
      for (const [key, control] of Object.entries(controls))
        this.controls[key] = addControl(byId(place), key, control, () => this.state.network[key], (value) => {
          this.state.network[key] = value;
          if (key === "data") this.forgetLesson();
          change(key);
        });
    };
    group("data-controls", networkControls, (key) => {
      if (key === "data" && this.state.network.data === "table" && !this.csv) return this.showControls();
      if (key === "data" && this.state.network.data === "digits") this.state.network.samples = 300;
      this.newData();
    });
    group("model-controls", modelControls, () => this.rewind());
    group("network-settings", trainingControls, () => {
      this.altered = this.altered || this.trainees.some((t) => t.gradients > 0);
      this.page.changed();
      this.tellLesson();
      for (const t of this.active) this.guard(t, () => this.minima.changeTrainee(t.handle, this.settingsOf(t.name)));
    });
    this.buildFile();
    byId("network-show-program").onclick = () => showProgram(networkProgram(this.state, this.csv));
    byId("network-copy-address").onclick = () => copyAddress(byId("network-copy-address"));
  }
  buildFile() {
    this.file = document.createElement("div");
    this.file.className = "control wide";
    this.file.innerHTML = `<label for="csv">CSV file: a header row, numbers, and one column of labels. It stays on this machine.</label>
      <input type="file" id="csv" accept=".csv,text/csv"><label for="csv-label">column of labels</label><select id="csv-label"></select><p class="problem" aria-live="polite"></p>`;
    byId("data-controls").append(this.file);
    byId("csv").onchange = async () => {
      const file = byId("csv").files[0];
      if (file) this.useCsv(await file.text());
    };
    byId("csv-label").onchange = () => {
      this.csv.label = byId("csv-label").value;
      this.newData();
    };
  }
  /// Takes a table, with the last column as the label at first.
  useCsv(text) {
    const problem = this.file.querySelector(".problem");
    problem.textContent = "";
    try {
      const table = readCsv(text);
      this.csv = { ...table, label: table.header[table.header.length - 1] };
    } catch (refusal) {
      if (!(refusal instanceof Refused)) throw refusal;
      return (problem.textContent = refusal.message);
    }
    fillSelect(byId("csv-label"), Object.fromEntries(this.csv.header.map((name) => [name, name])));
    byId("csv-label").value = this.csv.label;
    this.state.network.data = "table";
    this.newData();
  }
  showControls() {
    for (const [key, control] of Object.entries(networkControls)) {
      this.controls[key].element.hidden = control.of !== undefined && !control.of.split(" ").includes(this.state.network.data);
      if (key === "samples") this.controls[key].element.hidden = this.state.network.data === "table";
    }
    this.file.hidden = this.state.network.data !== "table";
    for (const control of Object.values(this.controls)) control.refresh();
  }

  load() {
    byId("network-lesson").value = this.state.networkLesson;
    byId("network-until").value = this.state.networkUntil;
    tick(byId("network-optimizers"), this.state.networkOn);
    this.newData();
  }
  forgetLesson() {
    this.state.networkLesson = "";
    byId("network-lesson").value = "";
  }

  newData() {
    const n = this.state.network;
    this.showControls();
    const problem = this.file.querySelector(".problem");
    problem.textContent = "";
    try {
      if (n.data === "table") {
        const table = tableOf(this.csv, this.csv.label);
        this.features = this.minima.chooseTable(table.values, table.labels, table.features, table.names.length, n.wrong, n.seed);
        this.classNames = table.names;
      } else {
        this.features = this.minima.chooseData(n.data, n.samples, n.spread, n.wrong, n.seed);
        this.classNames = null;
      }
    } catch (refusal) {
      if (!(refusal instanceof Refused)) throw refusal;
      problem.textContent = refusal.message;
      return;
    }
    this.classes = this.minima.classes();
    this.train = this.minima.samples(0, this.features);
    this.test = this.minima.samples(1, this.features);
    if (this.features === 2) this.frameOf(this.train.concat(this.test));
    this.trainees = [];
    this.rewind();
  }
  frameOf(samples) {
    const low = [0, 1].map((k) => samples.reduce((m, s) => Math.min(m, s.x[k]), Infinity));
    const high = [0, 1].map((k) => samples.reduce((m, s) => Math.max(m, s.x[k]), -Infinity));
    const half = Math.max(high[0] - low[0], high[1] - low[1]) * 0.54 || 1;
    const centre = [0, 1].map((k) => (low[k] + high[k]) / 2);
    this.frame = [centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half];
  }
  settingsOf(name) {
    const n = this.state.network;
    return { lr: name.startsWith("adam") ? n.lrAdam : n.lr, momentum: n.momentum, rho: name === "msam" ? n.rhoMsam : n.rho, decay: n.decay };
  }
  guard(trainee, body) {
    try {
      body();
    } catch (refusal) {
      if (!(refusal instanceof Refused)) throw refusal;
      trainee.refused = refusal.message;
      this.changed = true;
    }
  }

  // ---- training

  rewind() {
    this.play(false);
    this.altered = false; // whether a setting was changed during the run
    for (const t of this.trainees) if (t.handle) this.minima.deleteTrainee(t.handle);
    const n = this.state.network;
    this.trainees = this.state.networkOn.map((name) => {
      const trainee = { name, gradients: 0, history: [], refused: "", due: 0 };
      this.guard(trainee, () => {
        trainee.handle = this.minima.newTrainee(name, [Number(n.width1), Number(n.width2)], Number(n.batch), this.settingsOf(name), n.seed);
        this.measure(trainee);
      });
      return trainee;
    });
    this.buildBoundaries();
    this.page.changed();
    this.tellLesson();
    this.speak("At the start.");
  }
  measure(trainee) {
    this.guard(trainee, () => {
      trainee.history.push({ gradients: trainee.gradients, ...this.minima.measure(trainee.handle, true) });
      trainee.due = trainee.gradients + Math.max(10, Math.round(trainee.gradients / 20));
      trainee.stale = true;
      this.changed = true;
    });
  }
  /// One step of whoever has spent the fewest gradients. False when all have spent `goal`.
  trainOne(goal) {
    const next = this.active.filter((t) => t.gradients < goal).sort((a, b) => a.gradients - b.gradients)[0];
    if (!next) return false;
    this.guard(next, () => (next.gradients = this.minima.train(next.handle, 1)));
    if (!next.refused && (next.gradients >= next.due || next.gradients >= goal)) this.measure(next);
    return true;
  }
  play(on) {
    this.playing = on && this.active.length > 0;
    byId("network-play").textContent = this.playing ? "Pause" : "Play";
    if (!this.playing && this.trainees.some((t) => t.gradients > 0)) this.speak();
  }
  stepOnce() {
    this.play(false);
    for (const t of this.active) {
      this.guard(t, () => (t.gradients = this.minima.train(t.handle, 1)));
      if (!t.refused) this.measure(t);
    }
    this.speak();
  }
  runTo(goal) {
    this.play(false);
    while (this.trainOne(goal));
    this.speak();
    this.tellLesson();
  }
  frameTick() {
    if (this.playing) {
      const goal = this.gradients < this.state.networkUntil ? this.state.networkUntil : 20000;
      const end = performance.now() + 12;
      let more = true;
      while (more && performance.now() < end) more = this.trainOne(goal);
      if (!more || this.gradients >= goal) {
        this.play(false);
        this.tellLesson();
      }
    }
    this.draw();
  }

  // ---- showing

  buildBoundaries() {
    const place = byId("boundaries");
    place.textContent = "";
    if (this.features !== 2 && this.state.network.data !== "digits")
      place.innerHTML = `<p class="note">A boundary can be drawn for data with two features. These have ${this.features}.</p>`;
    else
      for (const t of this.trainees) {
        const box = document.createElement("div");
        box.innerHTML = `<h3>${markPicture(t.name)} ${optimizers[t.name].name}</h3><canvas role="img"></canvas>`;
        place.append(box);
        t.canvas = box.querySelector("canvas");
        t.stale = true;
      }
    this.changed = true;
  }
  draw() {
    for (const t of this.trainees) {
      if (!t.canvas || !t.stale) continue;
      t.stale = false;
      if (t.refused) continue;
      if (this.features === 2) this.drawBoundary(t);
      else this.drawDigits(t);
    }
    if (!this.changed) return;
    this.changed = false;
    const line = (t, key, dash) => ({ name: t.name, dash, count: t.history.length, x: (i) => t.history[i].gradients, y: (i) => t.history[i][key] });
    const x = { xLabel: "gradients spent", xMost: 50 };
    lineChart(byId("network-loss"), [...this.trainees.map((t) => line(t, "testLoss", [5, 4])), ...this.trainees.map((t) => line(t, "trainLoss", null))], x);
    lineChart(byId("network-accuracy"), this.trainees.map((t) => ({ ...line(t, "testAccuracy", null), y: (i) => 100 * t.history[i].testAccuracy })), { ...x, fromZero: false });
    lineChart(byId("network-curvature"), this.trainees.map((t) => line(t, "curvature", null)), x);
    this.tell();
  }
  classColour(i) {
    if (i < 3) return theme.classes[i];
    const hue = (i * 137) % 360, pick = (shift) => Math.round(140 + 90 * Math.cos(((hue + shift) * Math.PI) / 180));
    return [pick(0), pick(240), pick(120)];
  }
  drawBoundary(t) {
    const { pen, width, height } = sharp(t.canvas);
    const cells = 56, f = this.frame;
    const points = new Float64Array(2 * cells * cells);
    for (let row = 0, i = 0; row < cells; ++row)
      for (let column = 0; column < cells; ++column, i += 2) {
        points[i] = f[0] + ((f[1] - f[0]) * (column + 0.5)) / cells;
        points[i + 1] = f[3] - ((f[3] - f[2]) * (row + 0.5)) / cells;
      }
    const p = this.minima.probabilities(t.handle, points, 2, this.classes);
    const page = pageColour();
    const image = new ImageData(cells, cells);
    for (let i = 0; i < cells * cells; ++i) {
      const mixed = [0, 0, 0];
      for (let c = 0; c < this.classes; ++c) this.classColour(c).forEach((v, k) => (mixed[k] += v * p[i * this.classes + c]));
      for (let k = 0; k < 3; ++k) image.data[4 * i + k] = page[k] + 0.45 * (mixed[k] - page[k]);
      image.data[4 * i + 3] = 255;
    }
    const small = document.createElement("canvas");
    small.width = small.height = cells;
    small.getContext("2d").putImageData(image, 0, 0);
    pen.drawImage(small, 0, 0, width, height);
    const px = (x) => ((x - f[0]) / (f[1] - f[0])) * width, py = (y) => height - ((y - f[2]) / (f[3] - f[2])) * height;
    for (const s of this.train) {
      const x = px(s.x[0]), y = py(s.x[1]), r = width < 200 ? 2.2 : 3;
      pen.fillStyle = `rgb(${this.classColour(s.label)})`;
      pen.strokeStyle = s.label === s.right ? theme.page : theme.text;
      pen.lineWidth = s.label === s.right ? 0.7 : 1.6;
      pen.beginPath();
      if (s.label % 3 === 1) pen.rect(x - r, y - r, 2 * r, 2 * r);
      else if (s.label % 3 === 2) pen.moveTo(x, y - 1.3 * r), pen.lineTo(x + 1.2 * r, y + r), pen.lineTo(x - 1.2 * r, y + r), pen.closePath();
      else pen.arc(x, y, 1.1 * r, 0, 7);
      pen.fill();
      pen.stroke();
    }
    this.label(t, "Decision boundary and training points; a dark edge marks a wrong label");
  }
  drawDigits(t) {
    const { pen, width, height } = sharp(t.canvas);
    pen.clearRect(0, 0, width, height);
    const columns = 6, shown = this.test.slice(0, 36), cell = width / columns;
    const points = new Float64Array(shown.length * 64);
    shown.forEach((s, i) => points.set(s.x, 64 * i));
    const p = this.minima.probabilities(t.handle, points, 64, this.classes);
    let wrong = 0;
    shown.forEach((s, i) => {
      const left = (i % columns) * cell, top = Math.floor(i / columns) * cell, image = new ImageData(8, 8);
      const dark = Math.max(...s.x), light = Math.min(...s.x);
      for (let k = 0; k < 64; ++k) {
        const value = 255 - 255 * ((s.x[k] - light) / (dark - light));
        image.data.set([value, value, value, 255], 4 * k);
      }
      const small = document.createElement("canvas");
      small.width = small.height = 8;
      small.getContext("2d").putImageData(image, 0, 0);
      pen.imageSmoothingEnabled = true;
      pen.drawImage(small, left + 2, top + 2, cell - 4, cell - 4);
      const own = Array.from(p.subarray(this.classes * i, this.classes * (i + 1)));
      const guess = own.indexOf(Math.max(...own)), right = guess === s.right;
      if (!right) ++wrong;
      pen.lineWidth = right ? 1 : 3;
      pen.strokeStyle = right ? theme.line : theme.warn;
      pen.strokeRect(left + 2, top + 2, cell - 4, cell - 4);
      const box = Math.max(12, cell / 3);
      pen.fillStyle = theme.page;
      pen.fillRect(left + cell - 2 - box, top + cell - 2 - box, box, box);
      pen.font = `bold ${font(box - 2)}`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillStyle = right ? theme.faint : theme.warn;
      pen.fillText(guess, left + cell - 2 - box / 2, top + cell - 1 - box / 2);
    });
    this.label(t, `The first 36 test digits with what the network reads; ${wrong} are wrong and have a thick frame`);
  }
  label(t, what) {
    const last = t.history[t.history.length - 1];
    t.canvas.setAttribute("aria-label", `${what}. ${optimizers[t.name].name}: test accuracy ${short(100 * last.testAccuracy, 3)} %.`);
  }
  tell() {
    const rows = this.trainees.map((t) => {
      const label = `<td>${markPicture(t.name)} ${optimizers[t.name].name}</td>`;
      if (t.refused) return `<tr>${label}<td class="reason" colspan="5"><span>${escaped(t.refused)}</span></td></tr>`;
      const h = t.history[t.history.length - 1];
      const cells = [h.gradients, short(h.trainLoss, 3), short(h.testLoss, 3), short(100 * h.testAccuracy, 3), short(h.curvature, 3)];
      return `<tr>${label}${cells.map((c) => `<td>${c}</td>`).join("")}</tr>`;
    });
    byId("network-numbers").innerHTML = `<caption class="hidden">Last measurement</caption><thead><tr><th scope="col">optimizer</th><th scope="col">gradients</th><th scope="col">train loss</th><th scope="col">test loss</th><th scope="col">test accuracy, %</th><th scope="col">sharpness</th></tr></thead><tbody>${rows.join("")}</tbody>`;
    const spoken = { "network-loss": ["Test loss", "testLoss"], "network-accuracy": ["Test accuracy", "testAccuracy"], "network-curvature": ["Sharpness", "curvature"] };
    for (const [id, [what, key]] of Object.entries(spoken))
      byId(id).setAttribute("aria-label", `${what} against gradients spent. ${this.active.map((t) => `${optimizers[t.name].name}: ${short(t.history[0][key], 3)} at first, ${short(t.history[t.history.length - 1][key], 3)} after ${t.gradients} gradients`).join("; ")}.`);
  }
  speak(words = "") {
    byId("network-spoken").textContent = words || this.trainees.map((t) => {
      if (t.refused) return `${optimizers[t.name].name} stopped: ${t.refused}`;
      const h = t.history[t.history.length - 1];
      return `${optimizers[t.name].name} after ${h.gradients} gradients: test accuracy ${short(100 * h.testAccuracy, 3)} percent, sharpness ${short(h.curvature, 3)}`;
    }).join(". ");
  }
  lessonRuns(lesson) {
    if (!(this.gradients >= lesson.until) || this.changedFrom(lesson)) return null;
    return Object.fromEntries(this.active.map((t) => [t.name, t.history.find((h) => h.gradients >= lesson.until)]));
  }
  changedFrom(lesson) {
    const own = stateOfNetworkLesson(lesson);
    return this.altered || JSON.stringify(this.state.network) !== JSON.stringify(own.network) || !own.networkOn.every((name) => this.state.networkOn.includes(name));
  }
  tellLesson() {
    const lesson = networkLessons.find((l) => l.id === this.state.networkLesson);
    byId("network-lesson-text").innerHTML = lesson ? lessonText(lesson, this.lessonRuns(lesson), `after ${lesson.until} gradients`, this.changedFrom(lesson)) : "";
  }
}
