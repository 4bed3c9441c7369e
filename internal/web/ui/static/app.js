// The script of the pages. Each part does nothing on pages that lack its elements. It never parses HTML except parts of pages that the server rendered and escaped.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
// thousands is a whole number as the server writes it.
const thousands = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

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

// The name of the user is stored in the browser. The first acknowledgement asks for it.
const storedName = () => localStorage.getItem("name") || "";
function fillNames(root = document) {
  for (const input of $$("input[name=by]:not([data-name])", root)) if (!input.value) input.value = storedName();
}
fillNames();
document.addEventListener("submit", (event) => {
  const by = $("input[name=by]", event.target);
  if (!by) return;
  if (by.matches("[data-name]") && !by.value) {
    by.value = storedName();
    if (!by.value && event.target.matches("[data-ask-name]")) {
      by.value = (prompt("Your name, shown to others") || "").trim();
      if (!by.value) { event.preventDefault(); return; }
    }
  }
  if (by.value) localStorage.setItem("name", by.value);
});

// Times are rendered in UTC by the server. In local mode the script rewrites them.
const two = (n, width = 2) => String(n).padStart(width, "0");
const localClock = (d) => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
const localStamp = (d) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${localClock(d)}`;
const isLocal = () => localStorage.getItem("zone") === "local";
function showTimes(root = document) {
  const button = $("#zone");
  if (button) {
    button.textContent = isLocal() ? "Local" : "UTC";
    button.setAttribute("aria-label", "Time zone: " + button.textContent);
  }
  for (const time of $$("time[datetime]", root)) {
    const show = time.dataset.show, d = new Date(time.dateTime);
    if ((show !== "clock" && show !== "stamp" && show !== "ms") || isNaN(d) || d.getFullYear() < 2) continue;
    if (isLocal()) {
      time.dataset.utc ??= time.textContent;
      time.textContent = show === "stamp" ? localStamp(d) : localClock(d) + (show === "ms" ? "." + two(d.getMilliseconds(), 3) : "");
    } else if (time.dataset.utc) {
      time.textContent = time.dataset.utc;
      delete time.dataset.utc;
    }
  }
}
$("#zone")?.addEventListener("click", () => { localStorage.setItem("zone", isLocal() ? "utc" : "local"); showTimes(); });
showTimes();

// Forms that apply a choice at once.
for (const form of $$("[data-autosubmit]")) form.addEventListener("change", () => form.requestSubmit());

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
      if (isLocal()) showTimes(fresh);
      for (const pick of $$(".pick", fresh)) if (picked.has(pick.value)) pick.setAttribute("checked", "");
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
    for (const count of $$("[data-firing]")) { count.textContent = thousands(top.firing); count.hidden = !top.firing; }
    if (document.documentElement.dataset.page === "alerts") document.title = top.title + " · alert-engine";
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
  const pages = ["/", "/rules", "/explore", "/history", "/silences", "/receivers", "/engine"];
  switch (event.key) {
    case "j": case "ArrowDown": if (event.key === "j" || row) { moveRow(1); event.preventDefault(); } break;
    case "k": case "ArrowUp": if (event.key === "k" || row) { moveRow(-1); event.preventDefault(); } break;
    case "Enter": if (document.activeElement?.matches("[data-row]")) $("a.open", row)?.click(); break;
    case "a": $("[data-act=ack]", row || undefined)?.click(); break;
    case "s": $("[data-act=silence]", row || undefined)?.click(); break;
    case "/": $("#filter")?.focus(); event.preventDefault(); break;
    case "t": switchTheme(); break;
    case "?": $("#help").showModal(); break;
    case "1": case "2": case "3": case "4": case "5": case "6": case "7": location.assign(pages[event.key - 1]); break;
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

// visible shows control and hidden characters by number, as package safetext does on the server.
const hidden = /[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Variation_Selector}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800]/gu;
const prepended = /^[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}]$/u;  // formats that are shown
const symbolBefore = /[\p{So}\p{Sk}\p{Sm}]\ufe0f?$/u, symbolAfter = /^[\p{So}\p{Sk}\p{Sm}]/u;
function visible(text) {
  return text.replace(hidden, (c, at) => {
    const before = text.slice(Math.max(0, at - 3), at), after = text.slice(at + c.length, at + c.length + 2);
    if (c === "\n" || c === "\t" || prepended.test(c)) return c;
    if (c === "\r" && after.startsWith("\n")) return "";
    if (c === "\ufe0f" && symbolBefore.test(before) && !before.endsWith("\ufe0f") && before.slice(-1) > "\u007f") return c;
    if (c === "\u200d" && symbolBefore.test(before) && symbolAfter.test(after) && before.slice(-1) > "\u007f") return c;
    return `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

// element makes an element with text, which is shown as it is and never parsed.
function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = visible(String(text));
  return e;
}

// logLine renders a line like the server does.
function logLine(line) {
  const level = line.level.toUpperCase();
  const box = element("div", "log " + (/^(FATAL|ERROR|CRIT|EMERG|ALERT)/.test(level) ? "error" : /^WARN/.test(level) ? "warn" : "info"));
  box.dataset.at = line.at;
  const time = element("time", "", line.time);
  time.dateTime = line.at;
  time.dataset.show = "ms";
  time.title = line.at;
  box.append(time, element("span", "lv", line.level));
  if (line.service) box.append(element("span", "svc", line.service));
  box.append(element("span", "msg", line.message));
  if (line.link) {
    const link = element("a", "off", line.where);
    link.href = line.link;
    link.title = "Logs around this one";
    box.append(link);
  }
  const names = Object.keys(line.fields || {}).sort();
  if (names.length) {
    const more = element("details"), list = element("dl", "fields");
    more.append(element("summary", "", names.length === 1 ? "1 field" : names.length + " fields"), list);
    for (const name of names) {
      const value = element("dd", "", line.fields[name]);
      value.dataset.field = name;
      list.append(element("dt", "", name), value);
    }
    box.append(more);
  }
  if (isLocal()) showTimes(box);
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
      p.append(element("b", "", rule.id), " " + rule.sentence + (rule.notifies?.length ? ` Notifies ${rule.notifies.join(", ")}.` : ""));
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
  // Text is painted behind the field, which itself is transparent.
  const paint = $("#paint");
  const token = /(#.*$)|(^\s*(?:- )?[\w.-]+(?=:(?:\s|$)))|('(?:[^']|'')*'|"(?:[^"\\]|\\.)*")|(\{\{.*?\}\})|\b(and|or|not|over|offset|by)\b|\b([a-z_]+\d*)(?=\()|(?<![\w.-])(\d+(?:\.\d+)?(?:ms|s|m|h|d|w|%)?)(?![\w-])/gm;
  const classes = ["comment", "key", "string", "template", "word", "function", "number"];
  // The painted text is as wide as the field's: hidden characters stay.
  const paintedSpan = (kind, part) => { const span = element("span", "t-" + kind); span.textContent = part; return span; };
  const highlight = () => {
    const out = document.createDocumentFragment();
    let last = 0;
    for (const m of text.value.slice(0, 200_000).matchAll(token)) {
      out.append(text.value.slice(last, m.index), paintedSpan(classes[m.slice(1).findIndex((g) => g !== undefined)], m[0]));
      last = m.index + m[0].length;
    }
    out.append(text.value.slice(last) + "\n");
    paint.replaceChildren(out);
  };
  text.addEventListener("input", highlight);
  text.addEventListener("scroll", () => { paint.scrollTop = text.scrollTop; paint.scrollLeft = text.scrollLeft; });
  new ResizeObserver(() => { paint.style.height = text.clientHeight + "px"; }).observe(text);
  editor.classList.add("painted");
  highlight();

  // Drafts: the text stays in the browser until it is saved.
  const draftKey = "draft:" + editor.dataset.file, draft = localStorage.getItem(draftKey), initial = text.value;
  if ("saved" in editor.dataset) localStorage.removeItem(draftKey);
  else if (draft !== null && draft !== initial) $("#draft").hidden = false;
  const replace = (value) => { text.select(); document.execCommand("insertText", false, value); text.setSelectionRange(0, 0); };
  $("#restore")?.addEventListener("click", () => { replace(draft); $("#draft").hidden = true; });
  $("#discard")?.addEventListener("click", () => { localStorage.removeItem(draftKey); $("#draft").hidden = true; });
  text.addEventListener("input", later(300, () => { if (text.value === initial) localStorage.removeItem(draftKey); else localStorage.setItem(draftKey, text.value); }));
  for (const load of $$("[data-version]")) load.addEventListener("click", () => { text.focus(); replace(load.dataset.version); });

  // Completion of fields and values of recent logs, and of functions and keys.
  const functions = ["count()", "rate()", "sum(", "avg(", "min(", "max(", "stddev(", "p50(", "p95(", "p99(", "quantile(", "distinct(", "first(", "last(", "new(", "changed(", "since(", "firing(", "baseline(", "zscore("];
  const keys = ["alert", "record", "match", "when", "window", "every", "by", "for", "keep_firing_for", "resolve", "labels", "annotations", "mode", "sequence", "within", "levels", "expect", "active", "suppressed_by", "samples", "top", "lateness", "limit"];
  const list = $("#complete");
  let fields = null, choices = [], chosen = 0, begin = 0;
  const hide = () => { list.hidden = true; choices = []; };
  const offer = async (asked) => {
    const before = text.value.slice(0, text.selectionStart), line = before.slice(before.lastIndexOf("\n") + 1);
    const key = line.match(/^\s*(?:- )?(\w*)$/), condition = /^\s*(?:- )?(match|when|by|resolve|sequence)\b/.test(line) || /match:/.test(line);
    const word = before.match(/[\w.@:]*$/)[0];
    if (!asked && (word.length < 2 || !(key || condition))) { hide(); return; }
    if (condition && !fields) { fields = []; try { const a = await fetch("/api/v1/fields"); if (a.ok) fields = await a.json(); } catch { /* no completion */ } }
    const [field, value] = word.split(":");
    let all = key ? keys.map((k) => k + ": ") : [];
    if (condition) {
      all = value === undefined ? [...fields.map((f) => f.field), ...(/when:/.test(line) ? functions : [])] : (fields.find((f) => f.field === field)?.values || []).map((v) => /^[\w./@-]+$/.test(v.value) ? v.value : JSON.stringify(v.value));
    }
    const start = value === undefined ? word : value;
    choices = all.filter((c) => c.startsWith(start) && c !== start).slice(0, 8);
    if (!choices.length) { hide(); return; }
    begin = text.selectionStart - start.length;
    chosen = 0;
    list.replaceChildren(...choices.map((c, i) => { const item = element("li", "", c); item.setAttribute("role", "option"); item.setAttribute("aria-selected", i === 0); item.addEventListener("mousedown", (event) => { event.preventDefault(); accept(i); }); return item; }));
    list.style.top = (before.split("\n").length * 1.55 * 0.9 * 14 + 8 - text.scrollTop) + "px";
    list.hidden = false;
  };
  const accept = (i) => {
    const choice = choices[i];
    hide();
    text.setSelectionRange(begin, text.selectionStart);
    document.execCommand("insertText", false, choice);
  };
  const choose = (step) => {
    chosen = (chosen + step + choices.length) % choices.length;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", i === chosen));
  };
  text.addEventListener("input", () => offer(false));
  text.addEventListener("blur", hide);
  text.addEventListener("keydown", (event) => {
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); offer(true); return; }
    if (list.hidden) return;
    const act = { ArrowDown: () => choose(1), ArrowUp: () => choose(-1), Enter: () => accept(chosen), Tab: () => accept(chosen), Escape: hide }[event.key];
    if (act) { event.preventDefault(); event.stopImmediatePropagation(); act(); }
  }, true);

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

// Explore: search from the newest log to the oldest, zoom, follow, filter, raw records.
const explore = $("#explore");
if (explore) {
  const button = $("#tail"), stopButton = $("#stop"), query = $("#filter"), verdict = $("#verdict"), lines = $("#lines");
  const count = thousands;
  let stop = null, search = null;

  // The server has sent what it found at once. The stream starts again and goes on to the end of the range.
  const showProgress = (f, state) => {
    const kept = lines.querySelectorAll(".log").length;
    const done = (new Date(f.to) - new Date(f.reached)) / (new Date(f.to) - new Date(f.from));
    verdict.replaceChildren(element("b", "", count(f.matched)), ` of ${count(f.read)} logs`, f.matched > kept ? `, newest ${count(kept)} shown` : "", state ? "; " + visible(state) : "");
    if (state === "reading") verdict.append(` ${Math.min(99, Math.floor(done * 100))} %`);
    drawBars(f);
    drawFields(f.fields || []);
  };
  const drawBars = (f) => {
    const svg = $("#bars");
    if (!svg) return;
    for (const bar of $$(".bar", svg)) bar.remove();
    const most = Math.max(1, ...f.bars), hits = $$(".hit", svg);
    f.bars.forEach((n, i) => {
      const title = hits[i] && $("title", hits[i]);
      if (title) title.textContent = title.textContent.replace(/: [^:]*$/, ": " + count(n));
      if (!n) return;
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const tall = Math.max(1.5, (64 * n) / most);
      for (const [name, value] of Object.entries({ class: "bar", x: i * 16, width: 14, y: 64 - tall, height: tall })) bar.setAttribute(name, value);
      svg.prepend(bar);
    });
  };
  const drawFields = (fields) => {
    const box = $("#fieldlist"), open = new Set($$("details[open]", box).map((d) => d.dataset.field || $("summary", d).firstChild.textContent.trim()));
    box.replaceChildren(...fields.map((one) => {
      const details = element("details"), list = element("ol", "top"), summary = element("summary", "", one.field + " ");
      details.dataset.field = one.field;
      details.open = open.has(one.field);
      summary.append(element("small", "", count(one.logs)));
      for (const v of one.values) {
        const item = element("li"), add = element("button", "", v.value), minus = element("button", "quiet minus", "−"), n = element("b", "", count(v.count) + " ");
        add.type = minus.type = "button";
        add.dataset.addField = minus.dataset.notField = one.field;
        add.dataset.addValue = minus.dataset.addValue = v.value;
        add.title = "Filter by this value";
        minus.title = "Exclude this value";
        minus.setAttribute("aria-label", "Exclude " + visible(v.value));
        n.append(minus);
        item.append(add, n);
        list.append(item);
      }
      if (one.more) list.append(element("li", "dim", "more values"));
      details.append(summary, list);
      return details;
    }));
  };
  const start = (url) => {
    let first = true, last = null;
    const stream = new EventSource(url);
    stopButton.hidden = false;
    search = (state) => {
      stream.close();
      search = null;
      stopButton.hidden = true;
      if (last) showProgress(last, state);
      if (!lines.children.length || $("#none")) lines.replaceChildren(element("p", "dim", "No matching logs."));
    };
    stream.addEventListener("lines", (event) => {
      if (first) { lines.replaceChildren(); first = false; }
      lines.append(...JSON.parse(event.data).map(logLine));
    });
    stream.addEventListener("progress", (event) => { last = JSON.parse(event.data); showProgress(last, "reading"); });
    stream.addEventListener("end", (event) => {
      const end = JSON.parse(event.data);
      search?.(end.reason === "complete" ? "" : end.error || end.reason + " reached");
    });
    stream.onerror = () => search?.("the search was interrupted");
  };
  stopButton.addEventListener("click", () => search?.("stopped"));
  if (explore.dataset.stream) start(explore.dataset.stream);

  const end = () => { stop?.(); stop = null; button.setAttribute("aria-pressed", "false"); button.textContent = "Follow"; };
  button.addEventListener("click", () => {
    if (stop) { end(); return; }
    search?.("stopped");
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Following";
    stop = follow(query.value, explore.elements.topic?.value || "", lines, 300, (n) => { if (verdict) verdict.textContent = `${n} logs since start`; });
  });
  query.addEventListener("input", () => { $("#make").href = "/rules/edit?match=" + encodeURIComponent(query.value); });
  const term = (field, value) => {
    const plain = /^[\p{L}\p{N}_.\/@-]+$/u.test(value) ? value : '"' + value.replace(/["\\]/g, "\\$&") + '"';
    return `${field}:${plain}`;
  };
  const narrow = (text) => { query.value = `${query.value} ${text}`.trim(); explore.requestSubmit(); };
  document.addEventListener("click", (event) => {
    const add = event.target.closest?.("[data-add-field]"), not = event.target.closest?.("[data-not-field]");
    if (add) narrow(term(add.dataset.addField, add.dataset.addValue));
    if (not) narrow("not " + term(not.dataset.notField, not.dataset.addValue));
  });
  explore.elements.since.addEventListener("change", () => { explore.elements.from.value = explore.elements.to.value = ""; });
  explore.addEventListener("submit", () => { for (const input of $$("input", explore)) if (!input.value) input.disabled = true; });

  // Zoom: a click or a drag over the histogram selects a time range.
  const svg = $("#bars"), selection = svg && $(".selection", svg);
  let from = null;
  const slot = (event) => {
    const box = svg.getBoundingClientRect(), hits = $$(".hit", svg);
    return hits[Math.max(0, Math.min(hits.length - 1, Math.floor(((event.clientX - box.left) / box.width) * hits.length)))];
  };
  const range = (a, b) => (+a.getAttribute("x") <= +b.getAttribute("x") ? [a, b] : [b, a]);
  svg?.addEventListener("pointerdown", (event) => { from = slot(event); svg.setPointerCapture(event.pointerId); });
  svg?.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [a, b] = range(from, slot(event));
    selection.removeAttribute("hidden");
    selection.setAttribute("x", a.getAttribute("x"));
    selection.setAttribute("width", +b.getAttribute("x") + +b.getAttribute("width") - a.getAttribute("x"));
  });
  svg?.addEventListener("pointerup", (event) => {
    if (!from) return;
    const [a, b] = range(from, slot(event));
    from = null;
    explore.elements.from.value = a.dataset.from;
    explore.elements.to.value = b.dataset.to;
    explore.requestSubmit();
  });

  // Actions of a line: raw record, copy, a rule of this line, filter by a field.
  lines.addEventListener("mouseover", (event) => addActions(event.target.closest(".log")));
  lines.addEventListener("focusin", (event) => addActions(event.target.closest(".log")));
  const addActions = (line) => {
    if (!line || $(".line-acts", line)) return;
    const link = $("a.off", line), acts = element("span", "line-acts");
    const act = (text, title, f) => { const b = element("button", "quiet", text); b.type = "button"; b.title = title; b.addEventListener("click", f); acts.append(b); };
    if (link) {
      const at = new URL(link.href).search;
      act("Raw", "Show the record with key and headers", () => showRaw(at));
      act("Rule", "Create a rule for logs like this one", () => location.assign("/rules/edit" + at));
    }
    act("Copy", "Copy the message", () => copy($(".msg", line).textContent));
    line.append(acts);
  };
  lines.addEventListener("toggle", (event) => {
    for (const value of $$("dd", event.target)) {
      const name = value.dataset.field || value.previousElementSibling?.textContent;
      if (!name || $("button", value)) continue;
      const text = value.textContent;
      for (const [sign, title, not] of [["+", "Filter by this value", false], ["−", "Exclude this value", true]]) {
        const b = element("button", "quiet minus", sign);
        b.type = "button";
        b.title = title;
        b.setAttribute("aria-label", `${title}: ${name}`);
        b.addEventListener("click", () => narrow((not ? "not " : "") + term(name, text)));
        value.append(" ", b);
      }
    }
  }, true);
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = element("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// A record with key, headers and value, as it is on the topic.
async function showRaw(at) {
  const answer = await fetch("/api/v1/record" + at), record = await answer.json(), body = $("#raw-body");
  body.replaceChildren();
  if (!answer.ok) body.append(element("p", "error", record.error));
  else {
    $("#raw-where").textContent = `${record.topic}/${record.partition}/${record.offset}`;
    const list = element("dl", "fields wide");
    const add = (name, value) => list.append(element("dt", "", name), element("dd", "", value));
    add("written", record.timestamp);
    add("key", record.key || "none");
    for (const h of record.headers) add("header " + h.key, h.value);
    add("format", record.rejected ? "rejected: " + record.rejected : [...new Set(record.logs.map((l) => l.format))].join(", "));
    add("size", `${record.bytes} bytes${record.encoding === "base64" ? ", shown in base64" : ""}`);
    const value = element("pre", "code", record.value);
    value.tabIndex = 0;
    body.append(list, value);
    $("#raw-copy").onclick = () => copy(record.value);
  }
  $("#raw").showModal();
}

// Silences: preview while typing, in the page and in the dialog.
document.addEventListener("input", later(300, async (event) => {
  if (event.target.id !== "matchers") return;
  const form = event.target.form;
  const answer = await fetch("/silences/preview?" + new URLSearchParams({ matchers: event.target.value }), { headers: { Accept: "text/html", "X-Part": "preview" } });
  if (answer.ok) $("#preview", form).innerHTML = await answer.text();
}));

// Dialogs: a form of the server is shown in place. Without the script its link leads to a page with the form.
const dialog = $("#dialog");
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("[data-dialog]");
  if (!link || !dialog || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const to = new URL(link.href);
  to.pathname += "/form";
  if (!to.searchParams.get("to")) to.searchParams.set("to", location.pathname + location.search);
  const answer = await fetch(to.pathname + to.search, { headers: { Accept: "text/html", "X-Part": "form" } });
  if (!answer.ok) { location.assign(link.href); return; }
  $("#dialog-body").innerHTML = await answer.text();
  fillNames(dialog);
  dialog.showModal();
});
// messageOf is the message of an answer that is an error.
const messageOf = (text) => { try { return JSON.parse(text).error || text; } catch { return text; } };
dialog?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  event.preventDefault();
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "text/html", "X-Part": "form" } });
  if (answer.ok) { dialog.close(); if (live) refresh(); else location.reload(); return; }
  const text = await answer.text();
  if (text.startsWith("<form")) $("#dialog-body").innerHTML = text;
  else $("#dialog-body").prepend(element("p", "error", messageOf(text)));
});

// Bulk actions on selected alerts.
const picked = new Set();
const bulk = $("#bulk");
function showPicked() {
  if (!bulk) return;
  bulk.hidden = picked.size === 0;
  $("#bulk-count").textContent = picked.size;
  $("#bulk-ids").replaceChildren(...[...picked].map((id) => { const i = element("input"); i.type = "hidden"; i.name = "alert"; i.value = id; return i; }));
}
document.addEventListener("change", (event) => {
  if (!event.target.matches?.(".pick")) return;
  if (event.target.checked) picked.add(event.target.value); else picked.delete(event.target.value);
  showPicked();
});
$("#bulk-clear")?.addEventListener("click", () => { picked.clear(); for (const pick of $$(".pick")) pick.checked = false; showPicked(); });

// Dense lists.
const dense = $("#dense");
function showDense() {
  const on = localStorage.getItem("dense") === "yes";
  document.documentElement.classList.toggle("dense", on);
  dense?.setAttribute("aria-pressed", on);
}
dense?.addEventListener("click", () => { localStorage.setItem("dense", localStorage.getItem("dense") === "yes" ? "no" : "yes"); showDense(); });
showDense();
