"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  root.classList.add("with-js");

  // Theme: the system's until someone chooses. A browser may forbid storage for files; then the choice is not kept.
  const stored = (value) => {
    try {
      if (value) localStorage.setItem("reaudio-theme", value);
      return localStorage.getItem("reaudio-theme");
    } catch {
      return null;
    }
  };
  if (stored()) root.dataset.theme = stored();
  byId("theme").addEventListener("click", () => {
    const dark = getComputedStyle(root).colorScheme === "dark" ||
      (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = dark ? "light" : "dark";
    stored(root.dataset.theme);
  });

  // One metric in every section.
  const choose = (metric) => all(".panel").forEach((panel) => {
    const chosen = panel.dataset.metric === metric;
    panel.classList.toggle("chosen", chosen);
    if (chosen) panel.open = true;
  });
  const select = byId("metric");
  const setMetric = (metric) => {
    choose(metric);
    if (select) select.value = metric;
    filter();
  };

  // Tables: sort by a column, undefined values last; each group of rows on its own.
  const key = (row, column) => {
    const text = row.cells[column].textContent.trim();
    const found = text.replaceAll(",", "").replace("−", "-").replace(/^< /, "").match(/^[+-]?[\d.]+/);
    return text === "" || text.startsWith("–") ? null : found ? Number(found[0]) : text.toLowerCase();
  };
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === typeof b) return sign * (a < b ? -1 : a > b ? 1 : 0);
    return typeof a === "number" ? -1 : 1;
  };
  const sort = (head) => {
    const column = head.cellIndex;
    const first = column === 0 || head.classList.contains("text") ? "ascending" : "descending";
    const order = !head.ariaSort ? first : head.ariaSort === "ascending" ? "descending" : "ascending";
    const sign = order === "ascending" ? 1 : -1;
    all("th", head.parentElement).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    for (const body of head.closest("table").tBodies) {
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      body.append(...rows.sort((a, b) => compare(a[0], b[0], sign)).map((pair) => pair[1]));
    }
  };
  all("table[data-sortable] thead th").forEach((head) => {
    const title = head.querySelector(".t");
    const button = document.createElement("button");
    button.type = "button";
    title.replaceWith(button);
    button.append(title);
    button.addEventListener("click", () => sort(head));
  });

  // Filter of the class table.
  const box = byId("filter");
  function filter() {
    if (!box) return;
    const wanted = box.value.trim().toLowerCase();
    const table = document.querySelector("#classes .chosen table");
    const rows = table ? [...table.tBodies].flatMap((body) => [...body.rows]) : [];
    let shown = 0;
    for (const row of rows) {
      const text = `${row.cells[0].querySelector("span").textContent} ${row.cells[2].textContent}`.toLowerCase();
      row.hidden = !text.includes(wanted);
      shown += !row.hidden;
    }
    byId("matches").textContent = rows.length ? `${shown} of ${rows.length} classes` : "";
  }
  box?.addEventListener("input", filter);

  // Legend: buttons that hide a system, and light it up while pointed at.
  all(".legend li").forEach((item) => {
    const button = document.createElement("button");
    button.type = "button";
    button.ariaPressed = "true";
    button.append(...item.childNodes);
    item.append(button);
    const light = (on) => root.classList.toggle(`lit-${item.dataset.s}`, on && button.ariaPressed === "true");
    button.addEventListener("click", () => {
      button.ariaPressed = String(!root.classList.toggle(`hide-${item.dataset.s}`));
      light(true);
    });
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => light(true));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => light(false));
  });

  // Points of the frequency figure: name and numbers on hover and focus, the class's row on click.
  const tip = byId("tip");
  const rowOf = (point) => byId(`c-${point.closest(".chart").dataset.m}-${point.dataset.c}`);
  let current = null;
  const show = (point) => {
    current?.classList.remove("on");
    current = point;
    tip.hidden = !point;
    const row = point && rowOf(point);
    if (!row) return;
    point.classList.add("on");
    const system = Number(point.closest(".points").dataset.s);
    const [name, train, stratum, test] = [0, 1, 2, 3].map((i) => (row.cells[i].querySelector("span") ?? row.cells[i]).textContent);
    const systemName = all(".legend li span")[system].textContent;
    tip.textContent = `${name} (${stratum})\n${train} training, ${test} test clips\n${systemName}: ${row.cells[Number(point.closest(".chart").dataset.first ?? 4) + system].textContent}`;
    const at = point.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(at.right + 10, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(8, at.top - tip.offsetHeight - 8)}px`;
  };
  const open = (point) => {
    const row = rowOf(point);
    if (!row) return;
    if (box) box.value = "";
    filter();
    show(null);
    location.hash = row.id;
  };
  all(".points-chart").forEach((chart) => {
    const visible = () => all(".points use", chart).filter((point) => point.getClientRects().length);
    chart.tabIndex = 0;
    chart.setAttribute("role", "group");
    chart.setAttribute("aria-label", "Points of the figure: left and right step through classes, Enter opens the row");
    chart.addEventListener("pointerover", (event) => show(event.target.closest("[data-c]")));
    chart.addEventListener("pointerleave", () => show(null));
    chart.addEventListener("blur", () => show(null));
    chart.addEventListener("click", (event) => event.target.closest("[data-c]") && open(event.target.closest("[data-c]")));
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const points = visible();
        show(points[(points.indexOf(current) + step + points.length) % points.length] ?? null);
        event.preventDefault();
      } else if (event.key === "Enter" && current) open(current);
      else if (event.key === "Escape") show(null);
    });
  });

  // Players: one at a time, a line that moves over the spectrogram, which can be clicked to seek.
  all(".player").forEach((player) => {
    const audio = player.querySelector("audio");
    const picture = player.querySelector(".spectrogram");
    if (!audio) return;
    audio.addEventListener("play", () => all("audio").forEach((other) => other !== audio && other.pause()));
    audio.addEventListener("timeupdate", () => {
      picture.style.setProperty("--on", "1");
      picture.style.setProperty("--at", String(audio.currentTime / audio.duration || 0));
    });
    picture.addEventListener("click", (event) => {
      const at = event.offsetX / picture.clientWidth;
      const seek = () => { audio.currentTime = at * audio.duration; };
      if (audio.readyState) seek();
      else audio.addEventListener("loadedmetadata", seek, { once: true });
      audio.play();
    });
  });

  setMetric("0");
  select?.addEventListener("change", () => setMetric(select.value));
})();
