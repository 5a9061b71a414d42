import { describe, expect, it } from "vitest";
import { customersPath, readFilters, turnSort, writeFilters } from "../../src/pages/customers/filters";

describe("the filters of the customers", () => {
  it("survive the address", () => {
    const search = "?band=at_risk&band=critical&segment=AAA+2013J&q=100+%25+%26+more&sort=-last_activity";
    const filters = readFilters(search);
    expect(filters).toEqual({
      bands: ["at_risk", "critical"],
      segment: "AAA 2013J",
      source: "",
      q: "100 % & more",
      sort: "last_activity",
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
    const byActivity = turnSort(readFilters(""), "last_activity");
    expect(byActivity).toMatchObject({ sort: "last_activity", descending: true });
    expect(turnSort(byActivity, "last_activity")).toMatchObject({ sort: "last_activity", descending: false });
    expect(turnSort(byActivity, "score")).toMatchObject({ sort: "score", descending: false });
  });
});
