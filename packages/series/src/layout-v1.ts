/** Layout v1 of entries: the one that the first series logs used, with lengths of two bytes. */

/** Longest value that layout v1 can hold, in bytes: its length field has 16 bits. */
export const MAX_VALUE_BYTES_V1 = 65_535;
