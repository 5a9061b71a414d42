import { afterEach, describe, expect, it, vi } from "vitest";
import { call, get, ProblemError, query, UnreachableError } from "../../src/api/client";

function answers(status: number, body: string, headers: Record<string, string> = {}): void {
  vi.stubGlobal(
    "fetch",
    vi.fn(async () => new Response(status === 204 ? null : body, { status, headers })),
  );
}

afterEach(() => vi.unstubAllGlobals());

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

describe("a call", () => {
  it("gives the envelope, or null for 204", async () => {
    answers(200, '{"data": 1, "meta": {"grade": "fresh"}}', { "Content-Type": "application/json" });
    expect(await get<number>("/x")).toMatchObject({ data: 1, meta: { grade: "fresh" } });
    answers(204, "");
    expect(await call("/x", { method: "POST" })).toBeNull();
  });

  it("sends the token and the body of an unsafe method, and nothing to another origin", async () => {
    answers(204, "");
    await call("/auth/sign-out", { method: "POST", csrf: "c", body: { a: 1 } });
    const [url, init] = vi.mocked(fetch).mock.calls[0] ?? [];
    expect(url).toBe("/api/v1/auth/sign-out");
    expect(init).toMatchObject({
      method: "POST",
      credentials: "same-origin",
      body: '{"a":1}',
      headers: { "X-CSRF-Token": "c" },
    });
  });

  it("turns a problem into an error with its hint and the time to wait", async () => {
    const problem = {
      type: "/problems/back-pressure",
      title: "Slow down",
      status: 429,
      detail: "The queue is full.",
      hint: "Send less.",
    };
    answers(429, JSON.stringify(problem), { "Content-Type": "application/problem+json", "Retry-After": "7" });
    const error = await failure(get("/x"));
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ message: "The queue is full.", retryAfter: 7, problem });
    expect((error as ProblemError).is("back-pressure")).toBe(true);
  });

  it("makes do with an error page of somebody else", async () => {
    answers(502, "<h1>Bad Gateway</h1>", { "Content-Type": "text/html" });
    expect(await failure(get("/x"))).toMatchObject({ problem: { status: 502 }, retryAfter: null });
    answers(500, "{broken", { "Content-Type": "application/json" });
    expect(await failure(get("/x"))).toMatchObject({ problem: { status: 500 } });
  });

  it("tells no answer from a bad one", async () => {
    vi.stubGlobal(
      "fetch",
      vi.fn(() => Promise.reject(new TypeError("failed"))),
    );
    expect(await failure(get("/x"))).toBeInstanceOf(UnreachableError);
    answers(200, '{"data": ', { "Content-Type": "application/json" });
    expect(await failure(get("/x"))).toBeInstanceOf(UnreachableError);
  });
});

describe("a query", () => {
  it("holds what is set, lists repeated", () => {
    expect(query({ a: null, b: "", c: undefined })).toBe("");
    expect(query({ a: 0, band: ["x y", "z"], q: "&=" })).toBe("?a=0&band=x+y&band=z&q=%26%3D");
  });
});
