// Uploads in pieces: with progress, by drag and drop, going on after a cut, also after the page was left.
"use strict";
(() => {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const PIECE = 64 << 20, TRIES = 8, into = form.dataset.upload, largest = Number(form.dataset.largest);
  const list = form.querySelector("[data-files]"), input = form.querySelector("#files"), drop = form.querySelector("[data-drop]");
  const button = form.querySelector("button.main"), csrf = form.querySelector("input[name=csrf]").value;
  const chosen = [];
  let running = false;

  const size = (bytes) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = 0;
    while (bytes >= 1024 && at < 4) { bytes /= 1024; at += 1; }
    return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
  };
  const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const memory = (each) => `upload:${into}:${each.path}:${each.file.size}:${each.file.lastModified}`;

  function remembered(key, value) {
    try {
      if (value === undefined) return localStorage.getItem(key);
      if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value);
    } catch { /* A browser that keeps nothing begins again. */ }
    return null;
  }

  function add(file, path) {
    if (chosen.some((each) => each.path === path)) return;
    const line = document.createElement("li"), name = document.createElement("span"), state = document.createElement("span"), bar = document.createElement("progress");
    name.className = "path"; name.textContent = path; bar.max = file.size || 1; bar.value = 0; bar.setAttribute("aria-label", `Sent of ${path}`);
    state.textContent = size(file.size);
    line.append(name, state, bar); list.append(line);
    chosen.push({ file, path, state, bar, id: "" });
  }

  // A folder that is dropped gives its files with their paths in it.
  async function walk(entry, before) {
    if (entry.isFile) {
      add(await new Promise((done, no) => entry.file(done, no)), before + entry.name);
    } else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((done, no) => reader.readEntries(done, no));
        if (!some.length) break;
        for (const each of some) await walk(each, `${before}${entry.name}/`);
      }
    }
  }

  function send(method, url, headers, body, progress) {
    return new Promise((done, no) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of Object.entries({ "X-CSRF-Token": csrf, "Tus-Resumable": "1.0.0", ...headers })) request.setRequestHeader(name, value);
      if (progress) request.upload.addEventListener("progress", progress);
      request.addEventListener("load", () => done(request));
      request.addEventListener("error", () => no(new Error("The connection was cut.")));
      request.send(body);
    });
  }

  class Refused extends Error {}

  function refusal(request) {
    try { return new Refused(JSON.parse(request.responseText).detail); } catch { return new Refused(`The server refused it (${request.status}).`); }
  }

  async function begin(each) {
    const known = remembered(memory(each));
    if (known) {
      const found = await send("HEAD", `/api/v1/uploads/${known}`, {});
      if (found.status === 200) { each.id = known; return Number(found.getResponseHeader("Upload-Offset")); }
      if (found.status >= 500) throw new Error("The server is out of reach.");
    }
    const meta = `filename ${base64(each.path)},into ${base64(into)}`;
    const made = await send("POST", "/api/v1/uploads", { "Upload-Length": each.file.size, "Upload-Metadata": meta });
    if (made.status !== 201) throw made.status >= 500 && made.status !== 503 ? new Error("The server is out of reach.") : refusal(made);
    each.id = JSON.parse(made.responseText).upload;
    remembered(memory(each), each.id);
    return 0;
  }

  async function transfer(each) {
    if (each.file.size > largest) throw new Refused(`It has ${size(each.file.size)}; an upload may have ${size(largest)}.`);
    for (let left = TRIES; ; ) {
      try {
        let offset = await begin(each);
        while (offset < each.file.size) {
          const piece = each.file.slice(offset, offset + PIECE);
          const start = offset;
          const answer = await send("PATCH", `/api/v1/uploads/${each.id}`, { "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" }, piece, (event) => show(each, start + event.loaded));
          if (answer.status === 409 || answer.status >= 500) throw new Error("It stopped.");
          if (answer.status !== 204) throw refusal(answer);
          offset = Number(answer.getResponseHeader("Upload-Offset"));
          left = TRIES;
        }
        each.bar.value = each.bar.max;
        each.state.textContent = `${size(each.file.size)}, sent`;
        return;
      } catch (error) {
        left -= 1;
        if (error instanceof Refused || left <= 0) throw error;
        each.state.textContent = `${error.message} It goes on in a moment.`;
        await pause(500 * 2 ** (TRIES - left));
      }
    }
  }

  function show(each, sent) {
    each.bar.value = sent;
    each.state.textContent = `${size(sent)} of ${size(each.file.size)}`;
  }

  input.addEventListener("change", () => {
    for (const file of input.files) add(file, file.webkitRelativePath || file.name);
    input.value = "";
  });
  drop.querySelector("[data-drop-hint]").hidden = false;
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((each) => each.webkitGetAsEntry && each.webkitGetAsEntry());
    if (entries.every(Boolean)) for (const each of entries) await walk(each, "");
    else for (const file of event.dataTransfer.files) add(file, file.name);
  });

  form.addEventListener("submit", async (event) => {
    if (!chosen.length) return;
    event.preventDefault();
    if (running) return;
    running = true;
    button.disabled = true;
    let failed = false;
    for (const each of chosen) {
      try {
        await transfer(each);
      } catch (error) {
        failed = true;
        each.state.className = "bad";
        each.state.textContent = error.message;
        remembered(memory(each), null);
      }
    }
    running = false;
    button.disabled = false;
    if (failed) { button.textContent = "Try again"; return; }
    for (const each of chosen) {
      const field = document.createElement("input");
      field.type = "hidden"; field.name = "upload"; field.value = each.id;
      form.append(field);
      remembered(memory(each), null);
    }
    // The bytes are there already: the form itself carries only words.
    input.disabled = true;
    form.submit();
  });
  window.addEventListener("beforeunload", (event) => { if (running) event.preventDefault(); });
})();
