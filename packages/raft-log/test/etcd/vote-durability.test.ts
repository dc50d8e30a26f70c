import { testVotes } from "../raft-votes.ts";

testVotes("etcd");
