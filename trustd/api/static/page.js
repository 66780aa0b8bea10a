// The guests, the least trusted first, from /v1. Whatever a guest's owner chose
// is put in as text, never as markup.
"use strict";

const SHOWN = 200;
const LATE = 3;
const SHAPES = { best: "●", middling: "◐", low: "○", unknown: "◌" };

let condition = null;
let lastTick = 0;
let stream = null;

const at = (id) => document.getElementById(id);

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Text with what misleads the eye made visible, in a run of its own direction. */
function visible(text) {
  const shown = String(text).replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0).toString(16)}}`,
  );
  return element("bdi", "", shown);
}

function duration(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "–";
  const steps = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, unit] of steps) {
    if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.round(seconds))} s`;
}

const since = (moment) => (moment === null ? null : Date.now() / 1000 - moment);

function rank(band, bands) {
  const place = bands.indexOf(band);
  if (place < 0) return "unknown";
  if (place === 0) return "best";
  return place < bands.length / 2 ? "middling" : "low";
}

/** A scale from 0 to 1: a mark for trust, and its uncertainty as width. */
function scale(guest) {
  const bar = element("span", "scale");
  bar.setAttribute("aria-hidden", "true");
  if (guest.trust !== null) {
    const half = (guest.uncertainty ?? 0) / 2;
    const doubt = element("span", "doubt");
    const from = Math.max(0, guest.trust - half);
    doubt.style.setProperty("--from", `${100 * from}%`);
    doubt.style.setProperty("--width", `${100 * (Math.min(1, guest.trust + half) - from)}%`);
    const mark = element("span", "mark");
    mark.style.setProperty("--at", `${100 * guest.trust}%`);
    bar.append(doubt, mark);
  }
  return bar;
}

function trust(guest, colour) {
  const value = guest.trust === null ? "–" : guest.trust.toFixed(2);
  const made = element("div", `trust ${colour}`, scale(guest), value);
  const doubt = guest.uncertainty === null ? "unknown" : guest.uncertainty.toFixed(2);
  made.title = `uncertainty ${doubt}`;
  return made;
}

function row(guest, bands) {
  const known = guest.freshness === "fresh";
  const colour = known ? rank(guest.band, bands) : "unknown";
  const name = element("button", "guest", visible(guest.name));
  name.type = "button";
  name.addEventListener("click", () => explain(guest.id));
  const state = known ? guest.state : `${guest.state}, ${guest.freshness} for ${duration(guest.age)}`;
  const why = guest.drivers.slice(0, 3).map((driver) => driver.text || driver.name).join("; ");
  const taken = guest.restricted.join(", ");
  const levers = taken && guest.mode === "observe" ? `would: ${taken}` : taken;
  const made = element(
    "tr", known ? "" : "old",
    element("td", "", name),
    element("td", "", trust(guest, colour)),
    element("td", colour, `${SHAPES[rank(guest.band, bands)]} `, visible(guest.band)),
    element("td", "number", duration(since(guest.since))),
    element("td", known ? "" : "faint", state),
    element("td", "", visible(why)),
    element("td", "", visible(levers)),
  );
  return made;
}

function showStatus() {
  const counts = condition.guests;
  const pause = condition.orders.pause;
  at("paused").hidden = pause === null;
  at("paused").replaceChildren(...(pause === null ? [] : [
    `Enforcement is paused, ${pause.keep ? "what is narrowed is kept" : "everything is given back"}` +
    ` until ${new Date(1000 * pause.until).toLocaleString()}, by `, visible(pause.by), ": ",
    visible(pause.reason)]));
  at("condition").textContent =
    `${condition.mode} mode · tick ${condition.tick} · every ${condition.interval} s · ` +
    `${counts.total} guests, ${counts.restricted} restricted`;
  at("bands").replaceChildren(...Object.entries(counts.by_band).map(([band, count]) => {
    const colour = rank(band, condition.bands);
    return element("li", colour, `${SHAPES[colour]} `, element("strong", "", String(count)), " ",
      visible(band));
  }));
}

function showAlarm() {
  const reasons = [];
  if (condition) {
    for (const [name, check] of Object.entries(condition.checks)) {
      if (!check.ok) reasons.push(`${name}: ${check.reason}`);
    }
    if (condition.policy.error) reasons.push(`policy refused: ${condition.policy.error}`);
    for (const [why, count] of Object.entries(condition.orders.held)) {
      reasons.push(`${count} guests held back: ${why}`);
    }
  }
  const age = (performance.now() - lastTick) / 1000;
  if (lastTick && age > LATE * (condition?.interval ?? 10)) {
    reasons.push(`what you see is ${duration(age)} old: trustd does not answer`);
  }
  at("alarm").hidden = reasons.length === 0;
  at("alarm").replaceChildren(visible(reasons.join(" · ")));
}

async function read(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const document_ = await answer.json();
  if (!answer.ok) throw new Error(document_.detail ?? answer.statusText);
  return document_;
}

async function refresh() {
  try {
    const [now, list] = await Promise.all([
      read("/v1/status"), read(`/v1/guests?sort=trust&limit=${SHOWN}`),
    ]);
    condition = now;
    lastTick = performance.now() - 1000 * now.age;
    showStatus();
    at("caption").textContent = list.total > list.guests.length
      ? `The ${list.guests.length} least trusted of ${list.total} guests` : "Least trusted first";
    at("guests").replaceChildren(...list.guests.map((guest) => row(guest, list.bands)));
    showAlarm();
  } catch (error) {
    at("condition").textContent = error.message;
    showAlarm();
  }
}

function section(title, items) {
  if (items.length === 0) return [];
  return [element("h3", "", title),
    element("ul", "", ...items.map((text) => element("li", "", visible(text))))];
}

async function explain(id) {
  try {
    const why = await read(`/v1/guests/${encodeURIComponent(id)}/explain`);
    const opinion = why.opinion;
    const part = (value) => (value === null ? "–" : value.toFixed(2));
    at("details-name").replaceChildren(visible(why.name));
    at("details-body").replaceChildren(
      element("p", "faint", why.id),
      element("p", "",
        `Trust ${part(why.trust)}: belief ${part(opinion.belief)}, disbelief ` +
        `${part(opinion.disbelief)}, uncertainty ${part(opinion.uncertainty)}. Band `,
        visible(why.band), ` for ${duration(since(why.since))}, ${why.mode} mode.`),
      ...section("What made it so", why.drivers.map(
        (driver) => `${Math.round(100 * (driver.share ?? 0))} % ${driver.name}: ${driver.text}`)),
      ...section("Open findings", why.findings.map(
        (finding) => `${finding.severity}: ${finding.summary} (${finding.kind})`)),
      ...section("Permissions lost", why.lost.map(
        (access) => `${access.type} ${access.id}: ${access.lost.join(", ")}`)),
      ...section("Actions", why.actions.map((action) =>
        `${action.lever} ${action.device} ${action.status}: ${action.error || action.because}`)),
      ...section("Not measured", Object.entries(why.missing).map(
        ([name, reason]) => `${name}: ${reason}`)),
    );
    at("details").showModal();
  } catch (error) {
    at("condition").textContent = error.message;
  }
}

function follow() {
  stream = new EventSource("/v1/events");
  stream.addEventListener("tick", refresh);
  stream.addEventListener("reset", refresh);
  stream.addEventListener("error", () => {
    // The browser comes back by itself, except after an answer that is no stream.
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  });
}

refresh();
follow();
setInterval(showAlarm, 1000);
