import { testCrashes } from "../raft-crashes.ts";

// Etcd's format has no mark for the end of a save, and its test for torn records takes sectors to be written as a whole.
testCrashes({ backend: "etcd", isAtomic: false, toleratesTornSectors: false });
