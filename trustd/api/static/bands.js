// Where a band stands between best and worst: its tone, which is colour and shape alike.

const WORST = 4;
export const UNKNOWN = "unknown";

/** 0 for the best band to 4 for the worst; bands of a policy spread evenly between. */
export function tone(band, bands) {
  const place = bands.indexOf(band);
  if (place < 0) return UNKNOWN;
  return bands.length < 2 ? 0 : Math.round((place * WORST) / (bands.length - 1));
}

/** The tone of a guest now: what is not known is not good. */
export function toneOf(guest, bands) {
  return guest.freshness === "fresh" ? tone(guest.band, bands) : UNKNOWN;
}

/** The tone of a character of the matrix; null for nothing, "idle" for a guest that is off. */
export function toneOfCode(code, bands) {
  if (code === " ") return null;
  if (code === ".") return "idle";
  if (code === "~") return UNKNOWN;
  return tone(bands[Math.min(code.charCodeAt(0) - 97, bands.length - 1)], bands);
}

/** Why a guest has no tone, in a word or two. */
export function silence(guest) {
  if (guest.freshness === "idle") return guest.state === "running" ? "idle" : guest.state;
  return guest.freshness === "partial" ? "no answer" : guest.freshness;
}
