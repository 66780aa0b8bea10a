// Numbers and words as people read them. Whatever a guest's owner chose is text, never markup.

/** Text with what misleads the eye made visible: controls, format characters, line ends. */
export function visible(text) {
  return String(text ?? "").replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0).toString(16)}}`,
  );
}

const STEPS = [[86400, "d"], [3600, "h"], [60, "min"]];

/** A length of time in one unit; a dash where there is none. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  for (const [size, unit] of STEPS) {
    if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.round(seconds))} s`;
}

/** Seconds since a moment, null where there is none. */
export const since = (moment) => (moment === null || moment === undefined ? null : Date.now() / 1000 - moment);

/** The part of a scale from 0 to 1 that a trust value may really lie in. */
export function range(trust, uncertainty) {
  const half = (uncertainty ?? 0) / 2;
  return [Math.max(0, trust - half), Math.min(1, trust + half)];
}

export const ratio = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

export const count = (value) => value.toLocaleString("en");

/** One guest or several. */
export const guestsOf = (number) => `${count(number)} ${number === 1 ? "guest" : "guests"}`;

/** A moment of today as a time, of another day with its date. */
export function moment(seconds) {
  const then = new Date(1000 * seconds);
  const time = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (then.toDateString() === new Date().toDateString()) return time;
  return `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}
