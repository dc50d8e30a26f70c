import { testFaults } from "../raft-faults.ts";

testFaults({ backend: "walnut", isAtomic: true, syncKind: "writeDurable" });
