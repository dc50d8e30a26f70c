import { testVotes } from "../raft-votes.ts";

testVotes("walnut");
