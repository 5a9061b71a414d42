/** What a GET answered: loaded, refreshed, and kept in sight with its age when a refresh fails. */

import { useCallback, useEffect, useRef, useState } from "react";
import { get, ProblemError } from "../api/client";
import { expire } from "../api/session";
import type { Envelope, Meta } from "../api/types";
import { hear } from "./clock";
import { monotonic } from "./now";

export interface Resource<T> {
  data: T | null;
  meta: Meta | null;
  receivedAt: number | null;
  /** The last attempt's error; `data` may still hold what came before it. */
  error: Error | null;
  /** The address asked for has not been answered yet; `data` may be an earlier address's. */
  loading: boolean;
  refresh(): void;
}

interface Options {
  /** Seconds between refreshes; none when absent. */
  every?: number;
}

/** Least seconds between two requests, however often a refresh is asked for. */
const LEAST_GAP = 0.7;
const SLOWEST = 60;

interface Answer<T> {
  path: string;
  envelope: Envelope<T>;
  receivedAt: number;
}

export function useResource<T>(path: string | null, { every }: Options = {}): Resource<T> {
  const [answer, setAnswer] = useState<Answer<T> | null>(null);
  const [failure, setFailure] = useState<{ path: string; error: Error } | null>(null);
  const ask = useRef<(() => void) | null>(null);
  const period = useRef(every);
  period.current = every;

  useEffect(() => {
    if (path === null) return;
    const poller = new Poller(
      async (signal) => {
        const envelope = await get<T>(path, signal);
        const receivedAt = monotonic();
        hear(envelope.meta, receivedAt);
        setAnswer({ path, envelope, receivedAt });
        setFailure(null);
      },
      (error) => {
        setFailure({ path, error });
        if (error instanceof ProblemError && error.problem.status === 401) expire();
      },
      () => period.current,
    );
    ask.current = poller.ask;
    poller.ask();
    return () => {
      ask.current = null;
      poller.stop();
    };
  }, [path]);

  const refresh = useCallback(() => ask.current?.(), []);
  const error = failure?.path === path ? failure.error : null;
  return {
    data: answer?.envelope.data ?? null,
    meta: answer?.envelope.meta ?? null,
    receivedAt: answer?.receivedAt ?? null,
    error,
    loading: path !== null && answer?.path !== path && error === null,
    refresh,
  };
}

/** One request at a time; the next after the period, after a failure later and later, at once when asked. */
export class Poller {
  #load: (signal: AbortSignal) => Promise<void>;
  #fail: (error: Error) => void;
  #period: () => number | undefined;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #busy = false;
  #again = false;
  #failures = 0;
  #startedAt = Number.NEGATIVE_INFINITY;

  constructor(
    load: (signal: AbortSignal) => Promise<void>,
    fail: (error: Error) => void,
    period: () => number | undefined,
  ) {
    this.#load = load;
    this.#fail = fail;
    this.#period = period;
    if (typeof document !== "undefined") document.addEventListener("visibilitychange", this.#visible);
  }

  ask = (): void => {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    const wait = this.#startedAt + LEAST_GAP - monotonic();
    if (wait > 0) this.#schedule(wait);
    else void this.#run();
  };

  stop(): void {
    this.#abort.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (typeof document !== "undefined") document.removeEventListener("visibilitychange", this.#visible);
  }

  #visible = (): void => {
    if (!document.hidden && this.#period() !== undefined) this.ask();
  };

  async #run(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#busy = true;
    this.#again = false;
    this.#startedAt = monotonic();
    let retryAfter: number | null = null;
    try {
      await this.#load(this.#abort.signal);
      this.#failures = 0;
    } catch (thrown) {
      if (this.#abort.signal.aborted) return;
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#failures += 1;
      if (error instanceof ProblemError) retryAfter = error.retryAfter;
      this.#fail(error);
      if (error instanceof ProblemError && isFinal(error.problem.status)) return;
    } finally {
      this.#busy = false;
    }
    this.#plan(retryAfter);
  }

  #plan(retryAfter: number | null): void {
    if (this.#abort.signal.aborted) return;
    if (this.#failures > 0) this.#schedule(retryAfter ?? Math.min(SLOWEST, 2 ** this.#failures));
    else if (this.#again) this.#schedule(Math.max(0, this.#startedAt + LEAST_GAP - monotonic()));
    else this.#rest();
  }

  #rest(): void {
    const period = this.#period();
    if (period !== undefined) this.#schedule(period);
  }

  #schedule(seconds: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // Nobody looks: the visibility event asks again.
      if (typeof document !== "undefined" && document.hidden && this.#period() !== undefined) return;
      void this.#run();
    }, seconds * 1000);
  }
}

/** Asking again changes nothing until somebody acts. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
