"use strict";
(async () => {
  const source = document.getElementById("data");
  if (!source) return;

  const bytes = Uint8Array.from(atob(source.textContent.trim()), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = JSON.parse(await new Response(unpacked).text());

  const byId = (id) => document.getElementById(id);
  const state = { shown: [], problem: null, program: null };

  // The only way text enters the page: as text, never as markup.
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // Two digits, or three where two do not tell the programs of a problem apart.
  let digits = 2;
  const number = (value) => (value === null || value === undefined ? "none" : value.toFixed(digits));
  const setDigits = (problem) => {
    const scores = new Set(problem.programs.map((program) => program.score).filter((score) => score !== null));
    digits = new Set([...scores].map((score) => score.toFixed(2))).size < scores.size ? 3 : 2;
  };
  const unread = { no_code: "not read: no program", too_long: "not read: too long" };
  const publicText = (passed) => (passed === null ? "" : passed ? "public ✓" : "public ✗");
  const outcomeClass = (passed) => (passed === true ? "right" : passed === false ? "wrong" : "unknown");
  const outcomeText = (passed) => (passed === true ? "✓ passes" : passed === false ? "✗ fails" : "? not graded");

  // 0 orange, 0.5 sand, 1 blue: told apart with any colour vision; the number stands beside it.
  const tone = (score) => {
    const stops = [[213, 94, 0], [240, 230, 200], [0, 114, 178]];
    const [low, high] = score < 0.5 ? [stops[0], stops[1]] : [stops[1], stops[2]];
    const share = score < 0.5 ? score * 2 : score * 2 - 1;
    return `rgb(${low.map((value, index) => Math.round(value + (high[index] - value) * share)).join(" ")})`;
  };

  const method = () => byId("filter-method").value;
  const choice = (problem) => problem.chosen[method()] || null;

  const outcomes = (problem) => {
    const found = new Set();
    const picked = choice(problem);
    const anyPasses = problem.programs.some((program) => program.passed === true);
    if (!anyPasses && problem.programs.every((program) => program.passed === false)) found.add("hopeless");
    if (!picked) return found;
    if (picked.passed === true) found.add("right");
    else if (picked.passed === false) {
      found.add("wrong");
      if (anyPasses) found.add("missed");
    } else found.add("unknown");
    return found;
  };

  const option = (value, text) => make("option", { value }, text);

  const setUpFilters = () => {
    const splits = [...new Set(data.problems.map((problem) => problem.split))];
    const names = { test: "test candidates", train: "training programs with labels" };
    byId("filter-split").append(...splits.map((split) => option(split, names[split] || split)));
    const difficulties = [...new Set(data.problems.map((problem) => problem.difficulty))];
    const order = ["easy", "medium", "hard"];
    difficulties.sort((a, b) => (order.indexOf(a) + 4) % 4 - (order.indexOf(b) + 4) % 4 || a.localeCompare(b));
    byId("filter-difficulty").append(option("", "all"), ...difficulties.map((name) => option(name, name)));
    byId("filter-method").append(...data.methods.map(([name, title]) => option(name, title)));
    byId("filter-method").value = data.main;
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("input", () => { applyFilters(); writeAddress(); });
  };

  // The address of the page holds the view, so that it can be shared: #view?split=train&problem=...&program=2
  const filterNames = ["split", "difficulty", "method", "outcome", "text"];
  const readAddress = () => {
    let address = "";
    try { address = decodeURI(location.hash); } catch { /* not one of ours */ }
    const [place, query] = address.split("?");
    if (place !== "#view" || !query) return;
    const wanted = new URLSearchParams(query);
    for (const name of filterNames) {
      const field = byId("filter-" + name);
      const value = wanted.get(name);
      if (value !== null && (field.tagName === "INPUT" || [...field.options].some((entry) => entry.value === value))) field.value = value;
    }
    state.problem = data.problems.find((problem) => problem.id === wanted.get("problem")) || null;
    const programs = state.problem ? state.problem.programs : [];
    state.program = programs.find((program) => String(program.idx) === wanted.get("program")) || null;
  };
  const writeAddress = () => {
    const view = new URLSearchParams();
    for (const name of filterNames) if (byId("filter-" + name).value) view.set(name, byId("filter-" + name).value);
    if (state.problem) view.set("problem", state.problem.id);
    if (state.program) view.set("program", String(state.program.idx));
    try { history.replaceState(null, "", "#view?" + view); } catch { /* a page without an address of its own */ }
  };

  const applyFilters = () => {
    const split = byId("filter-split").value;
    const difficulty = byId("filter-difficulty").value;
    const outcome = byId("filter-outcome").value;
    const text = byId("filter-text").value.trim().toLowerCase();
    state.shown = data.problems.filter((problem) =>
      problem.split === split &&
      (!difficulty || problem.difficulty === difficulty) &&
      (outcome === "all" || outcomes(problem).has(outcome)) &&
      (!text || (problem.id + " " + problem.title).toLowerCase().includes(text)));
    if (!state.shown.includes(state.problem)) {
      state.problem = state.shown[0] || null;
      state.program = null;
    }
    byId("status").textContent = state.shown.length === 1 ? "1 problem shown" : `${state.shown.length} problems shown`;
    drawList();
    drawProblem();
  };

  // One button of a list takes part in the tab order; the arrow keys move among the others.
  const rove = (list, attribute) => {
    const buttons = [...list.querySelectorAll("button")];
    const current = buttons.find((button) => button.getAttribute(attribute) === "true") || buttons[0];
    buttons.forEach((button) => { button.tabIndex = button === current ? 0 : -1; });
    list.onkeydown = (event) => {
      const index = buttons.indexOf(document.activeElement);
      const next = { ArrowDown: index + 1, ArrowRight: index + 1, ArrowUp: index - 1, ArrowLeft: index - 1,
        Home: 0, End: buttons.length - 1 }[event.key];
      if (index < 0 || next === undefined) return;
      event.preventDefault();
      const target = buttons[Math.min(Math.max(next, 0), buttons.length - 1)];
      buttons.forEach((button) => { button.tabIndex = button === target ? 0 : -1; });
      target.focus();
    };
  };

  const drawList = () => {
    const items = state.shown.map((problem) => {
      const picked = choice(problem);
      const passing = problem.programs.filter((program) => program.passed === true).length;
      const button = make("button", { type: "button", "aria-current": String(problem === state.problem) },
        make("span", {}, problem.title || problem.id),
        make("span", { class: "meta" }, `${problem.difficulty}, ${passing} of ${problem.programs.length} pass`));
      if (picked) button.append(make("span", { class: "meta " + outcomeClass(picked.passed) }, "selected " + outcomeText(picked.passed)));
      button.addEventListener("click", () => {
        state.problem = problem;
        state.program = null;
        drawList();
        drawProblem();
        writeAddress();
        byId("problem").focus();
      });
      return make("li", {}, button);
    });
    byId("problems").replaceChildren(...items);
    rove(byId("problems"), "aria-current");
  };

  const drawProblem = () => {
    const target = byId("problem");
    const problem = state.problem;
    if (!problem) {
      target.replaceChildren(make("h3", { id: "problem-title" }, "No problem fits the filters"));
      return;
    }
    const picked = choice(problem);
    setDigits(problem);
    if (!problem.programs.includes(state.program)) {
      state.program = problem.programs.find((program) => picked && program.idx === picked.idx) || problem.programs[0] || null;
    }
    const statement = make("details", {}, make("summary", {}, "Problem statement"), make("pre", {}, problem.statement));
    if (problem.starter) statement.append(make("h4", {}, "Starter code"), make("pre", {}, problem.starter));
    const programs = make("ul", { id: "programs", "aria-label": "Programs" }, ...problem.programs.map((program) => {
      const isPicked = picked && picked.idx === program.idx;
      const button = make("button", { type: "button", "aria-pressed": String(program === state.program) },
        make("span", {}, `program ${program.idx}, ${unread[program.unread] || "score " + number(program.score)}`),
        make("span", { class: outcomeClass(program.passed) }, outcomeText(program.passed)),
        make("span", { class: "meta" }, publicText(program.public)));
      if (isPicked) button.append(make("strong", {}, "★ selected" + (picked.tied > 1 ? ` (tie of ${picked.tied})` : "")));
      button.addEventListener("click", () => {
        state.program = program;
        drawProblem();
        writeAddress();
        byId("programs").querySelector("[aria-pressed=true]").focus();
      });
      return make("li", {}, button);
    }));
    target.replaceChildren(
      make("h3", { id: "problem-title" }, problem.title || problem.id),
      make("p", { class: "notes" }, [problem.id, problem.platform, problem.difficulty, problem.date].filter(Boolean).join(", ")),
      statement, make("h4", {}, "Programs"), programs, ...drawProgram(problem, state.program));
    rove(programs, "aria-pressed");
  };

  const drawProgram = (problem, program) => {
    if (!program) return [];
    const choosers = data.methods.filter(([name]) => (problem.chosen[name] || {}).idx === program.idx).map(([, title]) => title);
    const facts = [program.verdict ? `verdict ${program.verdict.replaceAll("_", " ")}` : "not graded"];
    if (program.reason) facts.push(program.reason);
    if (program.unread) facts.push(unread[program.unread] + ", so it is the last choice");
    if (program.public !== null) facts.push(program.public ? "passes the public tests" : "fails the public tests");
    if (choosers.length) facts.push("selected by " + choosers.join(", "));
    const steps = program.steps.map((step, index) => {
      const score = program.steps.length === program.scores.length ? program.scores[index] : undefined;
      const values = [];
      if (score !== undefined) values.push(`score ${number(score)}`);
      else if (program.scores.length) values.push("scores " + program.scores.map(number).join(", "));
      if (step.mc) values.push(`Monte-Carlo ${(step.mc[0] / step.mc[1]).toFixed(2)} (${step.mc[0]} of ${step.mc[1]})`);
      else if (step.mc_value !== undefined) values.push(`Monte-Carlo ${number(step.mc_value)}`);
      if (step.corrected !== undefined) values.push(`corrected ${number(step.corrected)}`);
      if (step.weight !== undefined && step.weight !== 1) values.push(`weight ${number(step.weight)}`);
      const block = make("section", { class: "step" },
        make("h5", {}, make("span", {}, `Step ${index + 1}: ${step.name}`), make("span", { class: "values" }, values.join(", "))),
        make("pre", {}, step.code));
      if (score !== undefined) block.style.setProperty("--tone", tone(score));
      return block;
    });
    if (!program.steps.length) steps.push(make("p", {}, "No program was found in the model's answer."));
    return [make("h4", {}, `Program ${program.idx}`), make("p", {}, facts.join("; ")), ...steps];
  };

  setUpFilters();
  readAddress();
  applyFilters();
  byId("app").hidden = false;
  if (location.hash.startsWith("#view?")) byId("explorer").scrollIntoView();
  document.documentElement.dataset.ready = "true";
})();
