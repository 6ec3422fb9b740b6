// The chart of the overview, its live tail, and fields that only some choices need.
(() => {
  "use strict";
  const told = document.getElementById("told");
  const say = (text) => { if (told) told.textContent = text; };

  // Own days: their fields are only shown for that choice.
  for (const select of document.querySelectorAll("select[data-span]")) {
    const fields = select.form.querySelectorAll("[data-own]");
    const show = () => { for (const one of fields) one.hidden = select.value !== "own"; };
    select.addEventListener("change", show);
    show();
  }

  for (const field of document.querySelectorAll("[data-versus]")) {
    const select = field.closest("form").elements.namedItem("compare");
    const show = () => { field.hidden = select.value !== "tag"; };
    select.addEventListener("change", show);
    show();
  }

  // The live tail asks again while somebody looks; not when hidden, paused or left alone: what
  // asks for ever would keep the session from ever ending.
  const tail = document.getElementById("tail");
  if (tail && window.htmx) {
    const EVERY = 5_000, ALONE = 15 * 60_000;
    const pause = document.querySelector("[data-pause]");
    let used = Date.now(), paused = false;
    for (const kind of ["pointerdown", "pointermove", "keydown"]) {
      document.addEventListener(kind, () => { used = Date.now(); }, { passive: true });
    }
    const busy = () => tail.contains(document.activeElement);  // do not take it away from under
    const again = () => {
      if (!document.hidden && !paused && !busy() && Date.now() - used < ALONE) {
        window.htmx.trigger(tail, "again");
      }
    };
    setInterval(again, EVERY);
    document.addEventListener("visibilitychange", again);
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Go on" : "Pause";
      say(paused ? "The newest events stand still" : "The newest events are kept up to date");
      again();
    });
    tail.addEventListener("htmx:beforeSwap", (event) => {
      if (new URL(event.detail.xhr.responseURL).pathname !== "/overview/tail") {
        event.detail.shouldSwap = false;  // logged out meanwhile
        location.reload();
      }
    });
  }

  const place = document.getElementById("chart");
  if (!place || !window.uPlot) return;
  const DASHES = { sent: [2, 3], failed: [6, 3], complained: [2, 2], unsubscribed: [8, 3, 2, 3] };
  const style = () => getComputedStyle(document.documentElement);
  const colour = (name) => style().getPropertyValue(`--${name}`).trim();
  const hidden = new Set();
  let data = null, plot = null, view = "total", at = null;

  const when = (seconds) => {
    const text = new Date(seconds * 1000).toISOString();
    if (data.by === "hour") return text.slice(0, 16).replace("T", " ");
    return text.slice(0, data.by === "day" ? 10 : 7);
  };
  const count = (value) => value == null ? "–" : value.toLocaleString("en");
  const names = () => Object.keys(data.views[view]);

  const legend = document.createElement("div");
  legend.className = "legend";
  const reading = document.createElement("p");
  reading.className = "reading soft small";
  const canvas = document.createElement("div");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  place.append(legend, canvas, reading);

  const read = (index, aloud) => {
    at = index;
    if (index == null) {
      reading.textContent = "Point at the chart, or focus it and use the arrow keys, to read it.";
      return;
    }
    const shown = names().filter((name) => !hidden.has(name));
    const text = shown.map((name) => `${data.titles[name]} ${count(data.views[view][name][index])}`);
    reading.textContent = `${when(data.times[index])}: ${text.join(", ") || "nothing chosen"}`;
    if (aloud) say(reading.textContent);
  };

  const draw = () => {
    if (plot) plot.destroy();
    const line = colour("line"), soft = colour("soft");
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 },
      font: "12px system-ui, sans-serif" };
    const step = Math.max(1, Math.ceil(data.times.length * 84 / Math.max(place.clientWidth, 200)));
    const short = (seconds, index) => {
      const text = when(seconds);
      if (data.by === "month") return text;
      if (data.by === "day") return text.slice(5);
      return text.endsWith(" 00:00") || !index ? `${text.slice(11)}\n${text.slice(5, 10)}`
        : text.slice(11);
    };
    const options = {
      width: Math.max(place.clientWidth, 200), height: 280, legend: { show: false },
      tzDate: (stamp) => window.uPlot.tzDate(new Date(stamp * 1e3), "Etc/UTC"),
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high * 1.05, 4)] } },
      axes: [
        { ...axis, values: (_, all) => all.map(short),
          splits: () => data.times.filter((_, index) => index % step === 0) },
        { ...axis, size: 64, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4,
          5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8], values: (_, all) => all.map(count) },
      ],
      series: [{}, ...names().map((name) => ({
        label: data.titles[name], stroke: colour(`chart-${name}`), width: 2,
        dash: DASHES[name], show: !hidden.has(name),
        points: { show: data.times.length < 40, size: 5, fill: colour(`chart-${name}`) },
      }))],
      hooks: { setCursor: [(one) => { if (one.cursor.idx !== at) read(one.cursor.idx, false); }] },
    };
    plot = new window.uPlot(options, [data.times, ...names().map((name) => data.views[view][name])],
      canvas);
    canvas.setAttribute("aria-label",
      `Line chart of ${data.times.length} ${data.by}s; the table below has the same numbers`);
    read(null, false);
  };

  const choose = () => {
    legend.replaceChildren(...names().map((name) => {
      const button = document.createElement("button");
      const key = document.createElement("span");
      key.className = `key ${name}`;
      button.type = "button";
      button.className = "plain tiny";
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      button.append(key, data.titles[name]);
      button.addEventListener("click", () => {
        if (!hidden.delete(name)) hidden.add(name);
        button.setAttribute("aria-pressed", String(!hidden.has(name)));
        draw();
      });
      return button;
    }));
    draw();
  };

  canvas.addEventListener("keydown", (event) => {
    const last = data.times.length - 1;
    const next = { ArrowLeft: at == null ? last : Math.max(0, at - 1), Home: 0, End: last,
      ArrowRight: at == null ? 0 : Math.min(last, at + 1) }[event.key];
    if (next == null) return;
    event.preventDefault();
    plot.setCursor({ left: plot.valToPos(data.times[next], "x"), top: 10 });
    read(next, true);
  });

  fetch(place.dataset.from, { headers: { Accept: "application/json" } })
    .then((answer) => { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
    .then((found) => {
      data = found;
      place.hidden = false;
      const choice = document.querySelector("[data-view]");
      choice.hidden = false;
      choice.addEventListener("change", (event) => { view = event.target.value; choose(); });
      choose();
      new ResizeObserver(() => {
        const width = Math.max(place.clientWidth, 200);
        if (plot && plot.width !== width) plot.setSize({ width, height: 280 });
      }).observe(place);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    })
    .catch(() => {
      place.hidden = false;
      place.textContent = "The chart could not be drawn; the table has the same numbers.";
    });
})();
