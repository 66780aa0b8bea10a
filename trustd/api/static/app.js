// The page: one state, the views that show it, and the keys that move through it.
import { html, render, useEffect, useMemo, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { Drawer } from "./drawer.js";
import { Header, Tiles } from "./header.js";
import { Live, stale } from "./live.js";
import { Matrix } from "./matrix.js";
import { Table, ROW } from "./table.js";
import { count } from "./text.js";

/** The state of the daemon, and one more look at the clock each second. */
function useLive() {
  const [state, setState] = useState(null);
  const [second, look] = useState(0);
  useEffect(() => {
    const live = new Live(setState);
    setState(live.state);
    live.start();
    const clock = setInterval(() => look((before) => before + 1), 1000);
    return () => clearInterval(clock);
  }, []);
  return [state, second];
}

const FILTERS = {
  silent: (guest) => guest.freshness === "partial" || guest.freshness === "stale",
  narrowed: (guest) => guest.restricted.length > 0,
};

/** The guests that a filter and a search leave, in the order in which they came. */
function chosenOf(guests, filter, search) {
  const wanted = search.trim().toLocaleLowerCase();
  const band = filter.startsWith("band:") ? filter.slice(5) : null;
  const test = FILTERS[filter] ?? ((guest) => band === null || guest.band === band);
  const text = (guest) => [guest.name, guest.id, guest.band, guest.state, guest.freshness, ...guest.roles,
    ...Object.entries(guest.labels).map((label) => label.join(":"))].join("\n").toLocaleLowerCase();
  return guests.filter((guest) => test(guest) && (!wanted || text(guest).includes(wanted)));
}

/** How far a key moves the choice; null for a key that does not. */
function stepOf(key, total) {
  const page = Math.max(1, Math.floor((document.querySelector(".scroller")?.clientHeight ?? 400) / ROW) - 2);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -total, End: total };
  return steps[key] ?? null;
}

function useTitle(status, old) {
  const below = status ? Object.entries(status.guests.by_band).slice(1).reduce((sum, [, number]) => sum + number, 0) : 0;
  useEffect(() => {
    document.title = `${old ? "stale · " : below ? `${below} below best · ` : ""}trustd`;
  }, [below, old]);
}

function Search({ field, search, setSearch, shown, total, focusTable }) {
  const down = (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      setSearch("");
      focusTable();
    } else if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      focusTable();
    }
  };
  return html`
    <div class="search">
      <input ref=${field} type="search" placeholder="Search name, label, role, state" aria-label="Search guests" aria-keyshortcuts="/"
        spellcheck="false" autocomplete="off" value=${search} onInput=${(event) => setSearch(event.target.value)} onKeyDown=${down} />
      <kbd aria-hidden="true">/</kbd>
      <span class="shown" role="status">${shown === total ? "least trusted first" : `${count(shown)} of ${count(total)}, least trusted first`}</span>
    </div>`;
}

function App() {
  const [state, second] = useLive();
  const [filter, setFilter] = useState("");
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState("");
  const [opened, setOpened] = useState(false);
  const field = useRef(null);
  const list = state?.list ?? null;
  const old = state?.status ? stale(state) : false;
  useTitle(state?.status, old);
  const guests = useMemo(() => chosenOf(list?.guests ?? [], filter, search), [list, filter, search]);
  const focusTable = () => {
    document.getElementById("guests")?.focus({ preventScroll: true });
    if (!guests.some((guest) => guest.id === chosen)) setChosen(guests[0]?.id ?? "");
  };
  const close = () => {
    setOpened(false);
    focusTable();
  };
  const open = (id) => {
    setChosen(id);
    setOpened(true);
  };
  useEffect(() => {
    const down = (event) => {
      if (event.key === "/" && event.target.tagName !== "INPUT") {
        event.preventDefault();
        field.current?.focus();
        field.current?.select();
      } else if (event.key === "Escape" && opened) {
        close();
      }
    };
    document.addEventListener("keydown", down);
    return () => document.removeEventListener("keydown", down);
  });
  const move = (event) => {
    if (event.key === "Enter" && chosen) {
      event.preventDefault();
      if (opened) document.getElementById("drawer-name")?.focus();
      else setOpened(true);
    }
    const step = stepOf(event.key, guests.length);
    if (step === null || !guests.length) return;
    event.preventDefault();
    const from = guests.findIndex((guest) => guest.id === chosen);
    const to = from < 0 ? 0 : Math.min(guests.length - 1, Math.max(0, from + step));
    setChosen(guests[to].id);
  };
  if (!state) return null;
  const guest = opened ? list?.guests.find((each) => each.id === chosen) : undefined;
  const more = list && list.total > list.guests.length;
  return html`
    <div class="page ${old ? "old" : ""}">
      <${Header} state=${state} />
      ${state.status && list && html`
        <${Tiles} status=${state.status} chosen=${filter} choose=${setFilter} />
        <main class=${guest ? "with-drawer" : ""}>
          <section class="panel guests">
            <${Search} field=${field} search=${search} setSearch=${setSearch} shown=${guests.length} total=${list.total} focusTable=${focusTable} />
            <${Table} guests=${guests} bands=${list.bands} chosen=${chosen} open=${open} onKeyDown=${move} narrow=${guest !== undefined} second=${second}
              empty=${list.total === 0 ? "No guest is watched yet." : "No guest matches."} />
            <p class="keys">
              <span><kbd>/</kbd> search</span><span><kbd>↑</kbd> <kbd>↓</kbd> choose</span><span><kbd>Enter</kbd> open</span><span><kbd>Esc</kbd> close</span>
              ${more && list.guests.length >= 1000 && html`<span class="more">the ${count(list.guests.length)} least trusted of ${count(list.total)}</span>`}
            </p>
          </section>
          ${guest
            ? html`<${Drawer} guest=${guest} bands=${list.bands} tick=${list.tick} local=${state.status.local} close=${close} />`
            : html`
              <section class="panel fleet" aria-label="The last day">
                <h2>The last day <small>a row a guest, newest right</small></h2>
                <${Matrix} guests=${guests} matrix=${state.matrix} chosen=${chosen} open=${open} />
              </section>`}
        </main>`}
      ${!state.status && html`<p class="before">${state.problem || "Reading what trustd sees …"}</p>`}
    </div>`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
