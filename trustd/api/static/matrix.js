// The fleet's last day as one picture: a row a guest, the newest on the right.
import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { toneOfCode } from "./bands.js";
import { colours, fitted, hatch, useTheme } from "./paint.js";
import { guestsOf, moment, visible } from "./text.js";

const AXIS = 22;
const TALLEST = 28;
/** Rows at least this high have names beside them, and shapes in their cells. */
const NAMED = 12;
const SHAPED = 5;
const NAMES = 112;
const LONGEST = 40;
/** How much of a row's height a tone takes: what is worse is bigger, whatever its colour. */
const SHARES = { 0: 0.24, 1: 0.45, 2: 0.64, 3: 0.82, 4: 1, unknown: 0.82, idle: 0.12 };
const ORDER = [null, "idle", 0, "unknown", 1, 2, 3, 4];

/** Where things are, for a number of guests and a place of this size. */
function layout(rows, columns, width, height) {
  const rowHeight = Math.min(TALLEST, (height - AXIS) / Math.max(1, rows));
  const left = rowHeight >= NAMED ? NAMES : 0;
  return { left, rowHeight, columns, rows, width: width - left, height: rowHeight * rows, column: (width - left) / columns };
}

/** Runs of equal tone in a row: [tone, first column, column after the last]. */
function runs(codes, bands) {
  const found = [];
  for (let place = 0; place < codes.length; place += 1) {
    const tone = toneOfCode(codes[place], bands);
    const last = found.at(-1);
    if (last && last[0] === tone) last[2] = place + 1;
    else found.push([tone, place, place + 1]);
  }
  return found.filter(([tone]) => tone !== null);
}

/** Rows so thin that several share a pixel: the worst of them is what is seen. */
function squeezed(rows, most, bands) {
  if (rows.length <= most) return rows.map((codes) => [...codes].map((code) => toneOfCode(code, bands)));
  const found = [];
  for (let line = 0; line < most; line += 1) {
    const from = Math.floor((line * rows.length) / most);
    const to = Math.max(from + 1, Math.floor(((line + 1) * rows.length) / most));
    const tones = rows.slice(from, to).map((codes) => [...codes].map((code) => toneOfCode(code, bands)));
    found.push(tones[0].map((_, column) => tones.map((each) => each[column]).reduce(
      (worst, each) => (ORDER.indexOf(each) > ORDER.indexOf(worst) ? each : worst))));
  }
  return found;
}

function paintShapes(context, rows, bands, place, paint) {
  const lines = hatch(context, paint.tones.unknown, 5 * (window.devicePixelRatio || 1));
  lines.setTransform(new DOMMatrix().scale(1 / (window.devicePixelRatio || 1)));
  rows.forEach((codes, number) => {
    const middle = (number + 0.5) * place.rowHeight;
    for (const [tone, from, to] of runs(codes, bands)) {
      const height = Math.max(1.5, SHARES[tone] * (place.rowHeight - Math.min(3, place.rowHeight / 4)));
      context.fillStyle = tone === "unknown" ? lines : paint.tones[tone];
      context.fillRect(place.left + from * place.column, middle - height / 2, (to - from) * place.column, height);
    }
  });
}

function paintPixels(context, rows, bands, place, paint) {
  const dense = window.devicePixelRatio || 1;
  const lines = squeezed(rows, Math.max(1, Math.floor(place.height * dense)), bands);
  lines.forEach((tones, number) => {
    const top = (number * place.height) / lines.length;
    const height = place.height / lines.length + 0.3;
    for (let from = 0; from < tones.length;) {
      let to = from + 1;
      while (to < tones.length && tones[to] === tones[from]) to += 1;
      const tone = tones[from];
      if (tone !== null) {
        context.fillStyle = tone === 0 ? paint.calm : paint.tones[tone];
        // what is not known is broken up, so that it is no colour of its own
        const step = tone === "unknown" ? 2 : to - from;
        for (let column = from + (tone === "unknown" ? number % 2 : 0); column < to; column += step) {
          const width = tone === "unknown" ? 1 : to - from;
          context.fillRect(place.left + column * place.column, top, width * place.column + 0.3, height);
        }
      }
      from = to;
    }
  });
}

/** As much of a text as there is room for. */
function fitting(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let length = text.length;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
  return `${text.slice(0, length)}…`;
}

function paintNames(context, guests, place, paint) {
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.direction = "ltr";
  guests.forEach((guest, number) => {
    context.fillStyle = paint.faint;
    const name = fitting(context, visible(guest.name).slice(0, LONGEST), place.left - 10);
    context.fillText(name, 0, (number + 0.5) * place.rowHeight + 0.5);
  });
}

function paintAxis(context, matrix, place, paint) {
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "top";
  const oldest = matrix.until - matrix.step * place.columns;
  const zone = 60 * new Date().getTimezoneOffset();
  const every = 6 * 3600;
  context.strokeStyle = context.fillStyle = paint.faint;
  context.lineWidth = 1;
  for (let at = Math.ceil((oldest - zone) / every) * every + zone; at < matrix.until; at += every) {
    const across = place.left + ((at - oldest) / (matrix.until - oldest)) * place.width;
    context.globalAlpha = 0.25;
    context.fillRect(across, 0, 1, place.height + 4);
    context.globalAlpha = 1;
    const room = place.left + place.width - across;
    if (across < 20 || room < 40) continue;
    context.textAlign = "center";
    context.fillText(moment(at).slice(-5), across, place.height + 8);
  }
  context.textAlign = "right";
  context.fillText("now", place.left + place.width, place.height + 8);
  context.textAlign = "left";
}

function draw(canvas, { guests, matrix, chosen, size }) {
  const paint = colours();
  const columns = Object.values(matrix.rows)[0]?.length ?? 1;
  const place = layout(guests.length, columns, size.width, size.height);
  const context = fitted(canvas, size.width, Math.min(size.height, place.height + AXIS));
  const rows = guests.map((guest) => matrix.rows[guest.id] ?? " ".repeat(columns));
  const picked = guests.findIndex((guest) => guest.id === chosen);
  if (picked >= 0 && place.rowHeight >= SHAPED) {
    context.fillStyle = paint.accent;
    context.globalAlpha = 0.16;
    context.fillRect(0, picked * place.rowHeight, size.width, place.rowHeight);
    context.globalAlpha = 1;
  }
  if (place.rowHeight >= SHAPED) paintShapes(context, rows, matrix.bands, place, paint);
  else paintPixels(context, rows, matrix.bands, place, paint);
  if (place.left) paintNames(context, guests, place, paint);
  paintAxis(context, matrix, place, paint);
  if (picked >= 0 && place.rowHeight < SHAPED) {
    context.fillStyle = paint.accent;
    context.fillRect(0, Math.max(0, (picked + 0.5) * place.rowHeight - 1), size.width, 2);
  }
  return place;
}

/** What a code says, in words. */
function meaning(code, bands) {
  if (code === "~") return "did not answer";
  if (code === ".") return "did not run";
  if (code === " " || code === undefined) return "not watched";
  return visible(bands[Math.min(code.charCodeAt(0) - 97, bands.length - 1)]);
}

export function Matrix({ guests, matrix, chosen, open }) {
  const frame = useRef(null);
  const canvas = useRef(null);
  const place = useRef(null);
  const [size, setSize] = useState(null);
  const [tip, setTip] = useState(null);
  const dark = useTheme();
  useLayoutEffect(() => {
    const look = () => setSize({ width: frame.current.clientWidth, height: frame.current.clientHeight });
    const watcher = new ResizeObserver(look);
    watcher.observe(frame.current);
    look();
    return () => watcher.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (size) place.current = draw(canvas.current, { guests, matrix, chosen, size });
  }, [guests, matrix, chosen, size, dark]);
  const under = (event) => {
    const box = canvas.current.getBoundingClientRect();
    const at = place.current;
    const row = Math.floor((event.clientY - box.top) / at.rowHeight);
    const column = Math.floor((event.clientX - box.left - at.left) / at.column);
    const guest = guests[row];
    return guest && { guest, column, top: event.clientY - frame.current.getBoundingClientRect().top };
  };
  const point = (event) => setTip(under(event) ?? null);
  const column = tip && Math.max(0, Math.min(tip.column, place.current.columns - 1));
  return html`
    <div class="frame" ref=${frame}>
      <canvas ref=${canvas} role="img" aria-label="Bands of ${guestsOf(guests.length)} over the last day; the table says the same of now"
        onMouseMove=${point} onMouseLeave=${() => setTip(null)}
        onClick=${(event) => under(event) && open(under(event).guest.id)}></canvas>
      ${tip && html`
        <div class="tip" style=${{ top: `${tip.top + 14}px` }}>
          <bdi>${visible(tip.guest.name)}</bdi>
          <span>${moment(matrix.until - matrix.step * (place.current.columns - column))}: ${meaning(matrix.rows[tip.guest.id]?.[column], matrix.bands)}</span>
        </div>`}
    </div>`;
}
