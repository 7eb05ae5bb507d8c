// minima as the page calls it: names, arrays and errors instead of handles, pointers and codes.

class Refused extends Error {}

/// Decodes the program and starts it.
async function startMinima() {
  const bytes = Uint8Array.from(atob(wasmText), (letter) => letter.charCodeAt(0));
  const unpacked = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  const module = await loadMinima({ wasmBinary: new Uint8Array(await unpacked.arrayBuffer()) });

  const call = (name, ...values) => {
    const types = values.map((value) => (typeof value === "string" ? "string" : "number"));
    return module.ccall(name, "number", types, values);
  };
  const text = (name, ...values) => module.ccall(name, "string", values.map(() => "string"), values);
  /// As call, but a failure is an exception with minima's own words.
  const insist = (name, ...values) => {
    const result = call(name, ...values);
    if (result < 0) throw new Refused(text("last_error"));
    return result;
  };
  // The memory may have moved after any call: a view is made anew each time.
  const numbers = (count) => {
    const at = call("shared", count) / 8;
    return module.HEAPF64.subarray(at, at + count);
  };

  return {
    /// {start: [w1, w2], frame: {x: [low, high], y: [low, high]}, lr}
    chooseSurface(name, condition, degrees, formula) {
      insist("choose_surface", name, condition, degrees, formula);
      const n = numbers(7);
      return { start: [n[0], n[1]], frame: { x: [n[2], n[3]], y: [n[4], n[5]] }, lr: n[6] };
    },
    formulaInCpp: (formula) => text("formula_in_cpp", formula),
    /// Losses at the points, and their largest eigenvalues if asked for.
    heights(w1, w2, withCurvature) {
      const count = w1.length;
      const to = numbers(2 * count);
      to.set(w1, 0);
      to.set(w2, count);
      insist("heights_at", count, withCurvature ? 1 : 0);
      const result = numbers(2 * count);
      return { loss: result.slice(0, count), curvature: withCurvature ? result.slice(count) : null };
    },
    newWalker(optimizer, start, settings, seed) {
      numbers(5).set([settings.lr, settings.momentum, settings.rho, settings.decay, settings.noise]);
      return insist("new_walker", optimizer, start[0], start[1], seed);
    },
    changeWalker(handle, settings) {
      numbers(5).set([settings.lr, settings.momentum, settings.rho, settings.decay, settings.noise]);
      insist("change_walker", handle);
    },
    deleteWalker: (handle) => call("delete_walker", handle),
    /// Eight numbers a step, then the weights.
    walk(handle, steps) {
      const made = insist("walk", handle, steps);
      return { made, numbers: numbers(8 * made + 2).slice() };
    },
    chooseData: (name, samples, noise, labelNoise, seed) =>
      insist("choose_data", name, samples, noise, labelNoise, seed),
    chooseTable(values, labels, features, classes, labelNoise, seed) {
      const to = numbers(values.length + labels.length);
      to.set(values, 0);
      to.set(labels, values.length);
      return insist("choose_table", labels.length, features, classes, labelNoise, seed);
    },
    classes: () => call("classes"),
    /// An array of {x, label, right}.
    samples(part, features) {
      const count = insist("samples_of", part);
      const all = numbers(count * (features + 2)).slice();
      return Array.from({ length: count }, (_, i) => {
        const at = i * (features + 2);
        return { x: all.subarray(at, at + features), label: all[at + features], right: all[at + features + 1] };
      });
    },
    newTrainee(optimizer, widths, batch, settings, seed) {
      numbers(4).set([settings.lr, settings.momentum, settings.rho, settings.decay]);
      return insist("new_trainee", optimizer, widths[0], widths[1], batch, seed);
    },
    changeTrainee(handle, settings) {
      numbers(4).set([settings.lr, settings.momentum, settings.rho, settings.decay]);
      insist("change_trainee", handle);
    },
    deleteTrainee: (handle) => call("delete_trainee", handle),
    train: (handle, steps) => insist("train_on", handle, steps),
    measure(handle, withEigenvalue) {
      insist("measure", handle, withEigenvalue ? 1 : 0);
      const [trainLoss, trainAccuracy, testLoss, testAccuracy, curvature] = numbers(5);
      return { trainLoss, trainAccuracy, testLoss, testAccuracy, curvature };
    },
    probabilities(handle, points, features, classes) {
      const count = points.length / features;
      numbers(Math.max(points.length, count * classes)).set(points);
      insist("probabilities", handle, count, features);
      return numbers(count * classes).slice();
    },
  };
}
