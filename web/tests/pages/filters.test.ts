import { describe, expect, it } from "vitest";
import { customersPath, readFilters, turnSort, writeFilters } from "../../src/pages/customers/filters";

describe("the filters of the customers", () => {
  it("survive the address", () => {
    const search = "?band=at_risk&band=critical&segment=AAA+2013J&q=100+%25+%26+more&sort=-change";
    const filters = readFilters(search);
    expect(filters).toEqual({
      bands: ["at_risk", "critical"],
      segment: "AAA 2013J",
      source: "",
      q: "100 % & more",
      sort: "change",
      descending: true,
    });
    expect(readFilters(writeFilters(filters))).toEqual(filters);
  });

  it("leave the default out of the address, but say it to the server", () => {
    const none = readFilters("");
    expect(writeFilters(none)).toBe("");
    expect(customersPath(none, null)).toBe("/analytics/customers?sort=score&limit=50");
    expect(customersPath(none, "next=")).toBe("/analytics/customers?sort=score&cursor=next%3D&limit=50");
  });

  it("do not pass on an order that does not exist", () => {
    expect(readFilters("?sort=-moon")).toMatchObject({ sort: "score", descending: false });
  });

  it("turn a column round at the second click", () => {
    const byName = turnSort(readFilters(""), "name");
    expect(byName).toMatchObject({ sort: "name", descending: false });
    expect(turnSort(byName, "name")).toMatchObject({ sort: "name", descending: true });
    expect(turnSort(byName, "last_activity")).toMatchObject({ sort: "last_activity", descending: true });
  });
});
