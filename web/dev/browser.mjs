/** A headless Chromium driven over its debugging protocol: enough for screenshots and checks, without another dependency. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];

export async function launch() {
  const profile = mkdtempSync(join(tmpdir(), "mainstem-dashboard-"));
  const child = spawn(process.env.CHROMIUM ?? "chromium", [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  // Whatever ends this script, no browser is left behind.
  process.once("exit", () => child.kill());
  const address = await new Promise((found, failed) => {
    let text = "";
    child.stderr.on("data", (chunk) => {
      text += chunk;
      const match = /DevTools listening on (ws:\S+)/.exec(text);
      if (match) found(match[1]);
    });
    child.on("exit", (code) => failed(new Error(`Chromium ended with ${code}:\n${text}`)));
  });
  const socket = new WebSocket(address);
  await new Promise((opened) => socket.once("open", opened));
  const connection = new Connection(socket);
  return {
    page: () => openPage(connection),
    async close() {
      const ended = new Promise((done) => child.once("exit", done));
      await connection.send("Browser.close").catch(() => child.kill());
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

class Connection {
  constructor(socket) {
    this.socket = socket;
    this.next = 0;
    this.waiting = new Map();
    this.listeners = [];
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      if (message.id === undefined) {
        for (const listener of this.listeners) listener(message);
        return;
      }
      const { done, failed } = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.error) failed(new Error(message.error.message));
      else done(message.result);
    });
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.next;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((done, failed) => this.waiting.set(id, { done, failed }));
  }
}

async function openPage(connection) {
  const { browserContextId } = await connection.send("Target.createBrowserContext");
  const { targetId } = await connection.send("Target.createTarget", { url: "about:blank", browserContextId });
  const { sessionId } = await connection.send("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => connection.send(method, params, sessionId);
  const page = { send, problems: [], requests: [], addresses: new Map(), bytes: { files: 0, answers: 0 } };
  connection.listeners.push(({ sessionId: from, method, params }) => {
    if (from === sessionId) note(page, method, params);
  });
  for (const domain of ["Page", "Runtime", "Network", "Log"]) await send(`${domain}.enable`);

  page.evaluate = async (expression) => {
    const { result, exceptionDetails } = await send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  page.until = async (expression, seconds = 10) => {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      if (await page.evaluate(`Boolean(${expression})`).catch(() => false)) return;
      await pause(25);
    }
    throw new Error(`waited ${seconds} s in vain for ${expression}`);
  };
  page.open = async (url) => {
    await send("Page.navigate", { url });
    await page.until("document.readyState === 'complete'");
  };
  page.view = ({ width, height, scheme, calm = true }) =>
    Promise.all([
      send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 }),
      send("Emulation.setEmulatedMedia", {
        features: [
          { name: "prefers-color-scheme", value: scheme },
          { name: "prefers-reduced-motion", value: calm ? "reduce" : "no-preference" },
        ],
      }),
    ]);
  page.key = async (key, code = key, text = undefined) => {
    await send("Input.dispatchKeyEvent", { type: "keyDown", key, code, text });
    await send("Input.dispatchKeyEvent", { type: "keyUp", key, code });
  };
  page.picture = async (full = true) => {
    const { cssContentSize } = await send("Page.getLayoutMetrics");
    const { data } = await send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: full,
      ...(full ? { clip: { x: 0, y: 0, width: cssContentSize.width, height: cssContentSize.height, scale: 1 } } : {}),
    });
    return Buffer.from(data, "base64");
  };
  page.close = () => connection.send("Target.disposeBrowserContext", { browserContextId });
  return page;
}

function note(page, method, params) {
  if (method === "Runtime.exceptionThrown")
    page.problems.push(params.exceptionDetails.exception?.description ?? "exception");
  if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) {
    page.problems.push(params.args.map((arg) => arg.value ?? arg.description).join(" "));
  }
  if (method === "Log.entryAdded" && params.entry.level === "error")
    page.problems.push(`${params.entry.text} ${params.entry.url ?? ""}`);
  if (method === "Network.requestWillBeSent") {
    page.requests.push(params.request.url);
    page.addresses.set(params.requestId, params.request.url);
  }
  if (method === "Network.loadingFinished") {
    const kind = page.addresses.get(params.requestId)?.includes("/api/") ? "answers" : "files";
    page.bytes[kind] += params.encodedDataLength;
  }
}

export function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
