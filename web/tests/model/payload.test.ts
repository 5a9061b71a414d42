import { describe, expect, it } from "vitest";
import { layOut } from "../../src/model/payload";

const lines = (text: string) => layOut(text)?.lines.join("\n");

describe("a payload", () => {
  it("is indented with not a character of its values changed", () => {
    const text =
      '{"id":12345678901234567890,"x":1.0, "s":"a,{\\"b\\": \\u00e9}" ,"list":[1,{"a":null}],"none":{},"no":[]}';
    expect(lines(text)).toBe(
      [
        "{",
        '  "id": 12345678901234567890,',
        '  "x": 1.0,',
        '  "s": "a,{\\"b\\": \\u00e9}",',
        '  "list": [',
        "    1,",
        "    {",
        '      "a": null',
        "    }",
        "  ],",
        '  "none": {},',
        '  "no": []',
        "}",
      ].join("\n"),
    );
    expect(JSON.parse(lines(text) ?? "")).toEqual(JSON.parse(text));
  });

  it("has its field marked, over all of its lines", () => {
    const text = '{"a":1,"visitor":{"plan":{"name":"x"},"a":2}}';
    expect(layOut(text, [["visitor", "plan"]])?.found).toEqual({ first: 3, last: 5 });
    expect(layOut(text, [["visitor"]])?.found).toEqual({ first: 2, last: 7 });
    expect(layOut(text, [["a"]])?.found).toEqual({ first: 1, last: 1 });
  });

  it("has the first of several paths that leads somewhere, and none within a list", () => {
    expect(layOut('{"old":1,"new":2}', [["new"], ["old"]])?.found).toEqual({ first: 2, last: 2 });
    expect(layOut('{"old":1}', [["new"], ["old"]])?.found).toEqual({ first: 1, last: 1 });
    expect(layOut('{"list":[{"a":1}]}', [["list", "a"], ["a"]])?.found).toBeNull();
    expect(layOut('{"a.b":1}', [["a", "b"]])?.found).toBeNull();
  });

  it("is left alone where it is no JSON, or deeper than anybody reads", () => {
    expect(layOut('{"a":')).toBeNull();
    expect(layOut("")).toBeNull();
    expect(layOut(`${"[".repeat(100)}${"]".repeat(100)}`)).toBeNull();
    expect(lines('"text"')).toBe('"text"');
  });
});
