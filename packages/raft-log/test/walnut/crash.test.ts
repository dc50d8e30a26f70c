import { testCrashes } from "../raft-crashes.ts";

testCrashes({ backend: "walnut", isAtomic: true, toleratesTornSectors: true });
