// One guest's trust over time: a line, its uncertainty as a ribbon, its band as a strip below.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { tone } from "./bands.js";
import { read } from "./live.js";
import { colours, hatch, useTheme } from "./paint.js";
import { moment, range, ratio, visible } from "./text.js";

const DAY = 86400;
const SPANS = [[3600, "1 h"], [DAY, "24 h"], [7 * DAY, "7 d"], [30 * DAY, "30 d"]];
/** Distances between labels of the axis of time, in seconds. */
const INCREMENTS = [600, 1800, 3600, 4 * 3600, DAY, 2 * DAY, 5 * DAY];
const POINTS = 480;
const HEIGHT = 148;
const STRIP = 5;

const span = (line) => line.until - line.since;

/** Columns for uPlot: time, trust, and the edges of the ribbon; a hole where nobody watched. */
export function columnsOf(line) {
  const found = [[], [], [], []];
  const places = [];
  const gap = 3 * Math.max(15, (line.until - line.since) / POINTS);
  line.at.forEach((at, place) => {
    const before = place ? line.at[place - 1] : at;
    if (at - before > gap) {
      [before + 1, null, null, null].forEach((value, column) => found[column].push(value));
      places.push(-1);
    }
    const value = line.value[place];
    const [low, high] = value === null ? [null, null] : range(value, line.uncertainty[place]);
    [at, value, low, high].forEach((each, column) => found[column].push(each));
    places.push(place);
  });
  return { data: found, places };
}

/** Draws band and hatch: what was not known is hatched over the whole height. */
function underlay(line, places) {
  return (plot) => {
    const { ctx, bbox } = plot;
    const paint = colours();
    const dense = window.devicePixelRatio || 1;
    const lines = hatch(ctx, paint.tones.unknown, 7 * dense);
    const times = plot.data[0];
    ctx.save();
    for (let number = 0; number < places.length; number += 1) {
      const place = places[number];
      if (place < 0) continue;
      const from = plot.valToPos(times[number], "x", true);
      const next = number + 1 < times.length ? times[number + 1] : times[number] + line.seconds[place];
      const width = Math.max(dense, plot.valToPos(next, "x", true) - from + 0.5);
      const known = line.freshness[place] === "fresh";
      ctx.fillStyle = known ? paint.tones[tone(line.band[place], line.bands)] : lines;
      if (known) ctx.fillRect(from, bbox.top + bbox.height - STRIP * dense, width, STRIP * dense);
      else ctx.fillRect(from, bbox.top, width, bbox.height);
    }
    ctx.restore();
  };
}

function options(line, places, width, say) {
  const paint = colours();
  const axis = { stroke: paint.faint, font: "11px system-ui, sans-serif", ticks: { show: false } };
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [8, 10, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 7 } },
    scales: { x: { range: [line.since, line.until] }, y: { range: [-0.07, 1.02] } },
    axes: [
      { ...axis, size: 26, gap: 4, space: span(line) > DAY ? 90 : 60, incrs: INCREMENTS, grid: { show: false }, values: (plot, values) => values.map((at) => label(at, span(line))) },
      { ...axis, size: 34, gap: 4, splits: [0, 0.5, 1], values: (plot, values) => values.map((value) => value.toFixed(1)),
        grid: { stroke: paint.line, width: 1 } },
    ],
    bands: [{ series: [3, 2], fill: `color-mix(in srgb, ${paint.accent} 24%, transparent)` }],
    series: [
      {},
      { stroke: paint.accent, width: 2, points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
    ],
    hooks: {
      drawClear: [underlay(line, places)],
      setCursor: [(plot) => {
        const place = plot.cursor.idx === null || plot.cursor.idx === undefined ? -1 : places[plot.cursor.idx];
        say(place < 0 ? "" : told(line, place));
      }],
    },
  };
}

/** A time on the axis: of the day, or the day itself. */
function label(at, span) {
  const then = new Date(1000 * at);
  if (span <= DAY) return moment(at).slice(-5);
  return then.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

const told = (line, place) =>
  `${moment(line.at[place])}: trust ${ratio(line.value[place])}, uncertainty ${ratio(line.uncertainty[place])}, ` +
  `${visible(line.band[place] ?? "")}${line.freshness[place] === "fresh" ? "" : ` (${line.freshness[place]})`}`;

/** The last reading of a guest's history, and the trouble of getting it. */
function useTimeline(id, span, tick) {
  const [found, setFound] = useState({ line: null, problem: "" });
  useEffect(() => {
    let wanted = true;
    const until = Date.now() / 1000;
    read(`/v1/guests/${id}/timeline?since=${until - span}&until=${until}&points=${POINTS}`)
      .then((line) => wanted && setFound({ line, problem: "" }))
      .catch((error) => wanted && setFound({ line: null, problem: error.message }));
    return () => { wanted = false; };
  }, [id, span, tick]);
  return found;
}

export function TrustLine({ id, tick }) {
  const [span, setSpan] = useState(DAY);
  const [word, setWord] = useState("");
  const place = useRef(null);
  const dark = useTheme();
  const { line, problem } = useTimeline(id, span, tick);
  useLayoutEffect(() => {
    if (!line?.at.length) return undefined;
    const { data, places } = columnsOf(line);
    const plot = new uPlot(options(line, places, place.current.clientWidth, setWord), data, place.current);
    const watcher = new ResizeObserver(() => plot.setSize({ width: place.current.clientWidth, height: HEIGHT }));
    watcher.observe(place.current);
    return () => {
      watcher.disconnect();
      plot.destroy();
    };
  }, [line, dark]);
  const seen = line?.at.length ?? 0;
  return html`
    <section class="line" aria-label="Trust over time">
      <div class="spans" role="group" aria-label="Span of time">
        ${SPANS.map(([seconds, name]) => html`
          <button key=${name} type="button" aria-pressed=${span === seconds} onClick=${() => setSpan(seconds)}>${name}</button>`)}
        <span class="told" aria-live="off">${word || (seen ? "line: trust · ribbon: uncertainty · strip: band" : "")}</span>
      </div>
      <div class="plot" ref=${place} role="img" aria-label="Trust over time; ${seen} points"></div>
      ${line && seen === 0 && html`<p class="nothing">Nothing is known of this time.</p>`}
      ${problem && html`<p class="nothing">${visible(problem)}</p>`}
    </section>`;
}
