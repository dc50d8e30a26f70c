/**
 * Random MessagePack items for fast-check and the rows that they mean: an independent, slow model of the rules.
 *
 * Columns have a fixed kind by name, so that bodies are valid; numbers mix integers and floats.
 */
import * as fc from "fast-check";
import {
  float,
  integer,
  map,
  pack,
  Raw,
  type Packable,
  type PackableMap,
} from "./messagepack-writer.ts";

type Value =
  | null
  | boolean
  | string
  | { readonly number: number | bigint; readonly isFloat: boolean };
type Cells = ReadonlyMap<string, Value>;

/** One item: its rows, and how it was written. */
export interface ModelItem {
  readonly measurement: string;
  readonly rows: readonly {
    readonly tags: Cells;
    readonly fields: Cells;
    readonly timeNs: bigint | undefined;
  }[];
}

const TAGS = ["host", "region"];
const KINDS: Readonly<Record<string, fc.Arbitrary<Value>>> = {
  whole: fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((number) => ({ number, isFloat: false })),
  count: fc.nat().map((number) => ({ number: BigInt(number), isFloat: false })),
  big: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((number) => ({ number, isFloat: false })),
  mixed: fc.oneof(
    fc.integer().map((number) => ({ number: BigInt(number), isFloat: false })),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((number) => ({ number, isFloat: true })),
  ),
  flag: fc.boolean(),
  text: fc.oneof(
    fc.constantFrom("", "a", "b", "日本"),
    fc.string({ unit: "grapheme", maxLength: 40 }),
  ),
};
const FIELDS = Object.keys(KINDS);

const tagValue: fc.Arbitrary<Value> = fc.constantFrom("a", "b", "server-1", "ü", "");
const withNil = (value: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.option(value, { nil: null, freq: 6 });

const timeNs = fc.oneof(
  fc.bigInt({ min: 10n ** 16n, max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(10n ** 16n) }),
);

const item: fc.Arbitrary<{ packed: Packable; model: ModelItem }> = fc
  .record({
    measurement: fc.constantFrom("cpu", "mem", "été"),
    shape: fc.constantFrom("row" as const, "columns" as const),
    tags: fc.subarray(TAGS),
    fields: fc.subarray(FIELDS, { minLength: 1 }),
    hasTime: fc.boolean(),
    rowCount: fc.integer({ min: 0, max: 20 }),
    spelling: fc.infiniteStream(fc.nat()),
  })
  .chain((plan) => {
    const rowCount = plan.shape === "row" ? 1 : plan.rowCount;
    const cells = (names: string[], value: (name: string) => fc.Arbitrary<Value>) =>
      fc.tuple(
        ...names.map((name) =>
          fc.array(withNil(value(name)), { minLength: rowCount, maxLength: rowCount }),
        ),
      );
    return fc
      .tuple(
        cells(plan.tags, () => tagValue),
        cells(plan.fields, (name) => KINDS[name] ?? fc.constant(null)),
        fc.array(timeNs, { minLength: rowCount, maxLength: rowCount }),
      )
      .map(([tags, fields, times]) => {
        const columnOf = (names: string[], columns: Value[][], row: number): Cells =>
          new Map(names.map((name, index) => [name, columns[index]?.[row] ?? null]));
        const rows = times.map((time, row) => ({
          tags: columnOf(plan.tags, tags, row),
          fields: columnOf(plan.fields, fields, row),
          timeNs: plan.hasTime ? time : undefined,
        }));
        const model = { measurement: plan.measurement, rows };
        return { packed: packItem(plan.shape, model, plan), model };
      });
  });

/** A body and the items it was made of. */
export function itemsArbitrary(): fc.Arbitrary<{ body: Uint8Array; items: readonly ModelItem[] }> {
  return fc
    .tuple(fc.array(item, { maxLength: 8 }), fc.constantFrom("array", "batch"))
    .filter(([items]) => areNumbersExact(items.map(({ model }) => model)))
    .map(([items, container]) => {
      const packed = items.map((part) => part.packed);
      const single = packed.length === 1 ? packed[0] : undefined;
      const body = container === "batch" ? map({ batch: packed }) : (single ?? packed);
      return { body: pack(body), items: items.map(({ model }) => model) };
    });
}

/** The rows as `describeTables` writes them: types follow from all values of a column. */
export function modelRows(items: readonly ModelItem[], nowNs: bigint): string[] {
  const measurements = [
    ...new Set(items.filter(({ rows }) => rows.length > 0).map(({ measurement }) => measurement)),
  ];
  // Tables appear in the order in which their first item does, even if that item has no rows.
  const order = [...new Set(items.map(({ measurement }) => measurement))];
  return order
    .filter((measurement) => measurements.includes(measurement))
    .flatMap((measurement) => {
      const rows = items
        .filter((part) => part.measurement === measurement)
        .flatMap((part) => part.rows);
      const types = numberTypes(rows.map(({ fields }) => fields));
      return rows.map(({ tags, fields, timeNs: time }) => {
        const parts = [
          ...[...tags].map(([name, value]) =>
            typeof value === "string" ? `${name}:tag=${value}` : "",
          ),
          ...[...fields].map(([name, value]) => describeValue(name, value, types.get(name))),
        ].filter((part) => part !== "");
        return `${measurement} ${parts.sort().join(" ")} @${time ?? nowNs}`;
      });
    });
}

function describeValue(name: string, value: Value, type: string | undefined): string {
  if (value === null) return "";
  if (typeof value === "boolean") return `${name}:boolean=${value}`;
  if (typeof value === "string") return `${name}:string=${value}`;
  const shown = type === "float" ? Number(value.number) : value.number;
  return `${name}:${type}=${Object.is(shown, -0) ? "-0" : shown}`;
}

function numberTypes(rows: readonly Cells[]): Map<string, string> {
  const types = new Map<string, string>();
  for (const cells of rows) {
    for (const [name, value] of cells) {
      if (value === null || typeof value !== "object") continue;
      const known = types.get(name);
      if (value.isFloat || known === "float") types.set(name, "float");
      else if (value.number >= 2n ** 63n) types.set(name, "unsigned");
      else types.set(name, known ?? "integer");
    }
  }
  return types;
}

/** `mixed` must not hold integers that are not exact as floats; its integers are small, so it never does. */
function areNumbersExact(items: readonly ModelItem[]): boolean {
  return items.every(({ rows }) =>
    rows.every(({ fields }) => {
      const value = fields.get("mixed");
      return (
        value === null ||
        value === undefined ||
        typeof value !== "object" ||
        Number.isFinite(Number(value.number))
      );
    }),
  );
}

function packItem(
  shape: "row" | "columns",
  model: ModelItem,
  plan: { tags: string[]; fields: string[]; hasTime: boolean; spelling: Iterator<number> },
): Packable {
  const { measurement, rows } = model;
  const spell = (value: Value): Packable => spelled(value, plan.spelling.next().value as number);
  if (shape === "columns") {
    const columns: [string, Packable][] = [
      ...plan.fields.map((name): [string, Packable] => [
        name,
        rows.map(({ fields }) => spell(fields.get(name) ?? null)),
      ]),
      ...plan.tags.map((name): [string, Packable] => [
        name,
        rows.map(({ tags }) => spell(tags.get(name) ?? null)),
      ]),
    ];
    if (plan.hasTime) columns.push(["time", rows.map(({ timeNs: time }) => time ?? 0n)]);
    const entries: [string, Packable][] = [
      ["m", measurement],
      ["columns", { entries: columns }],
      ["tags", plan.tags],
    ];
    return shuffled({ entries }, plan.spelling);
  }
  const only = rows[0];
  const entries: [string, Packable][] = [
    ["m", measurement],
    ["fields", packCells(only?.fields, spell)],
    ["tags", packCells(only?.tags, spell)],
  ];
  if (only?.timeNs !== undefined) entries.push(["t", only.timeNs]);
  return shuffled({ entries }, plan.spelling);
}

function packCells(cells: Cells | undefined, spell: (value: Value) => Packable): PackableMap {
  return { entries: [...(cells ?? [])].map(([name, value]) => [name, spell(value)]) };
}

function shuffled(items: PackableMap, random: Iterator<number>): PackableMap {
  const entries = items.entries
    .map((entry) => ({ entry, key: random.next().value as number }))
    .sort((a, b) => a.key - b.key)
    .map(({ entry }) => entry);
  return { entries };
}

/** One of the spellings of a value: the shortest, or a wider format. */
function spelled(value: Value, choice: number): Packable {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") {
    const bytes = Buffer.from(value);
    return choice % 3 === 0
      ? new Raw(0xda, bytes.length >>> 8, bytes.length & 0xff, ...bytes)
      : value;
  }
  if (value.isFloat) return float(Number(value.number));
  const number = BigInt(value.number);
  if (choice % 3 === 0 && number >= 0n) return integer(0xcf, number);
  if (choice % 3 === 1 && number < 2n ** 63n) return integer(0xd3, number);
  return number;
}
