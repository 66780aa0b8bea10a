// Everything about one guest: why, what was taken away, what was done, and how to undo it.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { silence, toneOf } from "./bands.js";
import { read } from "./live.js";
import { Command, Foreign, Mark, Scale } from "./parts.js";
import { duration, moment, ratio, since } from "./text.js";
import { TrustLine } from "./trustline.js";

const SHOWN = 8;
const DONE = {
  applied: "in force", held: "in force", "would-apply": "would be", restored: "given back", withheld: "held back",
  yielded: "yielded", done: "done", refused: "refused", failed: "failed", "timed-out": "timed out",
};

/** The documents about one guest; those that only the socket gives are null elsewhere. */
function useGuest(id, tick, local) {
  const [found, setFound] = useState({ id: "", why: null, full: null, decisions: null, incidents: null, problem: "" });
  useEffect(() => {
    let wanted = true;
    // a daemon that keeps no records answers 503
    const kept = (path) => (local ? read(path).catch(() => null) : null);
    Promise.all([
      read(`/v1/guests/${id}/explain`), read(`/v1/guests/${id}/permissions`),
      kept(`/v1/decisions?subject=${id}&limit=${SHOWN}`), kept("/v1/incidents"),
    ]).then(([why, full, decisions, incidents]) => wanted && setFound({
      id, why, full, problem: "", decisions: decisions?.decisions ?? null,
      incidents: incidents?.incidents.filter((each) => each.guest === id) ?? null,
    })).catch((error) => wanted && setFound((before) => ({ ...before, problem: error.message })));
    return () => { wanted = false; };
  }, [id, tick, local]);
  return found.id === id ? found : { ...found, why: null };
}

const Section = ({ title, aside, children }) => html`
  <section><h3>${title}${aside && html` <small>${aside}</small>`}</h3>${children}</section>`;

const percent = (share) => `${Math.round(100 * (share ?? 0))}%`;

function Evidence({ why }) {
  return html`
    <${Section} title="Why">
      ${why.drivers.length === 0 && why.findings.length === 0 && html`<p class="none">Nothing is held against it.</p>`}
      <ul class="drivers">
        ${why.drivers.map((driver) => html`
          <li key=${driver.name}>
            <span class="share" title="share of what made it so">${percent(driver.share)}</span>
            <span class="weight" aria-hidden="true"><i style=${{ width: percent(driver.share) }}></i></span>
            <span class="text"><${Foreign} text=${driver.text || driver.name} /> <small><${Foreign} text=${driver.name} /></small></span>
          </li>`)}
        ${why.findings.map((finding) => html`
          <li key=${finding.kind + finding.key} class="finding">
            <span class="severity s-${finding.severity}">${finding.severity}</span>
            <span class="text"><${Foreign} text=${finding.summary} /> <small><${Foreign} text=${finding.kind} />, ${finding.at === null ? "–" : `${duration(since(finding.at))} ago`}</small></span>
          </li>`)}
      </ul>
      <${Missing} missing=${why.missing} />
    <//>`;
}

/** What would have to happen, and which band that gives when, the nearest first. */
function WayBack({ standing }) {
  const { restore, steps } = standing;
  if (!restore.length && !steps.length) return null;
  return html`
    <${Section} title="The way back" aside="if it gives no further cause">
      <ul class="back">
        ${restore.map((text) => html`<li key=${text}><${Foreign} text=${text} /></li>`)}
        ${steps.map((step) => html`
          <li key=${step.band}><b><${Foreign} text=${step.band} /></b> with trust ${ratio(step.enter)} for ${duration(step.dwell)},${" "}
            ${step.earliest === null ? "nobody can say when" : `${moment(step.earliest)} at the earliest`}
            ${step.gives.length > 0 && html`: gives back <${Foreign} text=${[...new Set(step.gives.flatMap((each) => each.actions))].join(", ")} />`}
          </li>`)}
      </ul>
    <//>`;
}

function Missing({ missing }) {
  const names = Object.keys(missing);
  if (!names.length) return null;
  return html`
    <details class="missing"><summary>${names.length} not measured</summary>
      <p>${names.map((name) => html`<${Foreign} key=${name} text=${`${name} (${missing[name]}) `} />`)}</p>
    </details>`;
}

function Permissions({ access }) {
  const lost = access.filter((each) => each.lost.length > 0);
  const shown = [...lost, ...access.filter((each) => each.lost.length === 0)].slice(0, 4 * SHOWN);
  const chips = (words, kind) => words.map((word) => html`
    <span key=${word} class="chip ${kind}">${kind === "lost" ? "✕ " : "✓ "}<${Foreign} text=${word} /></span>`);
  return html`
    <${Section} title="Permissions" aside=${lost.length ? `lost on ${lost.length} of ${access.length} objects` : "all held"}>
      <ul class="access">
        ${shown.map((each) => html`
          <li key=${each.type + each.id}><span class="object"><small><${Foreign} text=${each.type} /></small> <${Foreign} text=${each.id} /></span>
            <span class="chips">${chips(each.lost, "lost")}${chips(each.held, "held")}</span></li>`)}
      </ul>
      ${shown.length < access.length && html`<p class="none">and ${access.length - shown.length} more</p>`}
    <//>`;
}

function Actions({ actions, mode }) {
  return html`
    <${Section} title="Done" aside=${mode === "observe" ? "observing: nothing was changed" : ""}>
      ${actions.length === 0 && html`<p class="none">Nothing was done to this guest.</p>`}
      <ul class="actions">
        ${actions.map((action) => html`
          <li key=${action.lever + action.device}>
            <span class="status a-${action.status}">${DONE[action.status] ?? action.status}</span>
            <span class="text"><b>${action.lever}</b> <${Foreign} text=${action.device} />${" "}
              <small><${Foreign} text=${action.error || action.because} />${action.at === null ? "" : `, ${moment(action.at)}`}</small></span>
          </li>`)}
      </ul>
    <//>`;
}

function Undo({ id, best, narrowed, override }) {
  return html`
    <${Section} title="Undo, or take over" aside="on this host; this page changes nothing">
      ${override && html`<${Command} line="trustctl override ${id} --clear --reason 'WHY'">Take the override back<//>`}
      ${narrowed && html`<${Command} line="trustctl release ${id} --for 1h --reason 'WHY'">Give everything back for an hour<//>`}
      ${narrowed && html`<${Command} line="trustctl ack ${id} benign --reason 'WHY'">It was no attack: learn it<//>`}
      ${!narrowed && html`<${Command} line="trustctl override ${id} --band ${best} --at-most --for 1h --reason 'WHY'">Narrow it by hand<//>`}
      <${Command} line="trustctl protect ${id} --reason 'WHY'">Never narrow it<//>
      <${Command} line="trustctl explain ${id}">The whole story<//>
    <//>`;
}

function Decisions({ id, decisions }) {
  if (decisions === null) {
    return html`
      <${Section} title="Decisions and incidents" aside="shown over the unix socket only">
        <${Command} line="trustctl incidents">Open incidents<//>
        <${Command} line="trustctl audit show --guest ${id}">What changed, and who changed it<//>
      <//>`;
  }
  return html`
    <${Section} title="Decisions" aside="the last answers to other services">
      ${decisions.length === 0 && html`<p class="none">Nobody asked about this guest.</p>`}
      <ul class="actions">
        ${decisions.map((each) => html`
          <li key=${each.at}>
            <span class="status ${each.permit ? "a-permit" : "a-failed"}">${each.permit ? "permit" : "deny"}</span>
            <span class="text"><b><${Foreign} text=${each.action} /></b> <${Foreign} text=${each.object} /> <small>${each.reason}, ${moment(each.at)}</small></span>
          </li>`)}
      </ul>
    <//>`;
}

function Incidents({ incidents }) {
  if (incidents === null || incidents.length === 0) return null;
  return html`
    <${Section} title="Open incidents">
      ${incidents.map((each) => html`
        <${Command} key=${each.number} line="trustctl incident ${each.number}">
          <span class="severity s-${each.severity}">${each.severity}</span> <${Foreign} text=${each.cause} />, ${duration(since(each.opened))} ago
        <//>`)}
    <//>`;
}

function Head({ guest, bands, close }) {
  const found = toneOf(guest, bands);
  const fresh = guest.freshness === "fresh";
  const field = useRef(null);
  return html`
    <div class="head">
      <div class="title">
        <h2 id="drawer-name" tabindex="-1" ref=${field}><${Foreign} text=${guest.name} /></h2>
        <button type="button" class="close" aria-label="Close" onClick=${close}>✕</button>
      </div>
      <p class="identity">${guest.id}${guest.roles.length > 0 && html` · roles <${Foreign} text=${guest.roles.join(", ")} />`}</p>
      <div class="verdict tone-${found}">
        <span class="big">${ratio(guest.trust)}</span>
        <div>
          <${Scale} trust=${guest.trust} uncertainty=${guest.uncertainty} tone=${found} />
          <p><${Mark} tone=${found} /> <b><${Foreign} text=${guest.band} /></b> for ${duration(since(guest.since))},
            ${fresh ? ` ${guest.state}` : ` ${silence(guest)} for ${duration(guest.age)}`},
            uncertainty ${ratio(guest.uncertainty)}</p>
        </div>
      </div>
      ${guest.override && html`<p class="order">✋ ${guest.override.bound} <${Foreign} text=${guest.override.band} /> by <${Foreign} text=${guest.override.by} /> until ${moment(guest.override.until)}: <${Foreign} text=${guest.override.reason} /></p>`}
      ${guest.protection && html`<p class="order">🛡 protected by <${Foreign} text=${guest.protection.by} />: <${Foreign} text=${guest.protection.reason} /></p>`}
    </div>`;
}

/** A part of the window about one guest, by its summary in the list. */
export function Drawer({ guest, bands, tick, local, close }) {
  const { why, full, decisions, incidents, problem } = useGuest(guest.id, tick, local);
  return html`
    <aside class="drawer" aria-labelledby="drawer-name">
      <${Head} guest=${guest} bands=${bands} close=${close} />
      <div class="body" key=${guest.id}>
        ${problem && html`<p class="nothing" role="alert"><${Foreign} text=${problem} /></p>`}
        <${TrustLine} id=${guest.id} tick=${tick} />
        ${why && html`
          <${Evidence} why=${why} />
          <${Actions} actions=${why.actions} mode=${guest.mode} />
          <${Undo} id=${guest.id} best=${bands.at(-1)} narrowed=${guest.restricted.length > 0 || guest.lost > 0} override=${guest.override} />
          ${why.standing && html`<${WayBack} standing=${why.standing} />`}
          <${Incidents} incidents=${incidents} />
          <${Permissions} access=${full.access} />
          <${Decisions} id=${guest.id} decisions=${decisions} />`}
      </div>
    </aside>`;
}
