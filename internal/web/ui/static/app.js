// The script of the pages. Each part does nothing on pages that lack its elements. It never parses HTML except parts of pages that the server rendered and escaped.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Links in notifications have Alertmanager's form: /#/alerts?receiver=x, /#/silences/new?filter={...}.
function followHash() {
  const hash = decodeURI(location.hash);
  if (!hash.startsWith("#/")) return;
  const [path, query = ""] = hash.slice(1).split("?");
  const given = new URLSearchParams(query);
  const to = new URLSearchParams();
  if (path.startsWith("/silences")) {
    if (given.get("filter")) to.set("matchers", given.get("filter"));
    location.replace("/silences?" + to + (path.includes("new") ? "#new" : ""));
  } else if (path.startsWith("/status")) {
    location.replace("/engine");
  } else {
    for (const key of ["receiver", "filter"]) if (given.get(key)) to.set(key === "filter" ? "matchers" : key, given.get(key));
    location.replace("/?" + to);
  }
}
followHash();
addEventListener("hashchange", followHash);

// Theme.
function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}
$("#theme")?.addEventListener("click", switchTheme);

// The name of the user is stored in the browser.
for (const input of $$("input[name=by]:not([data-name])")) {
  if (!input.value) input.value = localStorage.getItem("name") || "";
  input.form?.addEventListener("submit", () => localStorage.setItem("name", input.value));
}
document.addEventListener("submit", (event) => {
  const by = $("input[data-name]", event.target);
  if (by && !by.value) by.value = localStorage.getItem("name") || "";
});

// morph changes an element to equal another with few changes, so that focus, selection and open details stay.
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const keyed = new Map();
  for (const child of old.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = keyOf(child) && keyed.get(keyOf(child));
    if (known) {
      if (known === at) at = at.nextSibling;
      else old.insertBefore(known, at);
      morph(known, child);
    } else if (at && !keyOf(at)) {
      const next = at.nextSibling;
      morph(at, child);
      at = next;
    } else {
      old.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id || "" : "");

// Live parts are fetched again when the server reports a change.
const live = $("[data-live]");
let fetching = false, again = false;
async function refresh() {
  if (!live || document.hidden) return;
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { "X-Part": "live", Accept: "text/html" } });
    if (answer.ok) {
      const fresh = live.cloneNode(false);
      fresh.innerHTML = await answer.text();
      morph(live, fresh);
      readings();
    }
  } catch { /* the event stream shows that the server is unreachable */ }
  fetching = false;
  if (again) { again = false; setTimeout(refresh, 300); }
}
function connect() {
  const stream = new EventSource("/changes");
  stream.addEventListener("change", (event) => {
    const top = JSON.parse(event.data);
    document.documentElement.classList.remove("away");
    for (const count of $$("[data-firing]")) count.textContent = top.firing;
    if (document.documentElement.dataset.page === "alerts") document.title = top.firing ? `(${top.firing}) firing · alert-engine` : "Alerts · alert-engine";
    refresh();
  });
  stream.onerror = () => {
    document.documentElement.classList.add("away");
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  };
}
if (document.documentElement.dataset.page) connect();
document.addEventListener("visibilitychange", refresh);

// Keys.
const typing = (element) => element.matches?.("input, textarea, select, [contenteditable]");
function moveRow(step) {
  const rows = $$("[data-row]");
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest?.("[data-row]"));
  const row = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const row = document.activeElement?.closest?.("[data-row]") || $("[data-alert]");
  const pages = ["/", "/rules", "/explore", "/silences", "/engine"];
  switch (event.key) {
    case "j": case "ArrowDown": if (event.key === "j" || row) { moveRow(1); event.preventDefault(); } break;
    case "k": case "ArrowUp": if (event.key === "k" || row) { moveRow(-1); event.preventDefault(); } break;
    case "Enter": if (document.activeElement?.matches("[data-row]")) $("a.open", row)?.click(); break;
    case "a": $("[data-act=ack]", row || undefined)?.click(); break;
    case "s": $("[data-act=silence]", row || undefined)?.click(); break;
    case "/": $("#filter")?.focus(); event.preventDefault(); break;
    case "t": switchTheme(); break;
    case "?": $("#help").showModal(); break;
    case "1": case "2": case "3": case "4": case "5": location.assign(pages[event.key - 1]); break;
  }
});
const filter = $("#filter");
filter?.addEventListener("keydown", (event) => { if (event.key === "Escape") filter.blur(); });

// Tooltip of charts.
function readings() {
  for (const chart of $$("svg[data-points]")) {
    if (chart.dataset.ready) continue;
    chart.dataset.ready = "yes";
    const mark = $(".reading", chart);
    chart.addEventListener("pointermove", (event) => {
      const points = chart.dataset.points.split(";").filter(Boolean).map((p) => p.split(","));
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      let near = points[0];
      for (const p of points) if (Math.abs(p[0] - x) < Math.abs(near[0] - x)) near = p;
      if (!near || !mark) return;
      mark.removeAttribute("hidden");
      $("line", mark).setAttribute("x1", near[0]); $("line", mark).setAttribute("x2", near[0]);
      $("circle", mark).setAttribute("cx", near[0]); $("circle", mark).setAttribute("cy", near[1]);
      const text = $("text", mark), right = near[0] > chart.viewBox.baseVal.width * 0.7;
      text.textContent = `${near[3]} at ${near[2]}`;
      text.setAttribute("x", +near[0] + (right ? -8 : 8));
      text.setAttribute("text-anchor", right ? "end" : "start");
    });
    chart.addEventListener("pointerleave", () => mark?.setAttribute("hidden", ""));
  }
}
readings();

// Confirmation of destructive actions.
document.addEventListener("click", (event) => {
  const text = event.target.closest?.("[data-confirm]")?.dataset.confirm;
  if (text && !confirm(text)) event.preventDefault();
});

// later calls f after a pause of so many milliseconds.
function later(wait, f) {
  let timer;
  return (...args) => { clearTimeout(timer); timer = setTimeout(() => f(...args), wait); };
}

// element makes an element with text, which is not parsed.
function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// logLine renders a line like the server does.
function logLine(line) {
  const level = line.level.toUpperCase();
  const box = element("div", "log " + (/^(FATAL|ERROR|CRIT|EMERG|ALERT)/.test(level) ? "error" : /^WARN/.test(level) ? "warn" : "info"));
  box.append(element("time", "", line.time), element("span", "lv", line.level));
  if (line.service) box.append(element("span", "svc", line.service));
  box.append(element("span", "msg", line.message));
  if (line.link) {
    const link = element("a", "off", "around");
    link.href = line.link;
    box.append(link);
  }
  const names = Object.keys(line.fields || {}).sort();
  if (names.length) {
    const more = element("details"), list = element("dl", "fields");
    more.append(element("summary", "", names.length === 1 ? "1 field" : names.length + " fields"), list);
    for (const name of names) list.append(element("dt", "", name), element("dd", "", line.fields[name]));
    box.append(more);
  }
  return box;
}

// follow shows new matching lines, newest first, and returns a function that stops it.
function follow(query, topic, into, most, counted) {
  const stream = new EventSource("/api/v1/tail?" + new URLSearchParams({ query, topic }));
  let first = true;
  stream.addEventListener("line", (event) => {
    if (first) { into.replaceChildren(); first = false; }
    into.prepend(logLine(JSON.parse(event.data)));
    while (into.childElementCount > most) into.lastElementChild.remove();
  });
  stream.addEventListener("count", (event) => counted?.(JSON.parse(event.data).matched));
  stream.addEventListener("problem", (event) => { into.prepend(element("p", "error", JSON.parse(event.data).error)); stream.close(); });
  return () => stream.close();
}

// Editor: validates while typing, follows matching logs, runs backtests.
const editor = $("#editor");
if (editor) {
  const text = $("#text");
  let stop = null, following = null;
  const read = async () => {
    const answer = await fetch("/api/v1/validate", { method: "POST", body: text.value });
    const result = await answer.json();
    const box = $("#reading");
    box.replaceChildren();
    for (const rule of result.rules || []) {
      const p = element("p", "sentence");
      p.append(element("b", "", rule.id), " " + rule.sentence);
      box.append(p);
    }
    for (const problem of result.problems || []) {
      const p = element("p", "problem");
      if (problem.line) {
        const at = element("button", "quiet", `${problem.line}:${problem.column}`);
        at.type = "button";
        at.dataset.line = problem.line;
        at.dataset.column = problem.column;
        p.append(at);
      }
      p.append(` ${problem.problem}${problem.hint ? "; " + problem.hint : ""}`);
      box.append(p);
    }
    const query = result.rules?.find((rule) => rule.query)?.query;
    if (query && query !== following) {
      stop?.();
      following = query;
      $("#matching").replaceChildren(element("p", "note", "Waiting for a matching log."));
      stop = follow(query, "", $("#matching"), 50);
    }
  };
  text.addEventListener("input", later(350, read));
  read();
  $("#reading").addEventListener("click", (event) => {
    const at = event.target.closest("[data-line]");
    if (!at) return;
    const lines = text.value.split("\n");
    const start = lines.slice(0, at.dataset.line - 1).reduce((sum, line) => sum + line.length + 1, 0) + (at.dataset.column - 1);
    text.focus();
    text.setSelectionRange(start, start + 1);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Tab" || event.shiftKey || event.ctrlKey || event.altKey) return;
    if (text.dataset.leave) { delete text.dataset.leave; return; }
    event.preventDefault();
    document.execCommand("insertText", false, "  ");
  });
  text.addEventListener("keyup", (event) => { if (event.key === "Escape") text.dataset.leave = "yes"; });  // Escape, then Tab, leaves the field
  // Threshold slider: the server evaluated each stop. Moving it changes the number in the text, the line in the chart and the count.
  $("#backtested").addEventListener("input", (event) => {
    const slider = event.target.closest(".slider");
    if (!slider) return;
    const stop = JSON.parse(slider.dataset.stops)[event.target.value];
    const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
    event.target.setAttribute("aria-valuetext", stop.text);
    $("output", slider).textContent = `${stop.text}: ${count(stop.alerts, "alert")} in ${count(stop.groups, "group")}`;
    const chart = $(".histogram", slider.parentElement), line = chart && $(".threshold", chart);
    line?.setAttribute("x1", stop.at);
    line?.setAttribute("x2", stop.at);
    for (const bar of chart ? $$(".bar", chart) : []) {
      const middle = +bar.getAttribute("x") + bar.getAttribute("width") / 2;
      bar.classList.toggle("over", slider.dataset.op.startsWith(">") ? middle > stop.at : middle < stop.at);
    }
    const when = slider.dataset.when, changed = when.slice(0, when.length - slider.dataset.number.length) + stop.text;
    const begin = text.value.split("\n").slice(0, slider.dataset.line - 1).join("\n").length;
    const at = text.value.indexOf(when, begin);
    if (at < 0) return;
    text.setRangeText(changed, at, at + when.length, "preserve");
    slider.dataset.when = changed;
    slider.dataset.number = stop.text;
    text.dispatchEvent(new Event("input"));
  });
  $("#backtest").addEventListener("click", async (event) => {
    const button = event.currentTarget, into = $("#backtested");
    button.disabled = true;
    into.replaceChildren(element("p", "note", "Backtest is running …"));
    try {
      const answer = await fetch("/rules/backtest", { method: "POST", body: new URLSearchParams({ text: text.value, since: $("#since").value }) });
      if (answer.ok) into.innerHTML = await answer.text();
      else into.replaceChildren(element("p", "error", (await answer.json()).error));
    } catch (error) {
      into.replaceChildren(element("p", "error", String(error)));
    }
    button.disabled = false;
  });
}

// Explore: follow, and filter by a field's value.
const explore = $("#explore");
if (explore) {
  const button = $("#tail"), query = $("#filter");
  let stop = null;
  const end = () => { stop?.(); stop = null; button.setAttribute("aria-pressed", "false"); button.textContent = "Follow"; };
  button.addEventListener("click", () => {
    if (stop) { end(); return; }
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Following";
    const verdict = $("#verdict");
    stop = follow(query.value, explore.elements.topic?.value || "", $("#lines"), 300, (n) => { if (verdict) verdict.textContent = `${n} logs since start`; });
  });
  query.addEventListener("input", () => { $("#make").href = "/rules/edit?match=" + encodeURIComponent(query.value); });
  for (const add of $$("[data-add-field]")) {
    add.addEventListener("click", () => {
      const value = add.dataset.addValue;
      const plain = /^[\p{L}\p{N}_.\/@-]+$/u.test(value) ? value : '"' + value.replace(/["\\]/g, "\\$&") + '"';
      query.value = `${query.value} ${add.dataset.addField}:${plain}`.trim();
      explore.requestSubmit();
    });
  }
}

// Silences: preview while typing.
const matchers = $("#matchers");
matchers?.addEventListener("input", later(300, async () => {
  const answer = await fetch("/silences/preview?" + new URLSearchParams({ matchers: matchers.value }), { headers: { Accept: "text/html" } });
  if (answer.ok) $("#preview").innerHTML = await answer.text();
}));
