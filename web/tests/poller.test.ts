import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProblemError } from "../src/api/client";
import { Poller } from "../src/data/resource";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => vi.useRealTimers());

const problem = (status: number, retryAfter: number | null) =>
  new ProblemError({ type: "about:blank", title: "no", status, detail: "no" }, retryAfter);

function poller(load: () => Promise<void>, period?: number) {
  const failures: Error[] = [];
  const calls = vi.fn(load);
  return {
    calls,
    failures,
    poller: new Poller(
      calls,
      (error) => failures.push(error),
      () => period,
    ),
  };
}

describe("a poller", () => {
  it("asks once without a period, and again and again with one", async () => {
    const once = poller(async () => undefined);
    once.poller.ask();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(once.calls).toHaveBeenCalledTimes(1);
    const often = poller(async () => undefined, 5);
    often.poller.ask();
    await vi.advanceTimersByTimeAsync(15_100);
    expect(often.calls).toHaveBeenCalledTimes(4);
  });

  it("makes one request of many wishes, and one more for those that came meanwhile", async () => {
    let finish: () => void = () => undefined;
    const slow = poller(() => new Promise<void>((done) => (finish = done)));
    for (let i = 0; i < 20; i++) slow.poller.ask();
    expect(slow.calls).toHaveBeenCalledTimes(1);
    finish();
    await vi.advanceTimersByTimeAsync(5000);
    expect(slow.calls).toHaveBeenCalledTimes(2);
  });

  it("does not flood the server when wishes never end", async () => {
    const eager = poller(async () => undefined);
    for (let i = 0; i < 100; i++) {
      eager.poller.ask();
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(eager.calls.mock.calls.length).toBeLessThanOrEqual(8);
    expect(eager.calls.mock.calls.length).toBeGreaterThanOrEqual(6);
  });

  it("tries again after a failure, at the time the server named", async () => {
    const failing = poller(() => Promise.reject(problem(503, 30)));
    failing.poller.ask();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(failing.calls).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(failing.calls).toHaveBeenCalledTimes(2);
    expect(failing.failures).toHaveLength(2);
  });

  it("does not ask again for what will not be given", async () => {
    const refused = poller(() => Promise.reject(problem(404, null)), 5);
    refused.poller.ask();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(refused.calls).toHaveBeenCalledTimes(1);
  });

  it("is silent once stopped, also about a request under way", async () => {
    let fail: (error: Error) => void = () => undefined;
    const stopped = poller(() => new Promise<void>((_, reject) => (fail = reject)), 1);
    stopped.poller.ask();
    stopped.poller.stop();
    fail(new Error("aborted"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(stopped.calls).toHaveBeenCalledTimes(1);
    expect(stopped.failures).toEqual([]);
  });
});
