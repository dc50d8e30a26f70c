/** Remote-write requests as protobufjs encodes them: another implementation of the same schema. */
import protobuf from "protobufjs";

const SCHEMA = `
  syntax = "proto3";
  package prometheus;
  message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
  message MetricMetadata { int32 type = 1; string metric_family_name = 2; string help = 4; string unit = 5; }
  message TimeSeries {
    repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3;
    repeated Histogram histograms = 4;
  }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }
  message Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }
  message Histogram { uint64 count_int = 1; double sum = 3; sint32 schema = 4; }
`;

const WriteRequest = protobuf
  .parse(SCHEMA, { keepCase: true })
  .root.lookupType("prometheus.WriteRequest");

export interface WrittenSample {
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

export interface WrittenSeries {
  readonly labels: readonly { readonly name: string; readonly value: string }[];
  readonly samples: readonly WrittenSample[];
  readonly exemplars?: readonly object[];
  readonly histograms?: readonly object[];
}

/** One series: `labels` by name, `__name__` among them. */
export function series(
  labels: Readonly<Record<string, string>>,
  ...samples: readonly (readonly [timestamp: number, value: number])[]
): WrittenSeries {
  return {
    labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
    samples: samples.map(([timestamp, value]) => ({ timestamp, value })),
  };
}

/** Encodes a request. */
export function writeRequest(
  timeseries: readonly WrittenSeries[],
  metadata: readonly object[] = [],
): Uint8Array {
  return WriteRequest.encode(WriteRequest.fromObject({ timeseries, metadata })).finish();
}
