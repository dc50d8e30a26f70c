/**
 * Rows in the form in which they go from one thread to another: arrays are handed over, dictionaries packed.
 *
 * A dictionary of many texts costs more to pass on than all other columns together, text by text; as one text
 * and the places where each ends it costs next to nothing. Pure.
 */
import type { Column, DictionaryColumn } from "../ingest/table-batch.ts";
import type { RowSet } from "./row-buffer.ts";

/** A dictionary as one text; entry `i` ends before `ends[i]`, in UTF-16 units. */
interface PackedDictionary {
  readonly text: string;
  readonly ends: Uint32Array;
}

type PackedColumn =
  | Exclude<Column, DictionaryColumn>
  | (Omit<DictionaryColumn, "dictionary"> & { readonly dictionary: PackedDictionary });

/** Rows that can be passed on. */
export interface PackedRows {
  readonly rowCount: number;
  readonly timestamps: BigInt64Array;
  readonly columns: readonly PackedColumn[];
}

/** Packs rows. The arrays are those of the rows, not copies. */
export function packRows({ rowCount, timestamps, columns }: RowSet): PackedRows {
  const packed = columns.map((column): PackedColumn => {
    if (!("dictionary" in column)) return column;
    return { ...column, dictionary: packDictionary(column.dictionary) };
  });
  return { rowCount, timestamps, columns: packed };
}

/** The rows that were packed. */
export function unpackRows({ rowCount, timestamps, columns }: PackedRows): RowSet {
  const unpacked = columns.map((column): Column => {
    if (!("dictionary" in column)) return column;
    return { ...column, dictionary: unpackDictionary(column.dictionary) };
  });
  return { rowCount, timestamps, columns: unpacked };
}

/** The memory behind the numbers of all columns, each once. */
export function buffersOf({ timestamps, columns }: PackedRows): readonly ArrayBuffer[] {
  const buffers = new Set([timestamps.buffer]);
  for (const column of columns) {
    buffers.add("values" in column ? column.values.buffer : column.codes.buffer);
    if (column.validity !== undefined) buffers.add(column.validity.buffer);
    if ("dictionary" in column) buffers.add(column.dictionary.ends.buffer);
  }
  return [...buffers].filter((buffer) => buffer instanceof ArrayBuffer);
}

function packDictionary(dictionary: readonly string[]): PackedDictionary {
  const ends = new Uint32Array(dictionary.length);
  let end = 0;
  for (let code = 0; code < dictionary.length; code++) {
    end += dictionary[code]?.length ?? 0;
    ends[code] = end;
  }
  return { text: dictionary.join(""), ends };
}

function unpackDictionary({ text, ends }: PackedDictionary): readonly string[] {
  const dictionary: string[] = [];
  let start = 0;
  for (const end of ends) {
    dictionary.push(text.slice(start, end));
    start = end;
  }
  return dictionary;
}
