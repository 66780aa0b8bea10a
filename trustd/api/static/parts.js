// The small parts that every view is made of.
import { html, useState } from "./vendor/htm-preact-3.1.1.js";
import { range, ratio, visible } from "./text.js";

const SHAPES = {
  0: html`<circle cx="8" cy="8" r="5" />`,
  1: html`<path d="M8 2.500 13.500 8 8 13.500 2.500 8z" />`,
  2: html`<path d="M8 2.500 14 13H2z" />`,
  3: html`<path d="M3 3h10v10H3z" />`,
  4: html`<path d="M5.300 1.500h5.400l3.800 3.800v5.400l-3.800 3.800H5.300l-3.800-3.800V5.300z" />`,
  idle: html`<path class="outline" d="M4 8h8" />`,
  unknown: html`<path class="outline" d="M3 3h10v10H3zM3 8l5-5M3 13 13 3M8 13l5-5" />`,
};

/** A tone as a shape, for whoever does not see its colour. */
export const Mark = ({ tone }) => html`
  <svg class="mark tone-${tone}" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[tone]}</svg>`;

/** What somebody else chose, in a run of its own direction. */
export const Foreign = ({ text }) => html`<bdi>${visible(text)}</bdi>`;

/** A scale from 0 to 1: a mark for trust, and its uncertainty as width. */
export function Scale({ trust, uncertainty, tone }) {
  if (trust === null) return html`<span class="scale tone-unknown" aria-hidden="true"></span>`;
  const [from, to] = range(trust, uncertainty);
  const percent = (value) => `${100 * value}%`;
  return html`
    <span class="scale tone-${tone}" aria-hidden="true">
      <span class="doubt" style=${{ left: percent(from), width: percent(to - from) }}></span>
      <span class="needle" style=${{ left: percent(trust) }}></span>
    </span>`;
}

/** Trust as a scale and a number. */
export const Trust = ({ guest, tone }) => html`
  <span class="trust" title="trust ${ratio(guest.trust)}, uncertainty ${ratio(guest.uncertainty)}">
    <${Scale} trust=${guest.trust} uncertainty=${guest.uncertainty} tone=${tone} />
    <span class="figure">${ratio(guest.trust)}</span>
  </span>`;

/** A command to copy: this page changes nothing by itself. */
export function Command({ line, children }) {
  const [copied, setCopied] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line);
      setCopied("copied");
    } catch {
      setCopied("select it by hand");
    }
    setTimeout(() => setCopied(""), 2000);
  };
  return html`
    <div class="command">
      <span class="what">${children}</span>
      <code>${line}</code>
      <button type="button" onClick=${copy} aria-label="Copy the command: ${line}">
        ${copied || "Copy"}
      </button>
    </div>`;
}
