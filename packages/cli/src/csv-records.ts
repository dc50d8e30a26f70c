/** CSV as RFC 4180 has it, a record at a time; knows which cells were quoted: `""` is a text, nothing is none. Pure. */

/** One cell. */
export interface CsvCell {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Reads records out of pieces of text. */
export class CsvRecords {
  #cells: CsvCell[] = [];
  #text = "";
  #isQuoted = false;
  #isOpen = false;
  /** A quote inside a quoted cell: its end, or the first half of a quote. */
  #hasQuote = false;

  /** More text, and the records that it completes. */
  *push(text: string): Generator<readonly CsvCell[]> {
    for (const character of text) {
      if (this.#isOpen && !this.#hasQuote) {
        if (character === '"') this.#hasQuote = true;
        else this.#text += character;
        continue;
      }
      if (this.#hasQuote && character === '"') {
        this.#hasQuote = false;
        this.#text += '"';
        continue;
      }
      if (this.#hasQuote) {
        this.#hasQuote = false;
        this.#isOpen = false;
      }
      if (character === '"' && this.#text === "" && !this.#isQuoted) {
        this.#isQuoted = true;
        this.#isOpen = true;
      } else if (character === ",") this.#endCell();
      else if (character === "\n") yield this.#endRecord();
      // Behind the quotes of a file that Windows has touched.
      else if (character !== "\r" || !this.#isQuoted) this.#text += character;
    }
  }

  /** The last record, when no line feed ended it; `undefined` inside of quotes, where the file was cut. */
  end(): readonly CsvCell[] | undefined {
    if (this.#isOpen && !this.#hasQuote) return undefined;
    const isEmpty = this.#cells.length === 0 && this.#text === "" && !this.#isQuoted;
    return isEmpty ? [] : this.#endRecord();
  }

  #endCell(): void {
    this.#cells.push({ text: this.#text, isQuoted: this.#isQuoted });
    this.#text = "";
    this.#isQuoted = false;
    this.#isOpen = false;
    this.#hasQuote = false;
  }

  #endRecord(): readonly CsvCell[] {
    if (!this.#isQuoted && this.#text.endsWith("\r")) this.#text = this.#text.slice(0, -1);
    this.#endCell();
    const cells = this.#cells;
    this.#cells = [];
    return cells;
  }
}
