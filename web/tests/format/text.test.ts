import { expect, it } from "vitest";
import { shown } from "../../src/format/text";

it("keeps what is read and drops what would turn it round", () => {
  expect(shown("\u202Eevil\u202C name\u0000")).toBe("evil name");
  expect(shown("Łódź 株式会社 🦊 عربي <b>")).toBe("Łódź 株式会社 🦊 عربي <b>");
});
