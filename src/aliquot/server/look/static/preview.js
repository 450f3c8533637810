// Spectra and chromatograms that can be zoomed, and pixels that can be clicked. Without it, the same things are forms.
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (value) => value == null ? "" : Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(3) : Number(value.toPrecision(7)).toLocaleString("en");
  const drawn = new Map();

  async function points(source, low, high, width) {
    const address = new URL(source, location.origin);
    if (low != null) address.searchParams.set("low", low);
    if (high != null) address.searchParams.set("high", high);
    address.searchParams.set("points", Math.round(Math.min(4000, Math.max(200, width * 1.5))));
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  // Each peak becomes a stick: up from the axis and down again.
  function data(found, figure) {
    const scale = Number(figure.dataset.scale) || 1;
    const xs = found.x.map((x) => x / scale);
    if (!("sticks" in figure.dataset)) return [xs, found.y];
    const x = [], y = [];
    xs.forEach((each, at) => { x.push(each, each, each); y.push(0, found.y[at], 0); });
    return [x, y];
  }

  function pick(figure, plot, event) {
    const x = plot.posToVal(event.offsetX, "x");
    const address = new URL(location.pathname, location.origin);
    const asked = new URLSearchParams(location.search);
    if (figure.dataset.pick === "mz") {
      const at = nearest(plot, x, event.offsetX);
      for (const name of ["tolerance", "unit", "x", "y"]) if (asked.get(name)) address.searchParams.set(name, asked.get(name));
      address.searchParams.set("mz", at.toFixed(5));
      location.assign(address);
    } else if (figure.dataset.pick === "time") {
      for (const name of ["of", "level"]) if (asked.get(name)) address.searchParams.set(name, asked.get(name));
      address.searchParams.set("time", x.toFixed(5));
      location.assign(address);
    }
  }

  // The highest point within a few pixels of the click.
  function nearest(plot, x, left) {
    const low = plot.posToVal(left - 6, "x"), high = plot.posToVal(left + 6, "x");
    let best = x, height = -1;
    plot.data[0].forEach((each, at) => {
      if (each >= low && each <= high && plot.data[1][at] > height) { best = each; height = plot.data[1][at]; }
    });
    return best;
  }

  async function draw(figure) {
    const width = figure.clientWidth, source = figure.dataset.source, scale = Number(figure.dataset.scale) || 1;
    let first;
    try {
      first = await points(source, null, null, width);
    } catch {
      return; // What the server drew stays.
    }
    let turn = 0;
    const finer = async (plot) => {
      const mine = ++turn, { min, max } = plot.scales.x;
      try {
        const found = await points(source, min * scale, max * scale, plot.width);
        if (mine !== turn || !found.x.length) return;
        plot.setData(data(found, figure), false);
        plot.setScale("x", { min, max });
      } catch { /* The coarser points stay. */ }
    };
    const soft = colour("--ink-soft"), line = colour("--line");
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
    const options = {
      width,
      height: width < 500 ? 220 : 280,
      cursor: { drag: { x: true, y: false, dist: 5 }, points: { show: false } },
      legend: { live: true },
      scales: { x: { time: false }, y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.05 : 1] } },
      axes: [{ ...axis }, { ...axis, size: 70, values: (_, ticks) => ticks.map(shown) }],
      series: [
        { label: figure.dataset.label.split(" by ")[1], value: (_, value) => shown(value) },
        { label: "intensity", stroke: colour("--accent"), width: 1, points: { show: false }, value: (_, value) => shown(value) },
      ],
      hooks: {
        setSelect: [(plot) => { if (plot.select.width > 5) setTimeout(() => finer(plot)); }],
        ready: [(plot) => {
          let down = null;
          plot.over.addEventListener("mousedown", (event) => { down = event.clientX; });
          plot.over.addEventListener("click", (event) => { if (down !== null && Math.abs(event.clientX - down) < 4) pick(figure, plot, event); });
          plot.over.addEventListener("dblclick", () => {
            turn++;
            plot.setData(data(first, figure));
          });
          plot.over.addEventListener("wheel", (event) => {
            if (!event.ctrlKey) return;
            event.preventDefault();
            const { min, max } = plot.scales.x, at = plot.posToVal(event.offsetX, "x"), factor = event.deltaY < 0 ? 0.7 : 1 / 0.7;
            plot.setScale("x", { min: at - (at - min) * factor, max: at + (max - at) * factor });
            clearTimeout(figure.settling);
            figure.settling = setTimeout(() => finer(plot), 120);
          }, { passive: false });
        }],
      },
    };
    if (drawn.has(figure)) drawn.get(figure).destroy();
    figure.textContent = "";
    figure.classList.add("drawn");
    drawn.set(figure, new uPlot(options, data(first, figure), figure));
  }

  function prepare(root) {
    for (const each of drawn.keys()) if (!each.isConnected) drawn.delete(each);
    for (const each of root.querySelectorAll("[data-with-script]")) each.hidden = false;
    for (const each of root.querySelectorAll("[data-plot]:not(.drawn)")) draw(each);
  }

  // A click on the image asks for that pixel's spectrum alone, and keeps the page where it is.
  document.addEventListener("click", (event) => {
    const image = event.target.closest("[data-pixels]");
    if (!image || !event.clientX) return;
    event.preventDefault();
    const box = image.getBoundingClientRect(), [width, height] = image.dataset.pixels.split(" ").map(Number);
    const inside = (at, edge, size, count) => Math.min(count, Math.max(1, Math.floor(((at - edge) / size) * count) + 1));
    const x = inside(event.clientX, box.left + image.clientLeft, image.clientWidth, width);
    const y = inside(event.clientY, box.top + image.clientTop, image.clientHeight, height);
    const address = new URL(location.pathname, location.origin), asked = new URLSearchParams(location.search);
    for (const name of ["mz", "tolerance", "unit"]) if (asked.get(name)) address.searchParams.set(name, asked.get(name));
    address.searchParams.set("x", x);
    address.searchParams.set("y", y);
    fetch(address, { headers: { accept: "text/html" } }).then(async (answer) => {
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("pixel-place");
      if (!found) { location.assign(address); return; }
      document.getElementById("pixel-place").replaceWith(document.adoptNode(found));
      history.replaceState(null, "", address);
      prepare(document);
    }, () => location.assign(address));
  });

  document.addEventListener("htmx:afterSettle", () => prepare(document));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const each of [...drawn.keys()]) draw(each); });
  let sizing = null;
  addEventListener("resize", () => {
    clearTimeout(sizing);
    sizing = setTimeout(() => { for (const [figure, plot] of drawn) plot.setSize({ width: figure.clientWidth, height: plot.height }); }, 150);
  });
  document.addEventListener("DOMContentLoaded", () => prepare(document));
})();
