// The map of a surface with the paths on it, in three layers: the surface, drawn when what it shows changes; the paths,
// to which each frame adds its steps; the marks and arrows of the step shown, drawn in every frame.

class SurfaceMap {
  /// `use` has heights(w1, w2), start(), moveStart(w1, w2), view(), setView(view or null).
  constructor(place, title, use) {
    this.use = use;
    this.element = document.createElement("div");
    this.element.className = "map";
    this.element.innerHTML = `<h3></h3><div class="layers" tabindex="0" role="application" aria-roledescription="map"
      ><canvas aria-hidden="true"></canvas><canvas aria-hidden="true"></canvas><canvas aria-hidden="true"></canvas>
      <div class="under"></div></div><div class="zoom" role="group" aria-label="Zoom"
      ><button aria-label="Zoom in">+</button><button aria-label="Zoom out">−</button
      ><button aria-label="Show the whole surface">Whole</button></div>`;
    place.append(this.element);
    this.layers = this.element.querySelector(".layers");
    [this.ground, this.paths, this.signs] = this.element.querySelectorAll("canvas");
    this.under = this.element.querySelector(".under");
    const heading = this.element.querySelector("h3");
    heading.textContent = title;
    heading.hidden = title === "";
    this.layers.setAttribute("aria-label", `Map of the loss${title ? `, ${title}` : ""}. Arrow keys move the start.`);
    const [closer, farther, whole] = this.element.querySelectorAll("button");
    closer.onclick = () => this.zoom(0.5);
    farther.onclick = () => this.zoom(2);
    whole.onclick = () => use.setView(null);
    this.listen();
    this.drawn = []; // of each run, how many points are on the paths' layer
    this.fresh = true;
  }

  remove() { this.element.remove(); }

  // ---- places

  frame() {
    const { clientWidth: width, clientHeight: height } = this.layers;
    return { left: 44, right: width - 8, top: 8, bottom: height - 26 };
  }
  /// One scale for both weights, so that angles are right: the view is widened to the shape of the picture.
  measure() {
    const f = this.frame(), v = [...this.use.view()];
    const scale = Math.min((f.right - f.left) / (v[1] - v[0]), (f.bottom - f.top) / (v[3] - v[2]));
    for (const [low, high, pixels] of [[0, 1, f.right - f.left], [2, 3, f.bottom - f.top]]) {
      const centre = (v[low] + v[high]) / 2, half = pixels / scale / 2;
      v[low] = centre - half;
      v[high] = centre + half;
    }
    this.scale = { x: scale, y: scale, f, v };
  }
  px(w1) { return this.scale.f.left + (w1 - this.scale.v[0]) * this.scale.x; }
  py(w2) { return this.scale.f.bottom - (w2 - this.scale.v[2]) * this.scale.y; }
  weightsAt(event) {
    const box = this.layers.getBoundingClientRect();
    return [this.scale.v[0] + (event.clientX - box.left - this.scale.f.left) / this.scale.x,
            this.scale.v[2] + (this.scale.f.bottom - (event.clientY - box.top)) / this.scale.y];
  }

  zoom(factor, centre = this.use.focus()) {
    const v = this.use.view();
    const half = [((v[1] - v[0]) / 2) * factor, ((v[3] - v[2]) / 2) * factor];
    if (half[0] < 1e-6 || half[0] > 500) return;
    this.use.setView([centre[0] - half[0], centre[0] + half[0], centre[1] - half[1], centre[1] + half[1]]);
  }

  listen() {
    let from = null, moved = false;
    this.layers.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY, view: this.use.view() };
      moved = false;
    });
    this.layers.addEventListener("pointermove", (event) => {
      const [w1, w2] = this.weightsAt(event);
      this.tell(w1, w2);
      if (!from || event.pointerType === "touch") return;
      const dx = event.clientX - from.x, dy = event.clientY - from.y;
      if (!moved && Math.hypot(dx, dy) < 6) return;
      moved = true;
      const x = dx / this.scale.x, y = dy / this.scale.y, v = from.view;
      this.use.setView([v[0] - x, v[1] - x, v[2] + y, v[3] + y]);
    });
    this.layers.addEventListener("pointerup", (event) => {
      if (from && !moved && Math.hypot(event.clientX - from.x, event.clientY - from.y) < 6)
        this.use.moveStart(...this.weightsAt(event));
      from = null;
    });
    this.layers.addEventListener("pointerleave", () => {
      from = null;
      this.under.textContent = "";
    });
    this.layers.addEventListener("keydown", (event) => {
      const v = this.use.view(), start = this.use.start(), part = event.shiftKey ? 0.1 : 0.01;
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (moves[event.key])
        this.use.moveStart(start[0] + moves[event.key][0] * part * (v[1] - v[0]), start[1] + moves[event.key][1] * part * (v[3] - v[2]));
      else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  tell(w1, w2) {
    const v = this.scale.v;
    const inside = w1 >= v[0] && w1 <= v[1] && w2 >= v[2] && w2 <= v[3];
    this.under.textContent = inside ? `w1 ${short(w1, 3)}, w2 ${short(w2, 3)}: loss ${short(this.use.heights([w1], [w2]).loss[0], 3)}` : "";
  }

  // ---- the surface

  drawGround() {
    this.measure();
    const { pen, width, height } = sharp(this.ground);
    const { f, v } = this.scale;
    pen.clearRect(0, 0, width, height);
    const columns = Math.min(180, Math.max(24, Math.round((f.right - f.left) / 2.5)));
    const rows = Math.min(180, Math.max(24, Math.round((f.bottom - f.top) / 2.5)));
    const w1 = new Float64Array(columns * rows), w2 = new Float64Array(columns * rows);
    for (let row = 0, i = 0; row < rows; ++row)
      for (let column = 0; column < columns; ++column, ++i) {
        w1[i] = v[0] + ((v[1] - v[0]) * column) / (columns - 1);
        w2[i] = v[2] + ((v[3] - v[2]) * row) / (rows - 1);
      }
    const loss = this.use.heights(w1, w2).loss;
    const sorted = loss.filter(Number.isFinite).sort();
    if (sorted.length > 0) {
      const levels = SurfaceMap.levels(sorted);
      this.paint(pen, loss, columns, rows, levels);
      pen.strokeStyle = theme.contour;
      pen.lineWidth = 1;
      pen.save();
      pen.beginPath();
      pen.rect(f.left, f.top, f.right - f.left, f.bottom - f.top);
      pen.clip();
      for (const level of levels) this.contour(pen, loss, columns, rows, level);
      pen.restore();
    }
    pen.strokeStyle = theme.line;
    pen.lineWidth = 1;
    pen.strokeRect(f.left + 0.5, f.top + 0.5, f.right - f.left, f.bottom - f.top);
    pen.fillStyle = theme.faint;
    pen.font = font(11);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const text = (value) => short(Math.abs(value) < 1e-12 ? 0 : value, 4);
    for (const x of ticks(v[0], v[1], Math.max(2, (f.right - f.left) / 80))) pen.fillText(text(x), this.px(x), f.bottom + 4);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const y of ticks(v[2], v[3], Math.max(2, (f.bottom - f.top) / 60))) pen.fillText(text(y), f.left - 5, this.py(y));
    // the names are inside, where no number is
    pen.fillStyle = theme.text;
    pen.textBaseline = "bottom";
    pen.fillText("w1", f.right - 5, f.bottom - 4);
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillText("w2", f.left + 5, f.top + 4);
    this.fresh = true;
  }

  /// Losses that part the picture into areas of similar size, so that any surface and any zoom shows its shape.
  static levels(sorted) {
    const levels = [];
    for (const share of [0.05, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97]) {
      const level = sorted[Math.floor(share * (sorted.length - 1))];
      if (levels.length === 0 || level > levels[levels.length - 1]) levels.push(level);
    }
    return levels;
  }

  paint(pen, loss, columns, rows, levels) {
    const low = theme.low.split(",").map(Number), high = theme.high.split(",").map(Number);
    const image = new ImageData(columns, rows);
    for (let row = 0; row < rows; ++row)
      for (let column = 0; column < columns; ++column) {
        const value = loss[(rows - 1 - row) * columns + column];
        let band = 0;
        while (band < levels.length && value > levels[band]) ++band;
        const below = levels[band - 1] ?? value, above = levels[band] ?? value;
        const within = above > below ? (value - below) / (above - below) : 0;
        const share = Number.isFinite(value) ? (band + within) / (levels.length + 1) : 1;
        const at = 4 * (row * columns + column);
        for (let c = 0; c < 3; ++c) image.data[at + c] = low[c] + (high[c] - low[c]) * share;
        image.data[at + 3] = 255;
      }
    const small = document.createElement("canvas");
    small.width = columns;
    small.height = rows;
    small.getContext("2d").putImageData(image, 0, 0);
    const { f } = this.scale;
    pen.imageSmoothingEnabled = true;
    // the grid's points are the middles of the image's pixels
    pen.drawImage(small, 0.5, 0.5, columns - 1, rows - 1, f.left, f.top, f.right - f.left, f.bottom - f.top);
  }

  /// Marching squares: in each cell the line between the edges that the level crosses.
  contour(pen, loss, columns, rows, level) {
    const { f } = this.scale;
    const dx = (f.right - f.left) / (columns - 1), dy = (f.bottom - f.top) / (rows - 1);
    pen.beginPath();
    for (let row = 0; row + 1 < rows; ++row)
      for (let column = 0; column + 1 < columns; ++column) {
        const i = row * columns + column;
        const corners = [loss[i], loss[i + 1], loss[i + 1 + columns], loss[i + columns]];
        const above = corners.map((value) => value > level);
        if (above[0] === above[1] && above[1] === above[2] && above[2] === above[3]) continue;
        const ends = [];
        for (let edge = 0; edge < 4; ++edge) {
          const a = corners[edge], b = corners[(edge + 1) % 4];
          if (above[edge] === above[(edge + 1) % 4] || !Number.isFinite(a + b)) continue;
          const t = (level - a) / (b - a);
          const [x, y] = [[t, 0], [1, t], [1 - t, 1], [0, 1 - t]][edge];
          ends.push([f.left + (column + x) * dx, f.bottom - (row + y) * dy]);
        }
        for (let e = 0; e + 1 < ends.length; e += 2) {
          pen.moveTo(...ends[e]);
          pen.lineTo(...ends[e + 1]);
        }
      }
    pen.stroke();
  }

  // ---- the runs

  /// `runs` are walks (surfaces.js); all is shown as of step `shown`.
  drawRuns(runs, shown, arrows) {
    this.measure();
    const { f } = this.scale;
    const paths = sharp(this.paths);
    const shrunk = runs.length !== this.drawn.length || runs.some((run, k) => Math.min(shown, run.steps) < this.drawn[k]);
    if (this.fresh || shrunk) {
      paths.pen.clearRect(0, 0, paths.width, paths.height);
      this.drawn = runs.map(() => 0);
      this.fresh = false;
    }
    const clipped = (pen, body) => {
      pen.save();
      pen.beginPath();
      pen.rect(f.left, f.top, f.right - f.left, f.bottom - f.top);
      pen.clip();
      body();
      pen.restore();
    };
    clipped(paths.pen, () => runs.forEach((run, k) => {
      const end = Math.min(shown, run.steps);
      if (end > this.drawn[k]) this.line(paths.pen, run, this.drawn[k], end);
      this.drawn[k] = end;
    }));
    const { pen, width, height } = sharp(this.signs);
    pen.clearRect(0, 0, width, height);
    const start = this.use.start();
    clipped(pen, () => {
      const x = this.px(start[0]), y = this.py(start[1]);
      pen.strokeStyle = theme.text;
      pen.lineWidth = 1.6;
      pen.beginPath();
      pen.arc(x, y, 6, 0, 7);
      pen.moveTo(x - 10, y);
      pen.lineTo(x + 10, y);
      pen.moveTo(x, y - 10);
      pen.lineTo(x, y + 10);
      pen.stroke();
      for (const run of runs) this.arrowsOf(pen, run, Math.min(shown, run.steps), arrows);
      for (const run of runs) {
        const p = run.at(Math.min(shown, run.steps));
        if (Number.isFinite(p.w1 + p.w2)) mark(pen, run.name, this.px(p.w1), this.py(p.w2), 6);
      }
    });
  }

  line(pen, run, from, to) {
    pen.strokeStyle = theme[run.name];
    pen.lineWidth = run.name === "msam-nesterov" ? 1 : 1.7;
    pen.lineJoin = "round";
    pen.beginPath();
    const limit = 1e4;
    const x = (i) => clamp(this.px(run.data[10 * i]), -limit, limit), y = (i) => clamp(this.py(run.data[10 * i + 1]), -limit, limit);
    let lastX = x(from), lastY = y(from);
    pen.moveTo(lastX, lastY);
    for (let i = from + 1; i <= to; ++i) {
      const nextX = x(i), nextY = y(i);
      if (!Number.isFinite(nextX + nextY)) break;
      // thousands of steps within one pixel are one point
      if (i < to && Math.abs(nextX - lastX) + Math.abs(nextY - lastY) < 0.3) continue;
      pen.lineTo(nextX, nextY);
      lastX = nextX;
      lastY = nextY;
    }
    pen.stroke();
    if (to - from > 400) return;
    pen.fillStyle = theme[run.name];
    for (let i = from + 1; i <= to; ++i) pen.fillRect(x(i) - 1.4, y(i) - 1.4, 2.8, 2.8);
  }

  /// Of the step that led to point i: where its gradient was taken, and that gradient. The velocity is that at point i.
  arrowsOf(pen, run, i, arrows) {
    if (i === 0) return;
    const p = run.at(i - 1), now = run.at(i);
    const x = this.px(p.w1), y = this.py(p.w2), ax = this.px(p.at1), ay = this.py(p.at2);
    if (![x, y, ax, ay].every((value) => Math.abs(value) < 1e5)) return;
    if (arrows.includes("e") && Math.hypot(ax - x, ay - y) > 0.5) {
      pen.strokeStyle = theme.faint;
      pen.lineWidth = 1.6;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(ax, ay);
      pen.stroke();
      pen.beginPath();
      pen.arc(ax, ay, 4, 0, 7);
      pen.fillStyle = theme.page;
      pen.fill();
      pen.strokeStyle = theme[run.name];
      pen.stroke();
    }
    if (arrows.includes("g")) arrow(pen, ax, ay, -p.g1 * this.scale.x, p.g2 * this.scale.y, 40, theme[run.name]);
    if (arrows.includes("v")) arrow(pen, this.px(now.w1), this.py(now.w2), -p.v1 * this.scale.x, p.v2 * this.scale.y, 40, theme[run.name], [4, 3]);
  }
}
