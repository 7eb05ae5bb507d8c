// The page's controls: made from their descriptions in state.js, each with a label; small helpers of the page.

const byId = (id) => document.getElementById(id);
const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function fillSelect(select, names) {
  select.textContent = "";
  for (const [value, name] of Object.entries(names)) select.add(new Option(name, value));
}

/// Adds a control to the page: a slider with a field for the exact number, a list, or a text. `get` and `set` are of the
/// state. Returns {element, problem, refresh()}.
function addControl(place, id, control, get, set) {
  const element = document.createElement("div");
  element.className = control.kind !== "number" ? "control wide" : control.plain ? "control plain" : "control";
  const field = `control-${place.id}-${id}`;
  element.innerHTML = `<label class="name" for="${field}">${escaped(control.name)}</label>`;
  const label = control.spoken ?? control.name;
  const inputs = [];
  if (control.kind === "choice") {
    const select = document.createElement("select");
    fillSelect(select, control.values);
    select.onchange = () => set(bounded(control, select.value));
    inputs.push(select);
  } else if (control.kind === "text") {
    const input = document.createElement("input");
    Object.assign(input, { type: "text", maxLength: control.longest, spellcheck: false, autocomplete: "off" });
    input.onchange = () => set(bounded(control, input.value));
    inputs.push(input);
  } else {
    const exact = document.createElement("input");
    Object.assign(exact, { type: "number", min: control.low, max: control.high, step: control.whole ? 1 : "any" });
    exact.onchange = () => {
      set(bounded(control, exact.value));
      refresh();
    };
    exact.setAttribute("aria-label", label);
    inputs.push(exact);
    if (!control.plain) {
      const slider = document.createElement("input");
      const [low, high] = control.logarithmic ? [Math.log10(control.low), Math.log10(control.high)] : [control.low, control.high];
      Object.assign(slider, { type: "range", min: low, max: high, step: control.logarithmic ? 0.01 : control.step });
      slider.setAttribute("aria-label", `${label}, slider`);
      slider.oninput = () => {
        const value = control.logarithmic ? Number((10 ** Number(slider.value)).toPrecision(3)) : Number(slider.value);
        set(bounded(control, value));
        refresh();
      };
      inputs.push(slider);
    }
  }
  inputs[0].id = field;
  element.append(...inputs);
  const problem = document.createElement("p");
  problem.className = "problem";
  problem.setAttribute("aria-live", "polite");
  element.append(problem);
  place.append(element);
  function refresh() {
    const value = get();
    inputs[0].value = control.kind === "number" ? Number(Number(value).toPrecision(8)) : value;
    if (inputs[1]) {
      inputs[1].value = control.logarithmic ? Math.log10(value) : value;
      inputs[1].setAttribute("aria-valuetext", short(value, 6));
    }
  }
  refresh();
  return { element, problem, refresh };
}

function checkList(place, names, text, change) {
  for (const name of names) {
    const label = document.createElement("label");
    label.className = "check";
    label.innerHTML = `<input type="checkbox" value="${name}"> ${text(name)}`;
    label.firstChild.onchange = () => change(name, label.firstChild.checked);
    place.append(label);
  }
}
function tick(place, on) {
  for (const box of place.querySelectorAll("input")) box.checked = on.includes(box.value);
}

async function copied(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser refuses to copy";
  }
  setTimeout(() => (button.textContent = before), 1500);
}
const copyAddress = (button) => copied(button, location.href);

function showProgram(text) {
  byId("program-text").textContent = text;
  byId("program").showModal();
}
