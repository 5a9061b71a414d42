import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Meta } from "../../src/api/types";
import { Channel, type Environment, SILENCE, type Socket } from "../../src/live/channel";

/** A stand-in for the network and the clock. */
class World implements Environment {
  sockets: FakeSocket[] = [];
  time = 0;
  timers: { at: number; run: () => void }[] = [];

  connect = (url: string): Socket => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    return socket;
  };
  now = () => this.time;
  random = () => 1;
  after = (seconds: number, run: () => void) => {
    const timer = { at: this.time + seconds, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };

  pass(seconds: number): void {
    const end = this.time + seconds;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.time = next.at;
      this.timers = this.timers.filter((other) => other !== next);
      next.run();
    }
    this.time = end;
  }

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("no connection was opened");
    return last;
  }
}

class FakeSocket implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  closed = false;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }
  close(): void {
    this.closed = true;
  }
  says(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
  ends(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}

const META: Meta = {
  generated_at: "2026-01-15T12:00:00Z",
  as_of: "2026-01-15T12:00:00Z",
  freshness_seconds: 1,
  grade: "fresh",
  missing: [],
  replay: null,
  next_cursor: null,
};
const snapshot = (token: string, data: number[]) => ({ type: "snapshot", token, meta: META, data });
const delta = (token: string, ...changes: number[]) => ({ type: "delta", token, meta: META, changes });

describe("a live channel", () => {
  let world: World;
  let channel: Channel<number[], number, number[]>;
  const expired = vi.fn();
  const heard = vi.fn();

  beforeEach(() => {
    world = new World();
    expired.mockReset();
    channel = new Channel(
      {
        url: "ws://here/stream?scope=summary",
        begin: (data) => data,
        reduce: (state, changes) => [...state, ...changes],
        onMeta: heard,
        onUnauthenticated: expired,
      },
      world,
    );
    channel.start();
  });

  const current = () => channel.getSnapshot();

  it("is live from the snapshot on and applies deltas to it", () => {
    expect(current().connection.status).toBe("connecting");
    world.socket.says(snapshot("t1", [1]));
    world.pass(3);
    world.socket.says(delta("t2", 2, 3));
    expect(current()).toMatchObject({ connection: { status: "live" }, state: [1, 2, 3], metaAt: 3 });
    expect(heard).toHaveBeenLastCalledWith(META, 3);
  });

  it("resumes with the token of the last message applied, in the same subscription", () => {
    world.socket.says(snapshot("t1", [1]));
    world.socket.says(delta("t 2&", 2));
    world.socket.ends(1006);
    expect(current()).toMatchObject({ connection: { status: "reconnecting", attempt: 1 }, state: [1, 2] });
    world.pass(1);
    expect(world.socket.url).toBe("ws://here/stream?scope=summary&token=t%202%26");
    world.socket.says(delta("t3", 3));
    expect(current()).toMatchObject({ connection: { status: "live" }, state: [1, 2, 3] });
  });

  it("keeps the old state in sight after a reset, until the snapshot replaces it", () => {
    world.socket.says(snapshot("t1", [1]));
    world.socket.ends(1012, "restarting");
    world.pass(1);
    world.socket.says({ type: "reset", reason: "another generation" });
    expect(current().state).toEqual([1]);
    world.socket.says(snapshot("u1", [7]));
    expect(current().state).toEqual([7]);
  });

  it("asks without a token after a reset that no snapshot followed", () => {
    world.socket.says(snapshot("t1", [1]));
    world.socket.says({ type: "reset", reason: "pruned" });
    world.socket.ends(1006);
    world.pass(1);
    expect(world.socket.url).toBe("ws://here/stream?scope=summary");
  });

  it("does not apply a delta to a state that was reset", () => {
    world.socket.says(snapshot("t1", [1]));
    world.socket.says({ type: "reset", reason: "pruned" });
    world.socket.says(delta("t2", 2));
    expect(current()).toMatchObject({ connection: { status: "reconnecting" }, state: [1] });
  });

  it("starts anew, without the token, after a message it cannot understand", () => {
    world.socket.says(snapshot("t1", [1]));
    const broken = world.socket;
    broken.says("{not json");
    expect(broken.closed).toBe(true);
    world.pass(1);
    expect(world.socket.url).toBe("ws://here/stream?scope=summary");
  });

  it("takes a delta before any state for a broken stream", () => {
    world.socket.says(delta("t1", 1));
    expect(current()).toMatchObject({ connection: { status: "reconnecting" }, state: null });
  });

  it("waits longer with every failure, up to a bound, and starts over once it was live", () => {
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      world.socket.ends(1006);
      const before = world.time;
      const sockets = world.sockets.length;
      while (world.sockets.length === sockets) world.pass(0.25);
      waits.push(world.time - before);
    }
    expect(waits).toEqual([0.5, 1, 2, 4, 8, 15, 15, 15]);
    world.socket.says(snapshot("t1", [1]));
    world.socket.ends(1006);
    const sockets = world.sockets.length;
    world.pass(0.5);
    expect(world.sockets.length).toBe(sockets + 1);
  });

  it("takes silence for a dead connection, and a ping for a sign of life", () => {
    world.socket.says(snapshot("t1", [1]));
    world.pass(SILENCE - 1);
    world.socket.says({ type: "ping", at: META.generated_at });
    expect(current().confirmedAt).toBe(SILENCE - 1);
    expect(current().metaAt).toBe(0);
    world.pass(SILENCE - 1);
    expect(current().connection.status).toBe("live");
    const silent = world.socket;
    world.pass(2);
    expect(silent.closed).toBe(true);
    expect(current().connection.status).not.toBe("live");
  });

  it("gives up on a connection that never opens", () => {
    const stuck = world.socket;
    world.pass(SILENCE + 1);
    expect(stuck.closed).toBe(true);
    expect(world.sockets.length).toBeGreaterThan(1);
  });

  it("stops when it is no longer signed in, and says so", () => {
    world.socket.says(snapshot("t1", [1]));
    world.socket.ends(4401, "session ended");
    expect(current().connection).toMatchObject({ status: "stopped", code: 4401 });
    expect(expired).toHaveBeenCalledOnce();
    world.pass(600);
    expect(world.sockets.length).toBe(1);
  });

  it("stops when it is not permitted, and stays signed in", () => {
    world.socket.ends(4403, "no permission");
    expect(current().connection).toMatchObject({ status: "stopped", reason: "no permission" });
    expect(expired).not.toHaveBeenCalled();
  });

  it("comes back with its token after it was too slow", () => {
    world.socket.says(snapshot("t1", [1]));
    world.socket.ends(4408, "too slow");
    world.pass(1);
    expect(world.socket.url).toContain("token=t1");
  });

  it("tries at once when asked to, but opens no second connection", () => {
    world.socket.says(snapshot("t1", [1]));
    channel.retryNow();
    expect(world.sockets.length).toBe(1);
    world.socket.ends(1006);
    channel.retryNow();
    expect(world.sockets.length).toBe(2);
    channel.retryNow();
    world.pass(30);
    expect(world.sockets.length).toBe(2);
  });

  it("hears nothing more once stopped", () => {
    const socket = world.socket;
    channel.stop();
    socket.says(snapshot("t1", [1]));
    expect(socket.closed).toBe(true);
    expect(current().state).toBeNull();
    world.pass(600);
    expect(world.sockets.length).toBe(1);
  });

  it("tells its listeners of every change until they leave", () => {
    const listener = vi.fn();
    const leave = channel.subscribe(listener);
    world.socket.says(snapshot("t1", [1]));
    expect(listener).toHaveBeenCalledTimes(1);
    leave();
    world.socket.says(delta("t2", 2));
    expect(listener).toHaveBeenCalledTimes(1);
  });
});
