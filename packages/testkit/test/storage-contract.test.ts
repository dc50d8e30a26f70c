import { FaultyStorage, SimulatedDisk, storageContract, TracingStorage } from "@walnut/testkit";

async function simulated(): Promise<{ storage: SimulatedDisk; directory: string }> {
  const storage = new SimulatedDisk();
  await storage.ensureDirectory("/contract");
  return { storage, directory: "/contract" };
}

storageContract("SimulatedDisk", { open: simulated });

storageContract("FaultyStorage without rules", {
  async open() {
    const { storage, directory } = await simulated();
    return { storage: new FaultyStorage(storage, []), directory };
  },
});

storageContract("TracingStorage", {
  async open() {
    const { storage, directory } = await simulated();
    return { storage: new TracingStorage(storage, () => undefined), directory };
  },
});
