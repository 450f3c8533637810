// The graph of a lineage: pull, zoom with keys and wheel, and fold without loading the page anew.
"use strict";
(() => {
  const LEAST = 0.1, MOST = 3;
  const region = () => document.querySelector(".graph-scroll.lineage");
  const drawn = () => region().querySelector("svg");
  let scale = null;

  function size() {
    const [, , width, height] = drawn().getAttribute("viewBox").split(" ").map(Number);
    return { width, height };
  }

  function now() {
    return Number(drawn().getAttribute("width")) / size().width;
  }

  // Keeps what is under (x, y) of the region where it is.
  function zoom(to, x = region().clientWidth / 2, y = region().clientHeight / 2) {
    const place = region(), before = now(), next = Math.min(MOST, Math.max(LEAST, to)), { width, height } = size();
    const left = (place.scrollLeft + x) / before, top = (place.scrollTop + y) / before;
    drawn().setAttribute("width", Math.round(width * next));
    drawn().setAttribute("height", Math.round(height * next));
    place.scrollLeft = left * next - x;
    place.scrollTop = top * next - y;
    scale = next;
  }

  function whole() {
    const { width, height } = size(), place = region();
    zoom(Math.min(1, (place.clientWidth - 12) / width, (place.clientHeight - 12) / height));
  }

  function centre(element) {
    if (!element) return;
    const place = region(), own = place.getBoundingClientRect(), box = element.getBoundingClientRect();
    place.scrollLeft += box.left + box.width / 2 - own.left - own.width / 2;
    place.scrollTop += box.top + box.height / 2 - own.top - own.height / 2;
  }

  const steps = { in: () => zoom(now() * 1.25), out: () => zoom(now() / 1.25), whole };
  const keys = { "+": steps.in, "=": steps.in, "-": steps.out, "0": () => zoom(1), "w": whole };

  function prepare() {
    if (!region()) return;
    if (scale !== null) zoom(scale);
    centre(drawn().querySelector(".focus"));
  }

  document.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !event.target.closest(".graph-scroll.lineage")) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("wheel", (event) => {
    const place = event.target.closest && event.target.closest(".graph-scroll.lineage");
    if (!place || !event.ctrlKey) return;
    event.preventDefault();
    const own = place.getBoundingClientRect();
    zoom(now() * Math.exp(-event.deltaY / 300), event.clientX - own.left, event.clientY - own.top);
  }, { passive: false });

  let pulled = null;
  document.addEventListener("pointerdown", (event) => {
    const place = event.target.closest(".graph-scroll.lineage");
    if (!place || event.pointerType === "touch" || event.button || event.target.closest("a")) return;
    pulled = { x: event.clientX + place.scrollLeft, y: event.clientY + place.scrollTop };
    place.classList.add("pulled");
  });
  document.addEventListener("pointermove", (event) => {
    if (!pulled) return;
    region().scrollLeft = pulled.x - event.clientX;
    region().scrollTop = pulled.y - event.clientY;
  });
  document.addEventListener("pointerup", () => {
    if (pulled) region().classList.remove("pulled");
    pulled = null;
  });

  async function show(address, back) {
    await htmx.ajax("GET", address, { target: "#graph", swap: "outerHTML" });
    if (!region()) return;
    if (scale !== null) zoom(scale);
    const same = back && document.getElementById(back);
    if (same) {
      same.focus({ preventScroll: true });
      centre(same);
    } else {
      region().focus({ preventScroll: true });
      centre(drawn().querySelector(".focus"));
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-fold], a[data-zoom]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    if (link.dataset.zoom) {
      steps[link.dataset.zoom]();
      return;
    }
    const address = link.getAttribute("href");
    history.pushState({ graph: true }, "", address);
    show(address, link.id);
  });
  window.addEventListener("popstate", () => show(location.pathname + location.search, ""));
  document.addEventListener("DOMContentLoaded", prepare);
})();
