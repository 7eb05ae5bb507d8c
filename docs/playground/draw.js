// Drawing that all pictures share: colours of the theme, sharp canvases, axes, the optimizers' marks, line charts.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
let theme = {};
function readTheme() {
  for (const name of ["page", "text", "faint", "line", "contour", "low", "high", "warn", ...Object.keys(optimizers)])
    theme[name] = colour(name);
  theme.classes = [0, 1, 2].map((i) => colour(`class${i}`).split(",").map(Number));
}

/// The canvas's context, in CSS pixels, for a canvas that fits its place on the page.
function sharp(canvas) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { pen, width, height, ratio };
}

const font = (size) => `${size}px system-ui, "DejaVu Sans", sans-serif`;

/// "1e-12", "0.0053", "1200": at most so many digits.
function short(value, digits = 4) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size < 1e-4 || size >= 1e6 ? value.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−").replace("e−", "e-").replace("e+", "e").replace(/e−/, "e-");
}

/// Round positions of ticks.
function ticks(low, high, most) {
  const raw = (high - low) / most;
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((f) => f * ten).find((s) => s >= raw);
  const result = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) result.push(i * step);
  return result;
}

/// The sign of an optimizer: a shape, so that colour is not needed to tell them apart.
function mark(pen, name, x, y, size) {
  pen.save();
  pen.translate(x, y);
  pen.beginPath();
  const polygon = (points) => {
    points.forEach(([px, py], i) => (i ? pen.lineTo(px * size, py * size) : pen.moveTo(px * size, py * size)));
    pen.closePath();
  };
  switch (optimizers[name].mark) {
    case "square": polygon([[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]]); break;
    case "up": polygon([[0, -1.1], [1, 0.8], [-1, 0.8]]); break;
    case "down": polygon([[0, 1.1], [1, -0.8], [-1, -0.8]]); break;
    case "diamond": polygon([[0, -1.2], [1, 0], [0, 1.2], [-1, 0]]); break;
    case "plus": polygon([[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1], [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]]); break;
    case "star": polygon(Array.from({ length: 10 }, (_, i) => {
      const r = i % 2 ? 0.55 : 1.25, angle = (Math.PI * i) / 5;
      return [r * Math.sin(angle), -r * Math.cos(angle)];
    })); break;
    default: pen.arc(0, 0, size * (optimizers[name].mark === "ring" ? 1.5 : 1), 0, 7);
  }
  pen.fillStyle = pen.strokeStyle = theme[name];
  pen.lineWidth = optimizers[name].mark === "ring" ? 2.2 : 1.5;
  if (optimizers[name].mark !== "ring") {
    pen.fill();
    pen.strokeStyle = theme.page;
    pen.lineWidth = 1;
  }
  pen.stroke();
  pen.restore();
}

/// The same sign as a small picture for lists; it follows the theme by itself.
function markPicture(name) {
  const shapes = {
    circle: '<circle cx="12" cy="8" r="4.5"/>', square: '<rect x="8" y="4" width="8" height="8"/>',
    up: '<path d="M12 2.5 17 12H7z"/>', down: '<path d="M12 13.5 17 4H7z"/>', diamond: '<path d="M12 2 17 8 12 14 7 8z"/>',
    plus: '<path d="M10 3h4v3h3v4h-3v3h-4v-3H7V6h3z"/>', ring: '<circle cx="12" cy="8" r="5" style="fill:none"/>',
    star: '<path d="M12 1.5 13.9 5.8 18.5 6 15 9 16.2 13.5 12 11 7.8 13.5 9 9 5.5 6 10.1 5.8z"/>',
  };
  return `<svg viewBox="0 0 24 16" aria-hidden="true" style="stroke:var(--${name});fill:var(--${name});stroke-width:2"><path d="M1 8H23" style="fill:none"/>${shapes[optimizers[name].mark]}</svg>`;
}

function arrow(pen, x, y, dx, dy, length, style, dash = []) {
  const size = Math.hypot(dx, dy);
  if (!(size > 0) || !Number.isFinite(size)) return;
  const ux = dx / size, uy = dy / size, ex = x + length * ux, ey = y + length * uy;
  pen.strokeStyle = pen.fillStyle = style;
  pen.lineWidth = 1.8;
  pen.setLineDash(dash);
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(ex - 5 * ux, ey - 5 * uy);
  pen.stroke();
  pen.setLineDash([]);
  pen.beginPath();
  pen.moveTo(ex, ey);
  pen.lineTo(ex - 9 * ux - 4 * uy, ey - 9 * uy + 4 * ux);
  pen.lineTo(ex - 9 * ux + 4 * uy, ey - 9 * uy - 4 * ux);
  pen.fill();
}

/// A chart of lines. Each is {name, label, dash, count, x(i), y(i)}; drawn as the range of each column of pixels, so
/// that any number of points stays fast and a spike stays visible. `cursor` is an x to point out. Values of y above
/// `ceiling` times the first are outside.
function lineChart(canvas, lines, { logarithmic = false, cursor = null, xLabel = "", lowest = 0, xMost = 1, fromZero = true } = {}) {
  const { pen, width, height } = sharp(canvas);
  pen.clearRect(0, 0, width, height);
  const left = 46, right = width - 10, top = 8, bottom = height - 32;
  const columns = Math.max(8, Math.floor(right - left));
  let xEnd = xMost;
  for (const line of lines) if (line.count > 0) xEnd = Math.max(xEnd, line.x(line.count - 1));
  let low = Infinity, high = -Infinity, first = -Infinity;
  const shown = lines.map((line) => {
    const bins = new Map();
    for (let i = 0; i < line.count; ++i) {
      const y = line.y(i) - lowest;
      if (!Number.isFinite(y) || (logarithmic && y <= 0)) continue;
      const column = Math.floor((line.x(i) / xEnd) * columns);
      const bin = bins.get(column);
      if (bin) {
        bin.low = Math.min(bin.low, y);
        bin.high = Math.max(bin.high, y);
        bin.last = y;
      } else bins.set(column, { first: y, last: y, low: y, high: y });
      if (first === -Infinity || i === 0) first = Math.max(first, y);
    }
    return bins;
  });
  const ceiling = first > 0 ? first * 1e3 : Infinity;
  for (const bins of shown)
    for (const bin of bins.values()) {
      low = Math.min(low, bin.low);
      high = Math.max(high, Math.min(bin.high, ceiling));
    }
  if (!(low <= high)) (low = logarithmic ? 0.1 : 0), (high = 1);
  if (logarithmic) {
    low = Math.max(low, high * 1e-16, 1e-16);
    low = 10 ** Math.floor(Math.log10(low) + 1e-9);
    high = 10 ** Math.ceil(Math.log10(high) - 1e-9);
    if (low >= high) high = low * 10;
  } else {
    if (fromZero && low > 0 && low < high * 0.6) low = 0;
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    high += room;
    if (low !== 0) low -= room;
  }
  const yOf = logarithmic
    ? (y) => bottom - ((Math.log10(Math.max(y, low)) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))) * (bottom - top)
    : (y) => bottom - ((y - low) / (high - low)) * (bottom - top);
  pen.font = font(11);
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  let yTicks;
  if (logarithmic) {
    const decades = Math.round(Math.log10(high / low)), every = Math.max(1, Math.ceil(decades / 5));
    yTicks = [];
    for (let d = 0; d <= decades; d += every) yTicks.push(low * 10 ** d);
  } else yTicks = ticks(low, high, 5);
  for (const y of yTicks) {
    pen.strokeStyle = theme.line;
    pen.globalAlpha = 0.55;
    pen.beginPath();
    pen.moveTo(left, Math.round(yOf(y)) + 0.5);
    pen.lineTo(right, Math.round(yOf(y)) + 0.5);
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillStyle = theme.faint;
    pen.fillText(logarithmic && (y < 1e-3 || y >= 1e5) ? y.toExponential(0).replace("+", "") : short(y, 3), left - 6, yOf(y));
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const x of ticks(0, xEnd, Math.max(2, Math.min(6, columns / 70)))) {
    const half = pen.measureText(short(x, 6)).width / 2; // the last one must not be cut
    pen.fillText(short(x, 6), Math.min(left + (x / xEnd) * columns, width - half - 1), bottom + 4);
  }
  pen.fillText(xLabel, (left + right) / 2, bottom + 17);
  pen.save();
  pen.beginPath();
  pen.rect(left, top - 3, right - left + 3, bottom - top + 6);
  pen.clip();
  lines.forEach((line, k) => {
    pen.strokeStyle = theme[line.name];
    pen.lineWidth = 1.7;
    pen.setLineDash(line.dash || []);
    pen.beginPath();
    let begun = false, lastX = 0, lastY = 0;
    for (const [column, bin] of shown[k]) {
      const x = left + column;
      if (begun) pen.lineTo(x, yOf(bin.first));
      else pen.moveTo(x, yOf(bin.first));
      begun = true;
      if (bin.high > bin.low) {
        pen.lineTo(x, yOf(bin.high));
        pen.lineTo(x, yOf(bin.low));
        pen.lineTo(x, yOf(bin.last));
      }
      lastX = x;
      lastY = yOf(bin.last);
    }
    pen.stroke();
    pen.setLineDash([]);
    if (begun && !line.dash) mark(pen, line.name, Math.min(lastX, right - 3), lastY, 4);
  });
  if (cursor !== null) {
    pen.strokeStyle = theme.faint;
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(left + (cursor / xEnd) * columns, top);
    pen.lineTo(left + (cursor / xEnd) * columns, bottom);
    pen.stroke();
    pen.setLineDash([]);
  }
  pen.restore();
}
