import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { ServerError } from "../../src/errors.ts";
import {
  decodeIngestBatch,
  encodeIngestBatch,
  INGEST_RECORD_VERSION,
} from "../../src/ingest/batch-codec.ts";
import { INGEST_HEADER_BYTES } from "../../src/ingest/batch-format.ts";
import type { Column, IngestBatch, TableBatch } from "../../src/ingest/table-batch.ts";

function batchOf(...tables: TableBatch[]): IngestBatch {
  return { tables, rowCount: tables.reduce((sum, table) => sum + table.rowCount, 0) };
}

function tableOf(rowCount: number, columns: Column[], names: Partial<TableBatch> = {}): TableBatch {
  const timestamps = BigInt64Array.from({ length: rowCount }, (_, row) => BigInt(row) - 5n);
  return { database: "db", measurement: "m", rowCount, timestamps, columns, ...names };
}

function copyAt(bytes: Uint8Array, misalignment: number): Uint8Array {
  const memory = new Uint8Array(bytes.length + 16);
  memory.set(bytes, misalignment);
  return memory.subarray(misalignment, misalignment + bytes.length);
}

function assertCorrupt(bytes: Uint8Array): void {
  for (const isLent of [false, true]) {
    assert.throws(
      () => decodeIngestBatch(bytes, { isLent }),
      (error) => error instanceof ServerError && error.code === "SERVER_STORAGE_CORRUPT",
    );
  }
}

const EXOTIC: IngestBatch = batchOf(
  tableOf(
    3,
    [
      {
        name: "__proto__",
        type: "tag",
        validity: undefined,
        codes: Uint32Array.of(0, 1, 2),
        dictionary: ["", "constructor", "é\u{1f600}\u{feff}"],
      },
      {
        name: "m",
        type: "string",
        validity: Uint8Array.of(0b101),
        codes: Uint32Array.of(1, 0, 0),
        dictionary: ["a\0b", "line\nbreak"],
      },
      {
        name: "database",
        type: "float",
        validity: undefined,
        values: Float64Array.of(-0, 5e-324, Number.MAX_VALUE),
      },
      {
        name: "time",
        type: "integer",
        validity: undefined,
        values: BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 63n - 1n),
      },
      {
        name: "",
        type: "unsigned",
        validity: Uint8Array.of(0b010),
        values: BigUint64Array.of(0n, 2n ** 64n - 1n, 0n),
      },
      { name: "flag", type: "boolean", validity: undefined, values: Uint8Array.of(1, 0, 1) },
      {
        name: "null text",
        type: "string",
        validity: Uint8Array.of(0),
        codes: new Uint32Array(3),
        dictionary: [],
      },
      {
        name: "null number",
        type: "float",
        validity: Uint8Array.of(0),
        values: new Float64Array(3),
      },
    ],
    { timestamps: BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 63n - 1n) },
  ),
  tableOf(1, [], { measurement: "__proto__" }),
  tableOf(0, [], { database: "", measurement: "" }),
);

suite("encodeIngestBatch and decodeIngestBatch", () => {
  test("keep an exotic batch exactly", () => {
    assert.deepStrictEqual(decodeIngestBatch(encodeIngestBatch(EXOTIC)), EXOTIC);
    assert.deepStrictEqual(decodeIngestBatch(encodeIngestBatch(batchOf())), batchOf());
  });

  test("keep a batch at any address, aligned or not", () => {
    const bytes = encodeIngestBatch(EXOTIC);
    for (let misalignment = 0; misalignment < 9; misalignment++) {
      assert.deepStrictEqual(decodeIngestBatch(copyAt(bytes, misalignment)), EXOTIC);
      const lent = copyAt(bytes, misalignment);
      const batch = decodeIngestBatch(lent, { isLent: true });
      lent.fill(0xff);
      assert.deepStrictEqual(batch, EXOTIC);
      assert.deepStrictEqual(decodeIngestBatch(Buffer.from(copyAt(bytes, misalignment))), EXOTIC);
    }
  });

  test("keep float bits, NaN payloads included", () => {
    const values = new Float64Array(
      new BigUint64Array([0x7ff8_0000_dead_beefn, 0x8000_0000_0000_0000n]).buffer,
    );
    const batch = batchOf(tableOf(2, [{ name: "f", type: "float", validity: undefined, values }]));
    const column = decodeIngestBatch(encodeIngestBatch(batch)).tables[0]?.columns[0];
    assert.ok(column?.type === "float");
    assert.deepEqual(
      new BigUint64Array(column.values.buffer, column.values.byteOffset, 2),
      new BigUint64Array(values.buffer),
    );
  });

  for (const entryCount of [0, 1, 255, 256, 257, 65_535, 65_536, 65_537]) {
    test(`keep a dictionary of ${entryCount} entries`, () => {
      const dictionary = Array.from({ length: entryCount }, (_, code) => `v${code}`);
      const codes = Uint32Array.from({ length: Math.max(1, entryCount) }, (_, row) => row);
      const batch = batchOf(
        tableOf(codes.length, [
          {
            name: "t",
            type: "tag",
            validity: entryCount === 0 ? Uint8Array.of(0) : undefined,
            codes,
            dictionary,
          },
        ]),
      );
      assert.deepStrictEqual(decodeIngestBatch(encodeIngestBatch(batch)), batch);
    });
  }

  for (const rowCount of [0, 1, 7, 8, 9, 63, 64, 65]) {
    test(`keep ${rowCount} rows of every type, with and without nulls`, () => {
      const everyThird = Uint8Array.from({ length: Math.ceil(rowCount / 8) }, (_, byte) => {
        let bits = 0;
        for (let bit = 0; bit < 8; bit++)
          if (byte * 8 + bit < rowCount && (byte * 8 + bit) % 3 === 0) bits |= 1 << bit;
        return bits;
      });
      for (const validity of [undefined, everyThird]) {
        const batch = batchOf(
          tableOf(rowCount, [
            { name: "a", type: "boolean", validity, values: new Uint8Array(rowCount).fill(1) },
            {
              name: "b",
              type: "string",
              validity,
              codes: new Uint32Array(rowCount),
              dictionary: ["x"],
            },
            { name: "c", type: "float", validity, values: new Float64Array(rowCount).fill(1.5) },
            {
              name: "d",
              type: "unsigned",
              validity,
              values: new BigUint64Array(rowCount).fill(7n),
            },
          ]),
        );
        const bytes = encodeIngestBatch(batch);
        assert.equal(bytes.length % 8, 0);
        assert.deepStrictEqual(decodeIngestBatch(bytes), batch);
      }
    });
  }

  test("keep any batch", () => {
    fc.assert(
      fc.property(batches, (batch) => {
        assert.deepStrictEqual(decodeIngestBatch(encodeIngestBatch(batch)), batch);
      }),
      { numRuns: 300, seed: Number(process.env["SEED"] ?? 20_261_120) },
    );
  });

  test("write only the rows, whatever array they are a view of", () => {
    const memory = new Float64Array(10).fill(9);
    const batch = batchOf(
      tableOf(2, [
        {
          name: "f",
          type: "float",
          validity: Uint8Array.of(3, 0, 0),
          values: memory.subarray(4, 6),
        },
      ]),
    );
    const column = decodeIngestBatch(encodeIngestBatch(batch)).tables[0]?.columns[0];
    assert.ok(column?.type === "float");
    assert.deepEqual([...column.values], [9, 9]);
    assert.deepEqual(column.validity, Uint8Array.of(3));
  });

  test("read in place where memory is aligned", () => {
    const batch = batchOf(
      tableOf(4, [{ name: "f", type: "float", validity: undefined, values: new Float64Array(4) }]),
    );
    const bytes = encodeIngestBatch(batch);
    assert.equal(decodeIngestBatch(bytes).tables[0]?.timestamps.buffer, bytes.buffer);
    const unaligned = copyAt(bytes, 3);
    assert.notEqual(decodeIngestBatch(unaligned).tables[0]?.timestamps.buffer, unaligned.buffer);
  });

  test("copy a table of a lent record as one piece that holds nothing of other tables", () => {
    const float: Column = {
      name: "f",
      type: "float",
      validity: undefined,
      values: new Float64Array(1_000),
    };
    const boolean: Column = {
      name: "b",
      type: "boolean",
      validity: Uint8Array.of(1),
      values: Uint8Array.of(1),
    };
    const batch = batchOf(tableOf(1_000, [float]), tableOf(1, [boolean], { measurement: "small" }));
    const { tables } = decodeIngestBatch(encodeIngestBatch(batch), { isLent: true });
    const [large, small] = tables.map(({ timestamps, columns }) => {
      const [column] = columns;
      assert.ok(column !== undefined && "values" in column);
      assert.equal(column.values.buffer, timestamps.buffer);
      return timestamps.buffer.byteLength;
    });
    assert.ok(large !== undefined && large >= 16_000 && large < 16_200, `${large} bytes`);
    assert.ok(small !== undefined && small < 200, `${small} bytes`);
  });
});

suite("decodeIngestBatch on damaged records", () => {
  test("refuses a record cut at any byte, and one with bytes added", () => {
    const bytes = encodeIngestBatch(EXOTIC);
    for (let length = 0; length < bytes.length; length++) assertCorrupt(bytes.subarray(0, length));
    assertCorrupt(Uint8Array.of(...bytes, 0, 0, 0, 0, 0, 0, 0, 0));
  });

  test("refuses or reads every flipped bit, and throws nothing else", () => {
    const bytes = encodeIngestBatch(EXOTIC);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      for (const isLent of [false, true]) {
        try {
          const batch = decodeIngestBatch(damaged, { isLent });
          assert.notDeepStrictEqual(batch, EXOTIC, `bit ${bit} has no meaning`);
        } catch (error) {
          assert.ok(
            error instanceof ServerError && error.code === "SERVER_STORAGE_CORRUPT",
            String(error),
          );
        }
      }
    }
  });

  test("refuses another version", () => {
    const bytes = encodeIngestBatch(EXOTIC);
    for (const version of [0, INGEST_RECORD_VERSION + 1, 255]) {
      bytes[0] = version;
      assertCorrupt(bytes);
    }
  });

  test("refuses forged counts without allocating for them", () => {
    const bytes = encodeIngestBatch(
      batchOf(
        tableOf(1, [
          {
            name: "t",
            type: "tag",
            validity: undefined,
            codes: Uint32Array.of(0),
            dictionary: ["v"],
          },
        ]),
      ),
    );
    const view = new DataView(bytes.buffer);
    const before = process.memoryUsage().arrayBuffers;
    for (let offset = 4; offset + 4 <= bytes.length; offset += 4) {
      const original = view.getUint32(offset, true);
      for (const forged of [original + 1, 0x7fff_ffff, 0xffff_ffff]) {
        view.setUint32(offset, forged, true);
        try {
          decodeIngestBatch(bytes);
        } catch (error) {
          assert.ok(
            error instanceof ServerError && error.code === "SERVER_STORAGE_CORRUPT",
            String(error),
          );
        }
      }
      view.setUint32(offset, original, true);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
  });

  const damages: { name: string; batch: IngestBatch }[] = [
    {
      name: "a code outside the dictionary",
      batch: batchOf(
        tableOf(1, [
          {
            name: "t",
            type: "tag",
            validity: undefined,
            codes: Uint32Array.of(1),
            dictionary: ["v"],
          },
        ]),
      ),
    },
    {
      name: "a boolean that is neither 0 nor 1",
      batch: batchOf(
        tableOf(1, [{ name: "b", type: "boolean", validity: undefined, values: Uint8Array.of(2) }]),
      ),
    },
    {
      name: "validity bits past the last row",
      batch: batchOf(
        tableOf(1, [
          { name: "b", type: "boolean", validity: Uint8Array.of(3), values: Uint8Array.of(1) },
        ]),
      ),
    },
    {
      name: "a column name twice",
      batch: batchOf(
        tableOf(
          0,
          [0, 1].map(() => ({
            name: "b",
            type: "boolean",
            validity: undefined,
            values: new Uint8Array(0),
          })),
        ),
      ),
    },
    { name: "a table twice", batch: batchOf(tableOf(1, []), tableOf(1, [])) },
    { name: "a wrong total of rows", batch: { tables: [tableOf(1, [])], rowCount: 2 } },
  ];
  for (const { name, batch } of damages) {
    test(`refuses ${name}`, () => assertCorrupt(encodeIngestBatch(batch)));
  }

  test("agrees with the example in docs/ingest-record-format.md", () => {
    const batch = batchOf({
      database: "db",
      measurement: "cpu",
      rowCount: 2,
      timestamps: BigInt64Array.of(1n, 2n),
      columns: [
        {
          name: "host",
          type: "tag",
          validity: undefined,
          codes: Uint32Array.of(0, 1),
          dictionary: ["a", "b"],
        },
        {
          name: "usage",
          type: "float",
          validity: Uint8Array.of(0b01),
          values: Float64Array.of(1.5, 0),
        },
      ],
    });
    const document = readFileSync(
      new URL("../../../../docs/ingest-record-format.md", import.meta.url),
      "utf8",
    );
    const hex = [...document.matchAll(/^ {4}[0-9a-f]{4} {2}((?:[0-9a-f]{2} ){1,16})/gm)]
      .map((match) => match[1])
      .join("");
    const bytes = encodeIngestBatch(batch);
    assert.equal(hex.replaceAll(" ", ""), Buffer.from(bytes).toString("hex"));
    assert.equal(bytes.length, INGEST_HEADER_BYTES * 4 + 8 + 16 + (8 + 8 + 8 + 8) + (8 + 8 + 16));
  });
});

const text = fc.string({ unit: "grapheme", maxLength: 6 });

const batches = fc
  .uniqueArray(fc.tuple(text, text), { maxLength: 4, selector: (names) => JSON.stringify(names) })
  .chain((names) =>
    fc.tuple(...names.map(([database, measurement]) => anyTable(database, measurement))),
  )
  .map((parts) => batchOf(...parts));

function anyTable(database: string, measurement: string): fc.Arbitrary<TableBatch> {
  return fc
    .tuple(fc.integer({ min: 0, max: 20 }), fc.uniqueArray(text, { maxLength: 5 }))
    .chain(([rowCount, names]) =>
      fc.record({
        timestamps: fc.bigInt64Array({ minLength: rowCount, maxLength: rowCount }),
        columns: fc.tuple(...names.map((name) => anyColumn(name, rowCount))),
      }),
    )
    .map(({ timestamps, columns }) => ({
      database,
      measurement,
      rowCount: timestamps.length,
      timestamps,
      columns,
    }));
}

function anyColumn(name: string, rowCount: number): fc.Arbitrary<Column> {
  const length = { minLength: rowCount, maxLength: rowCount };
  const validity = fc.option(
    fc.array(fc.boolean(), length).map((bits) => {
      const bytes = new Uint8Array(Math.ceil(rowCount / 8));
      bits.forEach(
        (bit, row) => (bytes[row >>> 3] = (bytes[row >>> 3] ?? 0) | (Number(bit) << (row & 7))),
      );
      return bytes;
    }),
    { nil: undefined },
  );
  return fc
    .oneof(
      fc.record({
        name: fc.constant(name),
        type: fc.constant("float" as const),
        validity,
        values: fc.float64Array({ ...length, noNaN: true }),
      }),
      fc.record({
        name: fc.constant(name),
        type: fc.constant("integer" as const),
        validity,
        values: fc.bigInt64Array(length),
      }),
      fc.record({
        name: fc.constant(name),
        type: fc.constant("unsigned" as const),
        validity,
        values: fc.bigUint64Array(length),
      }),
      fc.record({
        name: fc.constant(name),
        type: fc.constant("boolean" as const),
        validity,
        values: fc.uint8Array({ ...length, max: 1 }),
      }),
      fc.array(text, { minLength: 1, maxLength: 5 }).chain((dictionary) =>
        fc.record({
          name: fc.constant(name),
          type: fc.constantFrom("tag" as const, "string" as const),
          validity,
          codes: fc.uint32Array({ ...length, max: dictionary.length - 1 }),
          dictionary: fc.constant(dictionary),
        }),
      ),
    )
    .map((made) => ({ ...made }));
}
