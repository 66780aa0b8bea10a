// Is the daemon well; in which mode; how old is what is shown; how many guests are wrong.
import { html } from "./vendor/htm-preact-3.1.1.js";
import { tone } from "./bands.js";
import { age, stale } from "./live.js";
import { Foreign, Mark } from "./parts.js";
import { count, duration, guestsOf, moment } from "./text.js";

/** What is wrong with the daemon itself, in sentences. */
function troubles(state) {
  const { status, problem } = state;
  const found = [];
  if (status) {
    if (stale(state)) found.push(`What is shown is ${duration(age(state))} old: trustd no longer tells anything new.`);
    for (const [name, check] of Object.entries(status.checks)) {
      if (!check.ok) found.push(`${name}: ${check.reason}`);
    }
    if (status.policy.error) found.push(`A newer policy was refused, the former one is in force: ${status.policy.error}`);
    for (const [why, number] of Object.entries(status.orders.held)) {
      if (why === "too-many") found.push(`${guestsOf(number)} fell at once, and narrowing waits until somebody looks: trustctl hold`);
      else if (why !== "paused") found.push(`${guestsOf(number)} are held back: ${why}`);
    }
    for (const each of status.wall_violations.slice(0, 3)) {
      found.push(`${each.name} runs although the wall ${each.wall} refuses it`);
    }
  }
  if (problem) found.push(problem);
  return found;
}

function Health({ state, found }) {
  if (!state.status) return html`<span class="pill tone-unknown" role="status">connecting …</span>`;
  if (stale(state)) return html`<span class="pill stale" role="status"><${Mark} tone="unknown" /> stale</span>`;
  if (found.length || !state.status.ready) return html`<span class="pill tone-3" role="status"><${Mark} tone=${3} /> degraded</span>`;
  return html`<span class="pill tone-0" role="status"><${Mark} tone=${0} /> well</span>`;
}

const MODES = {
  observe: ["observing", "Says what it would do and does nothing"],
  enforce: ["enforcing", "Narrows what guests may do"],
};

function Mode({ status }) {
  const pause = status.orders.pause;
  if (pause) {
    return html`<span class="pill paused" title="until ${moment(pause.until)}">❚❚ paused</span>`;
  }
  const [word, meaning] = MODES[status.mode] ?? [status.mode, ""];
  return html`<span class="pill mode-${status.mode}" title=${meaning}>${word}</span>`;
}

function Paused({ pause }) {
  return html`
    <div class="notice" role="status"><p>
      Enforcement is paused until ${moment(pause.until)} by <${Foreign} text=${pause.by} />:
      ${" "}<${Foreign} text=${pause.reason} />.
      ${pause.keep ? " What is narrowed is kept." : " Everything is given back."}
    </p></div>`;
}

export function Header({ state }) {
  const { status } = state;
  const found = troubles(state);
  return html`
    <header class="bar">
      <h1><img src="/page/icon.svg" alt="" width="22" height="22" /> trustd</h1>
      <${Health} state=${state} found=${found} />
      ${status && html`
        <${Mode} status=${status} />
        <span class="facts">
          <span title="Policy ${status.policy.id}">policy <b><${Foreign} text=${status.policy.name} /></b> ${status.policy.id.slice(0, 8)}</span>
          ${status.seconds !== null && html`<span>tick took ${Math.round(1000 * status.seconds)} ms</span>`}
          <span class="heard ${stale(state) ? "late" : ""}">
            <i class="pulse ${state.connected && !stale(state) ? "on" : ""}" key=${status.tick}></i>
            tick ${status.tick}, ${duration(age(state))} ago, every ${duration(status.interval)}
          </span>
          <span>v${status.version}</span>
        </span>`}
    </header>
    ${found.length > 0 && html`
      <div class="notice bad" role="alert">
        <${Mark} tone=${3} />
        <ul>${found.map((text) => html`<li key=${text}><${Foreign} text=${text} /></li>`)}</ul>
      </div>`}
    ${status?.orders.pause && html`<${Paused} pause=${status.orders.pause} />`}`;
}

function Tile({ id, chosen, choose, label, number, mark, quiet, title }) {
  return html`
    <button type="button" class="tile ${quiet ? "quiet" : ""}" aria-pressed=${chosen === id}
        title=${title} onClick=${() => choose(chosen === id ? "" : id)}>
      <span class="number">${mark !== undefined && html`<${Mark} tone=${mark} />`} ${count(number)}</span>
      <span class="label"><${Foreign} text=${label} /></span>
    </button>`;
}

/** How many, by what; each number is also a filter. The worst band stands first. */
export function Tiles({ status, chosen, choose }) {
  const { guests, bands, incidents } = status;
  const known = Object.entries(guests.by_band).reverse();
  const silent = (guests.by_freshness.partial ?? 0) + (guests.by_freshness.stale ?? 0);
  const pick = { chosen, choose };
  return html`
    <nav class="tiles" aria-label="Guests by band and condition">
      ${known.map(([band, number]) => html`
        <${Tile} key=${band} ...${pick} id="band:${band}" label=${band} number=${number} mark=${tone(band, bands)} quiet=${number === 0} />`)}
      <span class="rule"></span>
      <${Tile} ...${pick} id="silent" label="not answering" number=${silent} mark="unknown" quiet=${silent === 0} />
      <${Tile} ...${pick} id="narrowed" label=${status.mode === "observe" ? "would be narrowed" : "narrowed"}
        number=${guests.restricted} quiet=${guests.restricted === 0} />
      ${incidents !== null && html`
        <span class="tile flat ${incidents ? "" : "quiet"}" title="trustctl incidents">
          <span class="number">${count(incidents)}</span>
          <span class="label">${incidents === 1 ? "open incident" : "open incidents"}</span>
        </span>`}
      <span class="tile flat quiet all">
        <span class="number">${count(guests.total)}</span><span class="label">guests</span>
      </span>
    </nav>`;
}
