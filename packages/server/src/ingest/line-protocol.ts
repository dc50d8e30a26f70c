/**
 * InfluxDB line protocol to typed columns. Strict: one bad line refuses the whole body.
 *
 * The decoder predicts that a line has the shape of an earlier one (line-shape.ts) and then only compares the
 * bytes of its keys and writes its values into typed arrays (line-row-reader.ts). A line that differs in any way
 * is walked by line-scanner.ts, its shape is found or made by line-shapes.ts, and it is read again.
 *
 * Rules that the format leaves open: docs/ingest-formats.md, section "Line protocol".
 */
import { BatchBuilder } from "./batch-builder.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import { LineBody } from "./line-body.ts";
import { failStoppedLine } from "./line-diagnosis.ts";
import { LineRowReader, MISMATCH } from "./line-row-reader.ts";
import { LineScanner } from "./line-scanner.ts";
import type { LineShape } from "./line-shape.ts";
import { LineShapes } from "./line-shapes.ts";
import { PRECISION_SCALES, type Precision } from "./precision.ts";
import type { IngestBatch } from "./table-batch.ts";

export interface LineProtocolOptions {
  readonly database: string;
  /** Unit of the timestamps in the body. */
  readonly precision: Precision;
  /** Timestamp of lines that have none, in nanoseconds since 1970. */
  readonly nowNs: bigint;
  readonly limits: IngestLimits;
}

const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;

/**
 * Decodes one request body.
 *
 * The body is not changed, and the batch does not refer to it.
 *
 * @throws {ServerError} `SERVER_INVALID_LINE`, `SERVER_TYPE_CONFLICT`, `SERVER_TOO_LARGE`, each with details
 *   `line` (from 1), `offsetBytes` (from 0, in the body), `reason` and `text`
 */
export function decodeLineProtocol(body: Uint8Array, options: LineProtocolOptions): IngestBatch {
  return new LineProtocolDecoder(new LineBody(body), options).decode();
}

class LineProtocolDecoder {
  readonly #body: LineBody;
  readonly #limits: IngestLimits;
  readonly #batch: BatchBuilder;
  readonly #scanner: LineScanner;
  readonly #shapes: LineShapes;
  readonly #rows: LineRowReader;

  constructor(body: LineBody, options: LineProtocolOptions) {
    this.#body = body;
    this.#limits = options.limits;
    this.#scanner = new LineScanner(body);
    this.#batch = new BatchBuilder({
      database: options.database,
      limits: options.limits,
      body: body.bytes,
      fail: (limit, reason) =>
        body.fail({ code: "SERVER_TOO_LARGE", at: body.lineStart, reason, details: { limit } }),
    });
    this.#shapes = new LineShapes({ body, batch: this.#batch, scanner: this.#scanner });
    this.#rows = new LineRowReader(body, {
      scale: PRECISION_SCALES[options.precision],
      nowNs: options.nowNs,
    });
  }

  decode(): IngestBatch {
    const body = this.#body;
    const { bytes } = body;
    const { maxLineBytes, maxRows } = this.#limits;
    let rows = 0;
    let shape: LineShape | undefined;
    let position = nextLine(bytes, 0);
    while (position < bytes.length) {
      body.lineStart = position;
      let next = MISMATCH;
      const previous: LineShape | undefined = shape;
      if (previous !== undefined) {
        shape = previous.successor;
        next = this.#rows.readRow(shape, position);
      }
      if (next === MISMATCH) {
        const found = this.#shapes.find(position);
        next = this.#rows.readRow(found, position);
        if (next === MISMATCH) this.#failStopped(found);
        if (previous !== undefined) previous.successor = found;
        shape = found;
      }
      if (next - position - 1 > maxLineBytes) {
        const reason = `the line is longer than ${maxLineBytes} bytes`;
        body.fail({ at: position, reason, details: { limit: "maxLineBytes" } });
      }
      if (++rows > maxRows) {
        this.#batch.fail("maxRows", `the request has more rows than ${maxRows}`);
      }
      position = nextLine(bytes, next);
    }
    this.#shapes.finish();
    return this.#batch.finish();
  }

  #failStopped(shape: LineShape): never {
    return failStoppedLine(this.#body, {
      measurement: shape.table.rows.measurement,
      stoppedAt: this.#rows.stoppedAt,
      column: this.#rows.stoppedColumn,
      scanner: this.#scanner,
      limits: this.#limits,
    });
  }
}

/** Position of the first byte of the next line with data, after blank lines, comments and indentation. */
function nextLine(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    // At the end of the body there is no byte, and the comparison is false.
    const byte = bytes[at] as number;
    if (!(byte <= HASH)) return at;
    if (byte === SPACE || byte === TAB || byte === NEWLINE) at++;
    else if (byte === HASH) at = bytes.indexOf(NEWLINE, at) + 1;
    else if (byte === CARRIAGE_RETURN && bytes[at + 1] === NEWLINE) at += 2;
    else return at;
  }
}
