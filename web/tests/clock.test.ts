import { beforeEach, describe, expect, it } from "vitest";
import type { Meta, Replay } from "../src/api/types";
import { dataTime, hear, hearLive, speedOf, told } from "../src/data/clock";

const REPLAY: Replay = {
  name: "oulad",
  origin: "2013-10-01T00:00:00Z",
  started: "2026-01-15T11:00:00Z",
  speed: 7200,
  data_now: "2014-03-04T00:00:00Z",
  finished: false,
};
const meta = (generated_at: string, replay: Replay | null): Meta => ({
  generated_at,
  as_of: "2010-01-01T00:00:00Z",
  freshness_seconds: 1,
  grade: "fresh",
  missing: [],
  replay,
  next_cursor: null,
});
const at = (now: number) => {
  const known = told.get();
  return known && new Date(dataTime(known, now)).toISOString();
};

beforeEach(() => told.set(null));

describe("the data clock", () => {
  it("is the wall clock without a replay, whatever instant the answer speaks of", () => {
    hear(meta("2026-01-15T12:00:00Z", null), 100);
    expect(at(102)).toBe("2026-01-15T12:00:02.000Z");
  });

  it("runs at the replay's speed", () => {
    hear(meta("2026-01-15T12:00:00Z", REPLAY), 100);
    expect(at(102)).toBe("2014-03-04T04:00:00.000Z");
    expect(speedOf(REPLAY)).toBe(7200);
  });

  it("is the wall clock again once the replay has finished", () => {
    hear(meta("2026-01-15T12:00:00Z", { ...REPLAY, finished: true }), 100);
    expect(at(102)).toBe("2026-01-15T12:00:02.000Z");
    expect(speedOf({ ...REPLAY, finished: true })).toBe(1);
  });

  it("does not go back for an answer that was overtaken", () => {
    hear(meta("2026-01-15T12:00:05Z", null), 100);
    hear(meta("2026-01-15T12:00:00Z", REPLAY), 101);
    expect(at(101)).toBe("2026-01-15T12:00:06.000Z");
  });

  it("can be told by the live connection, whose messages speak of now", () => {
    const { replay: _, ...silent } = meta("2026-01-15T12:00:00Z", null);
    hearLive(REPLAY, { ...silent, as_of: "2014-05-01T00:00:00Z" }, 100);
    expect(at(101)).toBe("2014-05-01T02:00:00.000Z");
    hear({ ...silent, generated_at: "2026-01-15T12:00:01Z" }, 101);
    expect(at(101)).toBe("2014-05-01T02:00:00.000Z");
  });
});
