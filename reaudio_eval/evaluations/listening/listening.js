"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const pairs = data.design === "pairs";
  const names = pairs ? ["A", "B"] : [""];
  const SCHEMA = 1;

  // Answers so far, kept between visits where the browser allows it. Without storage the page works until it is closed.
  const place = `reaudio-listening-${data.test}-${data.form}`;
  const fresh = () => ({ participant: "", at: -1, items: {} });
  const load = () => {
    try {
      return JSON.parse(localStorage.getItem(place)) ?? fresh();
    } catch {
      return fresh();
    }
  };
  const state = load();
  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(state));
    } catch {
      // Storage is off or full: the answers live in the page.
    }
  };
  const record = (item) => (state.items[item.id] ??= { answers: {}, heard: item.sounds.map(() => 0), seconds: 0 });
  const heard = (item) => Math.min(...record(item).heard);
  const answered = (item) => data.questions.every((q) => record(item).answers[q.id] !== undefined);
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const say = (text) => { byId("status").textContent = text; };

  // Time on an item: while it is shown and the page is visible.
  let since = null;
  const clock = (run) => {
    const item = data.items[state.at];
    if (since !== null && item) record(item).seconds += (performance.now() - since) / 1000;
    since = run && item ? performance.now() : null;
  };
  document.addEventListener("visibilitychange", () => {
    clock(!document.hidden && !byId("test").hidden);
    keep();
  });

  // Players. There is no seeking: a clip counts as heard when it has been played from start to end.
  let players = [];
  const stop = () => players.forEach((player) => player.audio.pause());
  const player = (item, i) => {
    const name = names[i];
    const audio = make("audio", { src: data.sounds[item.sounds[i]], preload: "auto" });
    const button = make("button", { type: "button", className: "play" });
    const bar = make("progress", { max: 1, value: 0, ariaLabel: `Position in clip ${name}`.trim() });
    const box = make("div", { className: "player" }, button, bar, audio);
    const label = (word) => { button.textContent = `${word} ${name}`.trim(); };
    const toggle = () => {
      if (!audio.paused) return audio.pause();
      players.forEach((other) => other.audio !== audio && other.audio.pause());
      audio.play().catch(() => {
        byId("hint").textContent = "This browser cannot play the clip. Try another browser.";
      });
    };
    label("Play");
    box.classList.toggle("heard", record(item).heard[i] > 0);
    button.addEventListener("click", toggle);
    audio.addEventListener("play", () => label("Pause"));
    audio.addEventListener("pause", () => label("Play"));
    audio.addEventListener("timeupdate", () => { bar.value = audio.currentTime / audio.duration || 0; });
    audio.addEventListener("ended", () => {
      record(item).heard[i] += 1;
      box.classList.add("heard");
      label("Play");
      keep();
      refresh(item);
    });
    return { audio, toggle, box };
  };

  // Questions: radio buttons, or a slider on the long scale, which has no value until it is moved.
  let marked = 0;
  const fields = () => [...byId("questions").children];
  const mark = (i) => {
    marked = Math.max(0, Math.min(data.questions.length - 1, i));
    fields().forEach((field, j) => field.classList.toggle("marked", data.choices !== null && j === marked));
  };
  const answer = (item, question, value) => {
    record(item).answers[question.id] = value;
    keep();
    say(`${question.text} ${value}`);
    refresh(item);
  };
  const choices = (item, question) => make("div", { className: "choices" }, ...data.choices.map((choice) => {
    const input = make("input", { type: "radio", name: question.id, value: choice.value });
    input.checked = record(item).answers[question.id] === choice.value;
    input.addEventListener("change", () => {
      mark(data.questions.indexOf(question));
      answer(item, question, choice.value);
    });
    const words = question.labels[data.choices.indexOf(choice)];
    return make("label", {}, input, make("b", { textContent: choice.show }), make("span", { textContent: words }));
  }));
  const slider = (item, question) => {
    const given = record(item).answers[question.id];
    const input = make("input", { type: "range", min: 1, max: data.scale, step: 1, ariaLabel: question.text });
    const shown = make("output", { textContent: given ?? "–" });
    input.value = given ?? Math.ceil(data.scale / 2);
    input.classList.toggle("unset", given === undefined);
    const take = () => {
      input.classList.remove("unset");
      shown.textContent = input.value;
      answer(item, question, input.value);
    };
    input.addEventListener("input", take);
    input.addEventListener("change", take);
    const ends = make("p", { className: "ends" }, ...question.labels.map((text) => make("span", { textContent: text })));
    return make("div", {}, make("div", { className: "slider" }, input, shown), ends);
  };
  const field = (item, question, i) => {
    const box = make("fieldset", {}, make("legend", { textContent: question.text }));
    box.append(data.choices ? choices(item, question) : slider(item, question));
    box.addEventListener("focusin", () => mark(i));
    return box;
  };

  // One item.
  const refresh = (item) => {
    const open = heard(item) > 0;
    fields().forEach((box) => { box.disabled = !open; });
    byId("hint").textContent = open ? "" : pairs ? "Listen to both clips to the end first." : "Listen to the end first.";
    const done = data.items.filter(answered).length;
    byId("progress").value = done;
    byId("count").textContent = `${state.at + 1} of ${data.items.length}`;
    byId("next").textContent = state.at + 1 < data.items.length ? "Next →" : "Finish →";
    byId("next").classList.toggle("main", answered(item));
  };
  const show = (at) => {
    clock(false);
    stop();
    state.at = Math.max(0, Math.min(data.items.length, at));
    keep();
    const ended = state.at === data.items.length;
    byId("start").hidden = true;
    byId("test").hidden = ended;
    byId("end").hidden = !ended;
    scrollTo(0, 0);
    if (ended) return finish();
    const item = data.items[state.at];
    byId("caption").textContent = item.caption;
    players = item.sounds.map((_, i) => player(item, i));
    byId("players").replaceChildren(...players.map((each) => each.box));
    byId("questions").replaceChildren(...data.questions.map((question, i) => field(item, question, i)));
    byId("back").disabled = state.at === 0;
    const open = data.questions.findIndex((question) => record(item).answers[question.id] === undefined);
    mark(Math.max(0, open));
    refresh(item);
    clock(true);
    byId("caption-head").focus();
  };
  byId("next").addEventListener("click", () => show(state.at + 1));
  byId("back").addEventListener("click", () => show(state.at - 1));

  // Keys. Where a control has a meaning for a key, the control keeps it.
  document.addEventListener("keydown", (event) => {
    if (byId("test").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    const kind = event.target.type;
    const item = data.items[state.at];
    const digit = data.choices?.[Number(event.key) - 1];
    const letter = names.indexOf(event.key.toUpperCase());
    const idle = kind !== "radio" && kind !== "range";
    if (event.key === " " && kind !== "button" && kind !== "radio") {
      const wanted = players.find((_, i) => record(item).heard[i] === 0) ?? players[0];
      (players.find((each) => !each.audio.paused) ?? wanted).toggle();
    } else if (pairs && letter >= 0) players[letter].toggle();
    else if (digit) {
      const question = data.questions[marked];
      if (!heard(item)) say(byId("hint").textContent);
      else {
        [...fields()[marked].querySelectorAll("input")].find((input) => input.value === digit.value).checked = true;
        answer(item, question, digit.value);
        mark(marked + 1);
      }
    } else if (event.key === "ArrowRight" && idle) show(state.at + 1);
    else if (event.key === "ArrowLeft" && idle) show(Math.max(0, state.at - 1));
    else if (event.key === "ArrowDown" && idle) mark(marked + 1);
    else if (event.key === "ArrowUp" && idle) mark(marked - 1);
    else return;
    event.preventDefault();
  });

  // The end: what is missing, and the file.
  const csv = () => {
    const rows = [["schema", "test_id", "form", "participant", "item", "question", "answer", "played", "seconds", "order"]];
    data.items.forEach((item, i) => data.questions.forEach((question) => {
      const found = record(item);
      rows.push([SCHEMA, data.test, data.form, state.participant, item.id, question.id, found.answers[question.id] ?? "",
        heard(item), found.seconds.toFixed(1), i + 1]);
    }));
    return rows.map((row) => row.join(",")).join("\n") + "\n";
  };
  function finish() {
    const missing = data.items.map((item, i) => [item, i]).filter(([item]) => !answered(item));
    byId("missing").textContent = missing.length
      ? `${missing.length} of ${data.items.length} are not answered yet:` : "All questions are answered.";
    byId("missing-items").replaceChildren(...missing.map(([, i]) => {
      const button = make("button", { type: "button", textContent: String(i + 1), ariaLabel: `Go to item ${i + 1}` });
      button.addEventListener("click", () => show(i));
      return make("li", {}, button);
    }));
    byId("csv").value = csv();
    byId("end-head").textContent = missing.length ? "Not finished yet" : "Thank you";
    byId("end-head").focus();
  }
  byId("again").addEventListener("click", () => show(data.items.length - 1));
  byId("save").addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    make("a", { href: url, download: `answers-${data.form}-${state.participant}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  });

  // The start.
  const noise = make("audio", { src: data.sounds[data.calibration], preload: "auto" });
  byId("calibrate").addEventListener("click", () => (noise.paused ? noise.play().catch(() => {
    byId("status").textContent = "This browser cannot play the noise.";
  }) : noise.pause()));
  noise.addEventListener("play", () => { byId("calibrate").textContent = "Pause the noise"; });
  for (const event of ["pause", "ended"]) noise.addEventListener(event, () => { byId("calibrate").textContent = "Play the noise"; });
  byId("participant").value = state.participant;
  byId("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = byId("participant").value.trim();
    const fine = /^[A-Za-z0-9_-]{1,40}$/.test(name);
    byId("name-error").textContent = fine ? "" : "Use 1 to 40 letters, digits, “-” or “_”.";
    if (!fine) return byId("participant").focus();
    noise.pause();
    if (state.participant && state.participant !== name) state.items = {}; // another person on the same device
    if (state.participant !== name) state.at = -1;
    state.participant = name;
    show(Math.max(0, state.at));
  });
  byId("main").hidden = false;
})();
