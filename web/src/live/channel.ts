/**
 * One live subscription: connects, keeps the state its messages describe, and resumes from the last token.
 *
 * The state survives a lost connection (it is shown with its age); the token goes with the state and never without it.
 * A message that cannot be understood costs the token: the next connection starts from a snapshot.
 */

import type { LiveMessage, Meta } from "../api/types";
import { backoff } from "./backoff";

/** The part of WebSocket that is used, so that tests can stand in for it. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  close(code?: number, reason?: string): void;
}

export interface Environment {
  connect(url: string): Socket;
  /** Monotonic seconds. */
  now(): number;
  after(seconds: number, run: () => void): () => void;
  random(): number;
}

export type Connection =
  | { status: "connecting" }
  | { status: "live" }
  | { status: "reconnecting"; attempt: number; reason: string }
  | { status: "stopped"; code: number; reason: string };

export interface LiveState<State> {
  connection: Connection;
  state: State | null;
  meta: Meta | null;
  /** Monotonic seconds at which `meta` was received: the age of its data counts from here. */
  metaAt: number | null;
  /** Monotonic seconds of the last message that said the state still holds. */
  confirmedAt: number | null;
}

export interface ChannelOptions<Data, Change, State> {
  url: string;
  begin(data: Data): State;
  reduce(state: State, changes: readonly Change[]): State;
  /** Called with what every message tells about itself. */
  onMeta?(meta: Meta, receivedAt: number): void;
  /** Called when the server no longer knows us (4401). */
  onUnauthenticated?(): void;
}

/** Silence longer than this means a dead connection; the server pings every 15 s. */
export const SILENCE = 40;

const UNAUTHENTICATED = 4401;
const FORBIDDEN = 4403;

export class Channel<Data, Change, State> {
  #options: ChannelOptions<Data, Change, State>;
  #environment: Environment;
  #listeners = new Set<() => void>();
  #snapshot: LiveState<State> = {
    connection: { status: "connecting" },
    state: null,
    meta: null,
    metaAt: null,
    confirmedAt: null,
  };
  #token: string | null = null;
  #needsSnapshot = true;
  #socket: Socket | null = null;
  #attempt = 0;
  #running = false;
  #cancelRetry: (() => void) | null = null;
  #cancelWatchdog: (() => void) | null = null;

  constructor(options: ChannelOptions<Data, Change, State>, environment: Environment) {
    this.#options = options;
    this.#environment = environment;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  getSnapshot = (): LiveState<State> => this.#snapshot;

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#open();
  }

  stop(): void {
    this.#running = false;
    this.#cancelRetry?.();
    this.#dropSocket();
  }

  /** Try at once, for instance because the network came back. Does nothing while connected. */
  retryNow(): void {
    if (!this.#running || this.#socket !== null || this.#snapshot.connection.status !== "reconnecting") return;
    this.#cancelRetry?.();
    this.#open();
  }

  #open(): void {
    this.#cancelRetry = null;
    this.#needsSnapshot = this.#token === null;
    const { url } = this.#options;
    const resume =
      this.#token === null ? "" : `${url.includes("?") ? "&" : "?"}token=${encodeURIComponent(this.#token)}`;
    let socket: Socket;
    try {
      socket = this.#environment.connect(url + resume);
    } catch {
      this.#retry("the address could not be opened");
      return;
    }
    this.#socket = socket;
    this.#watch();
    socket.onopen = () => this.#watch();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  #closed(code: number, reason: string): void {
    this.#dropSocket();
    if (!this.#running) return;
    if (code === UNAUTHENTICATED || code === FORBIDDEN) {
      this.#update({ connection: { status: "stopped", code, reason } });
      if (code === UNAUTHENTICATED) this.#options.onUnauthenticated?.();
      return;
    }
    this.#retry(reason || "connection lost");
  }

  #retry(reason: string): void {
    const attempt = this.#attempt++;
    this.#update({ connection: { status: "reconnecting", attempt: attempt + 1, reason } });
    this.#cancelRetry = this.#environment.after(backoff(attempt, this.#environment.random), () => this.#open());
  }

  #receive(data: unknown): void {
    this.#watch();
    try {
      this.#apply(JSON.parse(String(data)) as LiveMessage<Data, Change>);
    } catch {
      this.#token = null;
      this.#dropSocket();
      this.#retry("a message could not be understood");
    }
  }

  #apply(message: LiveMessage<Data, Change>): void {
    const { state } = this.#snapshot;
    switch (message.type) {
      case "snapshot":
        this.#needsSnapshot = false;
        this.#confirm(this.#options.begin(message.data), message.meta, message.token);
        return;
      case "delta":
        if (state === null || this.#needsSnapshot) throw new Error("a delta before any state");
        this.#confirm(this.#options.reduce(state, message.changes), message.meta, message.token);
        return;
      case "reset":
        // The old state stays in sight, with its age, until the snapshot replaces it.
        this.#token = null;
        this.#needsSnapshot = true;
        return;
      case "ping":
        if (!this.#needsSnapshot) this.#update({ confirmedAt: this.#environment.now(), connection: this.#live() });
        return;
      default:
        return;
    }
  }

  #confirm(state: State, meta: Meta, token: string): void {
    const now = this.#environment.now();
    this.#token = token;
    this.#attempt = 0;
    this.#options.onMeta?.(meta, now);
    this.#update({ state, meta, metaAt: now, confirmedAt: now, connection: this.#live() });
  }

  #live(): Connection {
    return this.#snapshot.connection.status === "live" ? this.#snapshot.connection : { status: "live" };
  }

  #watch(): void {
    this.#cancelWatchdog?.();
    this.#cancelWatchdog = this.#environment.after(SILENCE, () => {
      this.#dropSocket();
      this.#retry("no sign of life from the server");
    });
  }

  #dropSocket(): void {
    this.#cancelWatchdog?.();
    this.#cancelWatchdog = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }

  #update(change: Partial<LiveState<State>>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    for (const listener of this.#listeners) listener();
  }
}
