// Which guests, since when, why, and what was done. Only the rows in sight are in the document.
import { Component, html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { silence, tone, toneOf } from "./bands.js";
import { Foreign, Mark, Trust } from "./parts.js";
import { duration, since, visible } from "./text.js";

export const ROW = 38;
const BEYOND = 6;

export const rowId = (guest) => `row-${guest.id}`;

function Band({ guest, bands }) {
  const ordered = guest.override ? " ✋" : guest.protection ? " 🛡" : "";
  const meaning = guest.override ? "an operator's override" : guest.protection ? "protected by an operator" : "";
  return html`<${Mark} tone=${toneOf(guest, bands)} /> <${Foreign} text=${guest.band} />
    ${ordered && html`<span title=${meaning} aria-label=${meaning}>${ordered}</span>`}`;
}

function Why({ guest }) {
  const found = guest.drivers.slice(0, 3).map((driver) => driver.text || driver.name);
  if (guest.freshness === "partial" || guest.freshness === "stale") {
    found.unshift(guest.age === null ? "no answer yet" : `no answer for ${duration(guest.age)}`);
  }
  return html`<${Foreign} text=${found.join("; ")} />`;
}

function Done({ guest }) {
  const levers = guest.restricted.join(", ");
  const would = guest.mode === "observe" && levers;
  return html`${would && html`<i class="would">would: </i>`}<${Foreign} text=${levers} />`;
}

/** One row. It is made anew only where something of it changed, so that scrolling costs little. */
class Row extends Component {
  shouldComponentUpdate(next) {
    return ["guest", "place", "bands", "chosen", "narrow", "second"].some((name) => next[name] !== this.props[name]);
  }

  render({ guest, place, bands, chosen, open, narrow }) {
    const found = toneOf(guest, bands);
    const state = guest.freshness === "fresh" ? "" : silence(guest);
    return html`
      <tr id=${rowId(guest)} class="tone-${found} ${found === "unknown" ? "unknown" : ""}"
          aria-rowindex=${place + 2} aria-selected=${chosen} onClick=${() => open(guest.id)}>
        <th scope="row" title=${visible(guest.name)}>
          <${Foreign} text=${guest.name} />${state && html` <span class="state">${state}</span>`}
        </th>
        <td><${Trust} guest=${guest} tone=${found} /></td>
        <td class="band"><${Band} guest=${guest} bands=${bands} /></td>
        <td class="since">${duration(since(guest.since))}</td>
        <td class="why" title=${visible(guest.drivers.map((driver) => driver.text).join("; "))}><div><${Why} guest=${guest} /></div></td>
        ${!narrow && html`<td class="done" title=${visible(guest.restricted.join(", "))}><div><${Done} guest=${guest} /></div></td>`}
      </tr>`;
  }
}

/** The rows that can be seen, as a first place and a number. */
function useWindow(scroller, total) {
  const [[top, rows], setSeen] = useState([0, 30]);
  useLayoutEffect(() => {
    const element = scroller.current;
    const look = () => setSeen((before) => {
      const now = [Math.floor(element.scrollTop / ROW), Math.ceil(element.clientHeight / ROW) + 1];
      return now.every((each, place) => each === before[place]) ? before : now;
    });
    look();
    const watcher = new ResizeObserver(look);
    watcher.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      watcher.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  const first = Math.max(0, Math.min(top, total) - BEYOND);
  const last = Math.min(total, top + rows + BEYOND);
  return [first, last];
}

/** Keep the chosen row in sight, below the head that does not move. */
function useInSight(scroller, place) {
  useEffect(() => {
    const element = scroller.current;
    if (place < 0 || !element) return;
    const top = place * ROW;
    const room = element.clientHeight - 2 * ROW;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top > element.scrollTop + room) element.scrollTop = top - room;
  }, [place]);
}

const Gap = ({ rows }) => (rows > 0 ? html`<tr class="gap" aria-hidden="true"><td colspan="5" style=${{ height: `${rows * ROW}px` }}></td></tr>` : null);

export function Table({ guests, bands, second, chosen, open, onKeyDown, empty, narrow }) {
  const scroller = useRef(null);
  const [first, last] = useWindow(scroller, guests.length);
  const place = guests.findIndex((guest) => guest.id === chosen);
  useInSight(scroller, place);
  const active = place >= first && place < last ? rowId(guests[place]) : undefined;
  return html`
    <div class="scroller" ref=${scroller}>
      <table id="guests" role="grid" tabindex="0" aria-rowcount=${guests.length + 1} aria-label="Guests, the least trusted first"
          aria-activedescendant=${active} onKeyDown=${onKeyDown}>
        <colgroup>
          <col class="c-guest" /><col class="c-trust" /><col class="c-band" /><col class="c-since" /><col class="c-why" />${!narrow && html`<col class="c-done" />`}
        </colgroup>
        <thead><tr aria-rowindex="1">
          <th scope="col">Guest</th><th scope="col" aria-sort="ascending">Trust ↑</th><th scope="col">Band</th>
          <th scope="col" class="since">Since</th><th scope="col">Why</th>${!narrow && html`<th scope="col">Done</th>`}
        </tr></thead>
        <tbody>
          <${Gap} rows=${first} />
          ${guests.slice(first, last).map((guest, number) => html`
            <${Row} key=${guest.id} guest=${guest} place=${first + number} bands=${bands} chosen=${guest.id === chosen} open=${open} narrow=${narrow} second=${second} />`)}
          <${Gap} rows=${guests.length - last} />
        </tbody>
      </table>
      ${guests.length === 0 && html`<p class="nothing">${empty}</p>`}
    </div>`;
}
