/** The two WebSocket subscriptions, with resume, resets and faults. */

import { WebSocketServer } from "ws";

const TICK = 500;
const KEPT = 400;

export class Live {
  constructor(answers, faults) {
    this.answers = answers;
    this.faults = faults;
    this.server = new WebSocketServer({ noServer: true });
    this.clients = new Set();
    this.sequence = 0;
    this.log = [];
    this.timer = setInterval(() => this.tick(), TICK);
    this.dropper = setInterval(() => this.faults.has("drop") && this.closeAll(1012, "restarting"), 8000);
  }

  closeAll(code, reason) {
    for (const { socket } of this.clients) socket.close(code, reason);
  }

  upgrade(request, socket, head, signedIn) {
    const url = new URL(request.url, "http://mock");
    const kind = url.pathname.split("/").pop();
    if (this.faults.has("no_socket") || !["live-metrics", "health-scores"].includes(kind)) return socket.destroy();
    this.server.handleUpgrade(request, socket, head, (opened) => {
      if (!signedIn) return opened.close(4401, "not signed in");
      const client = {
        socket: opened,
        kind,
        summary: url.searchParams.get("scope") === "summary",
        ids: new Set(url.searchParams.getAll("customer_id")),
      };
      this.clients.add(client);
      opened.on("close", () => this.clients.delete(client));
      this.begin(client, url.searchParams.get("token"));
    });
  }

  begin(client, token) {
    if (token !== null) {
      const from = Number(token);
      if (!this.faults.has("forget") && from >= this.sequence - KEPT && from <= this.sequence) {
        const missed = this.log
          .filter((entry) => entry.sequence > from)
          .flatMap((entry) => this.changesFor(client, entry.changes));
        return this.send(client, {
          type: "delta",
          token: String(this.sequence),
          meta: this.answers.meta(),
          changes: missed,
        });
      }
      this.send(client, { type: "reset", reason: "the token is too old" });
    }
    const { answers } = this;
    const data = client.kind === "live-metrics" ? answers.metrics() : this.scores(client);
    this.send(client, { type: "snapshot", token: String(this.sequence), meta: answers.meta(), data });
  }

  scores(client) {
    const chosen = client.summary
      ? []
      : this.answers.customers().filter((c) => client.ids.size === 0 || client.ids.has(c.id));
    const scores = this.answers.model() ? chosen.map((c) => this.answers.score(c)) : [];
    return client.ids.size > 0 ? { scores } : { model: this.answers.model(), ...this.answers.summary(), scores };
  }

  send({ socket }, message) {
    if (socket.readyState === 1) socket.send(JSON.stringify(message));
  }

  tick() {
    const { answers } = this;
    if (this.faults.has("empty")) return;
    const { random, customers } = answers.world;
    const changes = [];
    this.sequence += 1;
    if (this.sequence % 4 === 0) {
      const point = { at: new Date().toISOString(), value: Math.round(answers.ledger.tick((4 * TICK) / 1000, random)) };
      answers.points = [...answers.points, point].slice(-150);
      const { counts, balanced, sources, freshness } = answers.metrics();
      changes.push({ on: "live-metrics", kind: "throughput", value: point });
      changes.push({ on: "live-metrics", kind: "counts", value: { ...counts, balanced } });
      for (const value of sources) changes.push({ on: "live-metrics", kind: "source", value });
      for (const value of freshness) changes.push({ on: "live-metrics", kind: "freshness", value });
    }
    for (let i = 0; i < 3; i++) {
      const c = random.pick(customers);
      c.engagement = Math.max(0.02, Math.min(1, c.engagement + 0.02 * random.normal()));
      if (answers.model()) changes.push({ on: "health-scores", kind: "score", id: c.id, value: answers.score(c) });
      changes.push({
        on: "health-scores",
        kind: "touched",
        id: c.id,
        value: { customer_id: c.id, at: new Date().toISOString() },
      });
    }
    if (this.sequence % 6 === 0 && answers.model())
      changes.push({ on: "health-scores", kind: "summary", value: answers.summary() });
    this.log = [...this.log, { sequence: this.sequence, changes }].slice(-KEPT);
    for (const client of this.clients) {
      const own = this.changesFor(client, changes);
      if (own.length > 0)
        this.send(client, { type: "delta", token: String(this.sequence), meta: answers.meta(), changes: own });
      else if (this.sequence % 30 === 0) this.send(client, { type: "ping", at: new Date().toISOString() });
    }
  }

  changesFor(client, changes) {
    return changes
      .filter(({ on }) => on === client.kind)
      .filter(({ kind, id }) => {
        if (id === undefined) return client.kind === "live-metrics" || client.ids.size === 0;
        if (client.summary) return false;
        return client.ids.size > 0 ? client.ids.has(id) : kind !== "touched";
      })
      .map(({ kind, value }) => ({ kind, value }));
  }
}
