import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { expire, restore, session, signIn, signOut } from "../../src/api/session";

const ME = { name: "demo", role: "admin", csrf: "c1", permissions: [], expires_at: "2026-01-16T00:00:00Z" };
const json = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": status < 400 ? "application/json" : "application/problem+json" },
  });
const problem = (status: number, kind: string) =>
  json(status, { type: `/problems/${kind}`, title: kind, status, detail: kind });

let answers: Record<string, (init: RequestInit) => Response>;

beforeEach(() => {
  session.set({ status: "unknown" });
  vi.stubGlobal(
    "fetch",
    vi.fn(async (url: string, init: RequestInit) => {
      const answer = answers[url.replace("/api/v1/auth/", "")];
      if (!answer) throw new TypeError("no network");
      return answer(init);
    }),
  );
});

afterEach(() => vi.unstubAllGlobals());

describe("the session", () => {
  it("is restored from the cookie, absent without one, and unknown without an answer", async () => {
    answers = { me: () => json(200, { data: ME, meta: {} }) };
    await restore();
    expect(session.get()).toEqual({ status: "signed-in", me: ME });
    answers = { me: () => problem(401, "unauthenticated") };
    await restore();
    expect(session.get()).toEqual({ status: "signed-out", expired: false });
    answers = {};
    await restore();
    expect(session.get()).toMatchObject({ status: "unreachable" });
  });

  it("begins with the right password and not with a wrong one", async () => {
    answers = { "sign-in": () => problem(401, "wrong-credentials") };
    await expect(signIn("demo", "x")).rejects.toMatchObject({ problem: { status: 401 } });
    expect(session.get().status).toBe("unknown");
    answers = { "sign-in": () => json(200, { data: ME, meta: {} }) };
    await signIn("demo", "demo");
    expect(session.get()).toEqual({ status: "signed-in", me: ME });
  });

  it("ends with its own token, taking a new one if another tab has changed it", async () => {
    session.set({ status: "signed-in", me: ME });
    const sent: (string | null)[] = [];
    answers = {
      me: () => json(200, { data: { ...ME, csrf: "c2" }, meta: {} }),
      "sign-out": (init) => {
        const token = new Headers(init.headers).get("X-CSRF-Token");
        sent.push(token);
        return token === "c2" ? new Response(null, { status: 204 }) : problem(403, "csrf");
      },
    };
    await signOut();
    expect(sent).toEqual(["c1", "c2"]);
    expect(session.get()).toEqual({ status: "signed-out", expired: false });
  });

  it("is not called ended when the server was not reached", async () => {
    session.set({ status: "signed-in", me: ME });
    answers = {};
    await expect(signOut()).rejects.toThrow();
    expect(session.get().status).toBe("signed-in");
  });

  it("that the server has forgotten says so at the sign-in", () => {
    session.set({ status: "signed-in", me: ME });
    expire();
    expect(session.get()).toEqual({ status: "signed-out", expired: true });
    session.set({ status: "unknown" });
    expire();
    expect(session.get()).toEqual({ status: "unknown" });
  });
});
