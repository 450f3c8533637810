// What makes pages better than they are without script: times in the reader's zone, live sections, copying.
"use strict";
(() => {
  const spans = [[60, 1, "second"], [3570, 60, "minute"], [84600, 3600, "hour"], [6.5 * 86400, 86400, "day"]];
  const near = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  const two = (number) => String(number).padStart(2, "0");

  function written(date) {
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
  }

  function ago(date) {
    const passed = (Date.now() - date.getTime()) / 1000;
    if (Math.abs(passed) < 5) return "just now";
    const found = spans.find(([most]) => Math.abs(passed) < most);
    return found ? near.format(-Math.round(passed / found[1]), found[2]).replace(".", "") : "";
  }

  const zones = new Map();

  // The zone as people write it (UTC, CET), which is another one in summer.
  function zone(date) {
    const minutes = date.getTimezoneOffset();
    if (!zones.has(minutes)) {
      const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(date);
      zones.set(minutes, parts.find((each) => each.type === "timeZoneName").value);
    }
    return zones.get(minutes);
  }

  function times(root) {
    for (const each of root.querySelectorAll("time[data-time]")) {
      const date = new Date(each.dateTime);
      const full = `${written(date)} ${zone(date)}`, relative = ago(date);
      each.textContent = each.dataset.time === "full" ? (relative ? `${full} (${relative})` : full) : relative || full;
      each.title = `${full} (${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
    }
  }

  function copies(root) {
    if (!navigator.clipboard) return;
    for (const each of root.querySelectorAll("[data-copy]")) each.hidden = false;
  }

  // Where one is may lie beyond the edge of a row of places that is too long for a phone.
  function here() {
    for (const each of document.querySelectorAll("[aria-current='page']")) {
      const row = each.closest(".side nav, .tabs, .places");
      if (row) row.scrollLeft = Math.max(0, each.offsetLeft + each.offsetWidth - row.offsetLeft - row.clientWidth * 0.75);
    }
  }

  function prepare(root) {
    times(root);
    copies(root);
    sign();
  }

  // --- live ---------------------------------------------------------------------------------------------------------
  let source = null, openedBefore = false, away = false, hiddenSince = null;

  function topics() {
    const found = new Set();
    for (const each of document.querySelectorAll("[data-live]")) for (const topic of each.dataset.live.split(" ")) found.add(topic);
    return [...found].sort();
  }

  function moved(topic) {
    document.body.dispatchEvent(new CustomEvent(`moved-${topic}`));
  }

  function sign() {
    for (const each of document.querySelectorAll("[data-live-sign]")) {
      each.hidden = !source;
      each.classList.toggle("away", away);
      each.textContent = away ? "reconnecting" : "live";
    }
  }

  function open() {
    const wanted = topics();
    if (!wanted.length || source) return;
    source = new EventSource(`/events/stream?topics=${encodeURIComponent(wanted.join(","))}`);
    for (const topic of wanted) source.addEventListener(topic, () => moved(topic));
    source.addEventListener("open", (event) => {
      // The connection says so, too; the server's own word comes when nothing is missed any more.
      if (event.data === undefined) return;
      away = false;
      sign();
      // What moved while nobody listened is fetched once: at first, what has since this page was asked for.
      const lately = JSON.parse(event.data), age = performance.now() / 1000;
      wanted.filter((topic) => openedBefore || lately[topic] <= age).forEach(moved);
      openedBefore = true;
    });
    source.addEventListener("away", outOfReach);
    source.addEventListener("error", () => {
      away = true;
      sign();
      // A browser comes back by itself from a broken connection, but not from an answer that is no stream.
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 3000);
        ready().then((there) => { if (!there) outOfReach(); });
      }
    });
    sign();
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  // A browser keeps six connections to a server: pages that nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hiddenSince = setTimeout(close, 10000);
    } else {
      clearTimeout(hiddenSince);
      open();
    }
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });

  // --- what goes wrong ----------------------------------------------------------------------------------------------
  const notice = () => document.getElementById("notice");

  function tell(text) {
    notice().textContent = text;
    notice().hidden = !text;
  }

  // Says it, asks every few seconds whether the lab is back, and then fetches what is live once.
  let asking = null;
  const ready = () => fetch("/health/ready").then((answer) => answer.ok, () => false);

  function outOfReach() {
    tell("The lab is out of reach at the moment; this page goes on when it is back.");
    if (asking) return;
    asking = setInterval(async () => {
      if (!(await ready()) || !asking) return;
      reached();
      topics().forEach(moved);
    }, 3000);
  }

  function reached() {
    clearInterval(asking);
    asking = null;
    tell("");
  }

  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 503) outOfReach();
    else tell(`The server refused this (${status}). Load the page again.`);
  });
  document.addEventListener("htmx:sendError", outOfReach);
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) reached(); });
  document.addEventListener("htmx:afterSettle", (event) => prepare(event.detail.elt.parentNode || document));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    tell("Copied.");
    setTimeout(() => tell(""), 2000);
  });

  document.addEventListener("DOMContentLoaded", () => {
    prepare(document);
    here();
    open();
    setInterval(() => times(document), 15000);
  });
})();
