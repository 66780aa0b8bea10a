// What trustd sees, kept fresh: the event stream says when, the documents say what.

export const MOST = 1000;
/** Guests that the first paint waits for; the others follow at once. */
const FIRST = 60;
/** Intervals without a word after which what is shown is stale. */
const LATE = 3;
const RETRY = 3000;

/** A document of the API. Throws an Error with its status where there is none. */
export async function read(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.detail ?? answer.statusText), { status: answer.status });
  return found;
}

/** Follows one daemon. `changed` is called with every new state. */
export class Live {
  constructor(changed) {
    this.changed = changed;
    this.state = { status: null, list: null, matrix: null, problem: "", heard: performance.now(), connected: false };
    this.reading = false;
    this.again = false;
    this.retry = 0;
  }

  start() {
    this.first();
    this.follow();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
  }

  /** The worst guests first: whoever opens the page wants to know now. */
  async first() {
    this.reading = true;
    await this.take(FIRST);
    this.reading = false;
    await this.refresh();
  }

  /** Reads everything anew; while it does, further calls become one more. */
  async refresh() {
    if (this.reading || document.hidden) {
      this.again = this.reading;
      return;
    }
    this.reading = true;
    do {
      this.again = false;
      await this.take(MOST);
    } while (this.again);
    this.reading = false;
  }

  async take(most) {
    try {
      const [status, list, matrix] = await Promise.all([
        read("/v1/status"), read(`/v1/guests?sort=trust&limit=${most}`), read("/v1/matrix"),
      ]);
      this.set({ status, list, matrix, problem: "", heard: performance.now() - 1000 * status.age });
    } catch (error) {
      this.set({ problem: error.message });
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.refresh(), RETRY);
    }
  }

  follow() {
    const stream = new EventSource("/v1/events");
    const tick = () => {
      this.set({ connected: true });
      this.refresh();
    };
    stream.addEventListener("open", () => this.set({ connected: true }));
    stream.addEventListener("tick", tick);
    stream.addEventListener("reset", tick);
    stream.addEventListener("error", () => {
      this.set({ connected: false });
      // The browser comes back by itself and resumes, except after an answer that is no stream.
      if (stream.readyState === EventSource.CLOSED) {
        setTimeout(() => {
          this.follow();
          this.refresh();
        }, RETRY);
      }
    });
  }

  set(news) {
    this.state = { ...this.state, ...news };
    this.changed(this.state);
  }
}

/** Seconds since the last tick that is known of. */
export const age = (state) => (performance.now() - state.heard) / 1000;

/** Whether what is shown is too old to be called present. */
export const stale = (state) => age(state) > LATE * (state.status?.interval ?? 10);
