// Colours of the style sheet for canvases, and the hatch that stands for "not known".
import { useEffect, useState } from "./vendor/htm-preact-3.1.1.js";

const NAMES = ["0", "1", "2", "3", "4", "unknown", "idle"];

/** The colours in use: `tones` by tone, and those of paper, ink and lines. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    tones: Object.fromEntries(NAMES.map((name) => [name, of(`tone-${name}`)])),
    calm: of("calm"), ink: of("ink"), faint: of("faint"), line: of("line"), raised: of("raised"), accent: of("accent"),
  };
}

/** Changes whenever light becomes dark or the other way round. */
export function useTheme() {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const turn = () => setDark(query.matches);
    query.addEventListener("change", turn);
    return () => query.removeEventListener("change", turn);
  }, []);
  return dark;
}

/** A pattern of slanted lines, `size` device pixels apart. */
export function hatch(context, colour, size) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const brush = tile.getContext("2d");
  brush.strokeStyle = colour;
  brush.lineWidth = Math.max(1, size / 6);
  brush.beginPath();
  for (const shift of [-size, 0, size]) {
    brush.moveTo(shift, size);
    brush.lineTo(shift + size, 0);
  }
  brush.stroke();
  return context.createPattern(tile, "repeat");
}

/** Fits a canvas to its place, in device pixels; its context counts in CSS pixels. */
export function fitted(canvas, width, height) {
  const dense = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * dense));
  canvas.height = Math.max(1, Math.round(height * dense));
  const context = canvas.getContext("2d");
  context.setTransform(dense, 0, 0, dense, 0, 0);
  return context;
}
