/** The mock server: a development tool that serves the built dashboard and a made-up API. Never shipped. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { Answers, NotFound } from "./answers.mjs";
import { journey, journeys } from "./journeys.mjs";
import { Live } from "./live.mjs";
import { orders, record, records } from "./quarantine.mjs";

const { values } = parseArgs({
  options: { port: { type: "string", default: "8399" }, fault: { type: "string", multiple: true, default: [] } },
});
const STATIC = resolve(import.meta.dirname, "../../../src/mainstem/api/static");
const POLICY =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};
const ME = {
  name: "demo",
  role: "admin",
  csrf: "mock-csrf",
  permissions: ["customers:read", "data:read", "quarantine:read", "quarantine:decide", "quarantine:reveal"],
  expires_at: "2099-01-01T00:00:00Z",
};

const faults = new Set(values.fault);
const answers = new Answers(faults);
const live = new Live(answers, faults);

const signedIn = (request) => !faults.has("expired") && /(^|; )mock_session=1/.test(request.headers.cookie ?? "");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function json(response, status, body, headers = {}) {
  const type = status >= 400 ? "application/problem+json" : "application/json";
  response.writeHead(status, {
    "Content-Type": type,
    "Cache-Control": "no-store",
    ...(body === null ? {} : { "Content-Encoding": "gzip" }),
    ...headers,
  });
  if (body === null) return response.end();
  response.end(gzipSync(JSON.stringify(body)));
}

function problem(response, status, kind, title, detail, headers) {
  json(response, status, { type: `/problems/${kind}`, title, status, detail }, headers);
}

const ROUTES = [
  [/^\/data\/sources$/, () => ({ data: answers.metrics().sources })],
  [/^\/data\/status\/([^/]+)$/, ([source]) => answers.status(source)],
  [/^\/data\/quality\/metrics$/, (_, search) => answers.quality(search)],
  [/^\/data\/quality\/drift$/, (_, search) => answers.drift(search)],
  [/^\/data\/quality\/anomalies$/, () => ({ data: { anomalies: [], mutes: [] } })],
  [/^\/data\/quality\/agreements$/, (_, search) => answers.agreements(search)],
  [/^\/data\/quality\/agreements\/([^/]+)$/, ([name]) => answers.agreement(name)],
  [/^\/data\/quality\/impact$/, (_, search) => answers.impact(search)],
  [/^\/data\/quarantine$/, (_, search) => answers.quarantine(search)],
  [/^\/data\/quarantine\/records$/, (_, search) => records(answers, search)],
  [/^\/data\/quarantine\/records\/([^/]+)$/, ([id], search) => record(answers, id, search)],
  [/^\/data\/quarantine\/orders$/, (_, search) => orders(answers, search)],
  [/^\/analytics\/overview$/, () => answers.overview()],
  [/^\/analytics\/journeys$/, () => journeys(faults)],
  [/^\/analytics\/(funnels|retention|cohorts|adoption)\/([^/]+)$/, ([, name]) => journey(name)],
  [/^\/analytics\/customers$/, (_, search) => answers.list(search)],
  [/^\/analytics\/customer-health\/([^/]+)$/, ([id], search) => answers.health(id, search)],
  [/^\/analytics\/usage-trends\/([^/]+)$/, ([timeframe], search) => answers.usage(timeframe, search)],
];

async function auth(request, response, path) {
  if (path === "/auth/me") {
    if (!signedIn(request)) return problem(response, 401, "unauthenticated", "Not signed in", "Sign in first.");
    return json(response, 200, { data: ME, meta: answers.meta() });
  }
  if (path === "/auth/sign-out") {
    if (request.headers["x-csrf-token"] !== ME.csrf)
      return problem(response, 403, "csrf", "Wrong token", "The CSRF token does not fit the session.");
    return json(response, 204, null, { "Set-Cookie": "mock_session=; Path=/; Max-Age=0" });
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  const { name, password } = JSON.parse(body || "{}");
  await sleep(250);
  if (name !== "demo" || password !== "demo")
    return problem(response, 401, "wrong-credentials", "Sign-in failed", "Name and password do not fit.");
  return json(
    response,
    200,
    { data: ME, meta: answers.meta() },
    { "Set-Cookie": "mock_session=1; Path=/; HttpOnly; SameSite=Strict" },
  );
}

async function api(request, response, url) {
  const path = url.pathname.slice("/api/v1".length);
  if (path.startsWith("/auth/")) return auth(request, response, path);
  if (!signedIn(request)) return problem(response, 401, "unauthenticated", "Not signed in", "Sign in first.");
  if (faults.has("slow")) await sleep(2000 + Math.random() * 2000);
  if (faults.has("error"))
    return problem(
      response,
      503,
      "unavailable",
      "The database cannot be reached",
      "PostgreSQL is restarting. Nothing acknowledged is lost.",
      { "Retry-After": "3" },
    );
  for (const [pattern, answer] of ROUTES) {
    const found = pattern.exec(path);
    if (!found) continue;
    try {
      const { data, meta } = answer(found.slice(1).map(decodeURIComponent), url.searchParams);
      return json(response, 200, { data, meta: answers.meta(meta) });
    } catch (error) {
      if (error instanceof NotFound) return problem(response, 404, "not-found", "Not found", error.message);
      throw error;
    }
  }
  return problem(response, 404, "not-found", "Not found", `There is no ${url.pathname}.`);
}

function file(request, response, url) {
  const asked = normalize(decodeURIComponent(url.pathname));
  const asset = asked.startsWith("/assets/");
  const path = asset ? join(STATIC, asked) : join(STATIC, "index.html");
  if (!path.startsWith(STATIC) || !existsSync(path) || !statSync(path).isFile()) {
    response.writeHead(404).end(asset ? "no such asset" : "Build the dashboard first: npm run build");
    return;
  }
  const headers = {
    "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
    "Cache-Control": asset ? "public, max-age=31536000, immutable" : "no-cache",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    Vary: "Accept-Encoding",
  };
  const packed = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "") && existsSync(`${path}.gz`);
  if (packed) headers["Content-Encoding"] = "gzip";
  response.writeHead(200, headers).end(readFileSync(packed ? `${path}.gz` : path));
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://mock");
  try {
    if (url.pathname === "/mock/faults") {
      faults.clear();
      for (const name of url.searchParams.getAll("name")) faults.add(name);
      live.closeAll(1012, "the faults changed");
      return json(response, 200, { faults: [...faults] });
    }
    if (url.pathname.startsWith("/api/")) return await api(request, response, url);
    return file(request, response, url);
  } catch (error) {
    console.error(error);
    return problem(response, 500, "internal", "The mock server failed", String(error));
  }
});
server.on("upgrade", (request, socket, head) => live.upgrade(request, socket, head, signedIn(request)));
server.listen(Number(values.port), "127.0.0.1", () => {
  console.log(
    `mock server at http://127.0.0.1:${values.port} (demo / demo)${faults.size ? `, faults: ${[...faults].join(", ")}` : ""}`,
  );
});
