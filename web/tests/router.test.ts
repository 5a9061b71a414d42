import { describe, expect, it } from "vitest";
import { parseRoute, paths } from "../src/router";

describe("addresses", () => {
  it("lead to pages", () => {
    expect(parseRoute("/")).toEqual({ page: "overview" });
    expect(parseRoute("/customers/")).toEqual({ page: "customers" });
    expect(parseRoute("/data")).toEqual({ page: "data", source: null });
    expect(parseRoute("/quality")).toEqual({ page: "quality", source: null });
    expect(parseRoute(paths.quality("shop"))).toEqual({ page: "quality", source: "shop" });
    expect(parseRoute("/journeys")).toEqual({ page: "journeys", name: null });
    expect(parseRoute(paths.journeys("first_work"))).toEqual({ page: "journeys", name: "first_work" });
    expect(parseRoute(paths.record("shop", "3f0a"))).toEqual({ page: "record", source: "shop", id: "3f0a" });
    expect(parseRoute("/data/shop/records")).toEqual({ page: "unknown", path: "/data/shop/records" });
    expect(parseRoute("/moon")).toEqual({ page: "unknown", path: "/moon" });
    expect(parseRoute("/customers/a/b")).toEqual({ page: "unknown", path: "/customers/a/b" });
  });

  it.each(["oulad:AAA_2013J_11391", "shop:a/b?c#d", "shop:100 %", "shop:株式会社 🦊", "shop:..", "shop:%2F"])(
    "carry the customer %s there and back",
    (id) => {
      const { pathname } = new URL(paths.customer(id), "http://here");
      expect(parseRoute(pathname)).toEqual({ page: "customer", id });
    },
  );

  it("do not fail on a broken escape", () => {
    expect(parseRoute("/customers/%E0%A4%A")).toEqual({ page: "customer", id: "%E0%A4%A" });
  });
});
