// The query box: its answer comes without a new page, and Cancel ends what runs.
"use strict";
(() => {
  const ask = () => document.getElementById("ask");
  const cancel = () => document.getElementById("cancel-query");
  let running = false;

  function note(now) {
    running = now;
    cancel().hidden = !now;
    document.getElementById("run").disabled = now;
    ask().setAttribute("aria-busy", String(now));
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!ask()) return;
    cancel().hidden = true;
    // Files are the browser's own business.
    for (const each of ask().querySelectorAll("[data-plain]")) {
      each.addEventListener("click", (event) => {
        event.preventDefault();
        if (!ask().sql.value.trim()) return;
        location.assign(`${each.getAttribute("formaction")}?sql=${encodeURIComponent(ask().sql.value)}`);
      });
    }
    ask().addEventListener("htmx:beforeRequest", () => note(true));
    ask().addEventListener("htmx:afterRequest", () => note(false));
    ask().sql.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask().requestSubmit(document.getElementById("run"));
    });
    cancel().addEventListener("click", async (event) => {
      event.preventDefault();
      if (!running) return;
      const form = document.getElementById("cancel");
      const body = new URLSearchParams(new FormData(form));
      await fetch(form.action, { method: "POST", body });
    });
  });
})();
