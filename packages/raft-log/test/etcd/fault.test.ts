import { testFaults } from "../raft-faults.ts";

testFaults({ backend: "etcd", isAtomic: false, syncKind: "syncData" });
