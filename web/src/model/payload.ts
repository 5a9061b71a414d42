/** A payload as people read it: indented, with not a character of its values changed, and where a field lies in it. */

export interface LaidOut {
  lines: string[];
  /** The first and the last line of the field that was looked for; null where the payload has none. */
  found: { first: number; last: number } | null;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const INDENT = "  ";
/** Deeper ones would be wider than anybody reads. */
const DEEPEST = 64;

interface Level {
  object: boolean;
  /** The member that is being read; null in an array, and between members. */
  key: string | null;
  /** Where that member begins. */
  first: number;
}

/** JSON laid out by lines, a member or item each; the first of the paths that leads somewhere is found. Null: it is no JSON. */
export function layOut(text: string, paths: readonly (readonly string[])[] = []): LaidOut | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const layout = new Layout(paths);
  for (const token of text.match(TOKEN) ?? []) {
    if (!layout.take(token)) return null;
  }
  return { lines: layout.lines, found: layout.found.find((one) => one !== null) ?? null };
}

class Layout {
  readonly lines = [""];
  /** By path. */
  readonly found: LaidOut["found"][];
  #wanted: string[];
  #levels: Level[] = [];
  /** The token before opened an object or array, which may be empty. */
  #opened = false;

  constructor(paths: readonly (readonly string[])[]) {
    this.#wanted = paths.map((path) => JSON.stringify(path));
    this.found = paths.map(() => null);
  }

  /** The next token of valid JSON; false where it lies too deep. */
  take(token: string): boolean {
    const ends = token === "}" || token === "]";
    if (this.#opened && !ends) this.#turn();
    if (ends) this.#close(token);
    else if (token === "{" || token === "[") this.#open(token);
    else if (token === ",") this.#next();
    else if (token === ":") this.#write(": ");
    else this.#value(token);
    this.#opened = token === "{" || token === "[";
    return this.#levels.length <= DEEPEST;
  }

  #open(token: string): void {
    this.#write(token);
    this.#levels.push({ object: token === "{", key: null, first: 0 });
  }

  #close(token: string): void {
    this.#end();
    this.#levels.pop();
    if (!this.#opened) this.#turn();
    this.#write(token);
  }

  #next(): void {
    this.#end();
    this.#write(",");
    this.#turn();
  }

  #value(token: string): void {
    const inner = this.#levels.at(-1);
    if (inner?.object && inner.key === null) {
      inner.key = JSON.parse(token) as string;
      inner.first = this.lines.length - 1;
    }
    this.#write(token);
  }

  /** A member or item is over: was it one that is looked for? */
  #end(): void {
    const inner = this.#levels.at(-1);
    if (inner === undefined || inner.key === null) return;
    const at = this.#wanted.indexOf(JSON.stringify(this.#levels.map(({ key }) => key)));
    if (at >= 0) this.found[at] = { first: inner.first, last: this.lines.length - 1 };
    inner.key = null;
  }

  #write(more: string): void {
    this.lines[this.lines.length - 1] += more;
  }

  #turn(): void {
    this.lines.push(INDENT.repeat(this.#levels.length));
  }
}
