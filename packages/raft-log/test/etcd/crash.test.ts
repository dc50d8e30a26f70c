import { testCrashes } from "../raft-crashes.ts";

// Etcd's format has no mark for the end of a save, and its test for torn records takes sectors to be written as a whole.
const ETCD = { backend: "etcd", isAtomic: false, toleratesTornSectors: false } as const;

testCrashes(ETCD);
// Several files long.
testCrashes({ ...ETCD, dataBytes: [0, 3000, 25_000] });
