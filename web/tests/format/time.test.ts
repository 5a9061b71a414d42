import { describe, expect, it } from "vitest";
import * as time from "../../src/format/time";

describe("times", () => {
  it("are of UTC wherever they are read", () => {
    expect(time.instant("2026-01-15T23:30:00Z")).toBe("15 Jan 2026, 23:30");
    expect(time.day("2026-01-15T23:59:59Z")).toBe("15 Jan 2026");
    expect(time.clock("2026-01-15T01:05:00+02:00")).toBe("23:05");
  });

  it("that cannot be read are a dash", () => {
    expect(time.day("yesterday")).toBe("–");
    expect(time.exact(null)).toBe("–");
  });

  it("know whether there is a time of day", () => {
    expect(time.hasClock("2026-01-15T00:00:00Z")).toBe(false);
    expect(time.hasClock("2026-01-15T00:00:01Z")).toBe(true);
  });
});

describe("ages", () => {
  it("are rounded down, in the unit that fits", () => {
    expect(time.duration(59.9)).toBe("59\u00a0s");
    expect(time.duration(60)).toBe("1\u00a0min");
    expect(time.duration(3600 * 5.9)).toBe("5\u00a0h");
    expect(time.duration(86_400 * 41.5)).toBe("41\u00a0d");
    expect(time.duration(86_400 * 365 * 3)).toBe("2\u00a0y");
  });

  it("do not become negative by a clock that runs ahead", () => {
    expect(time.ago(-5)).toBe("now");
    expect(time.ago(3.2)).toBe("3\u00a0s ago");
    expect(time.ago(null)).toBe("–");
  });
});

describe("a replay", () => {
  it("is shown as finely as its speed lets one read", () => {
    const at = new Date("2014-03-04T08:12:00Z");
    expect(time.replayClock(at, 86_400)).toBe("4 Mar 2014");
    expect(time.replayClock(at, 7200)).toBe("4 Mar 2014, 08:00");
    expect(time.replayClock(at, 60)).toBe("4 Mar 2014, 08:12");
    expect(time.speed(86_400)).toBe("×86,400");
    expect(time.speed(1.5)).toBe("×1.5");
  });
});

describe("the picked instant", () => {
  it("is read as UTC and written back alike", () => {
    expect(time.fromInput("2026-01-15T12:05")).toBe("2026-01-15T12:05:00Z");
    expect(time.toInput("2026-01-15T12:05:00Z")).toBe("2026-01-15T12:05");
  });

  it("is none when the field is empty or broken", () => {
    expect(time.fromInput("")).toBeNull();
    expect(time.fromInput("2026-13-45T99:99")).toBeNull();
  });
});
