/** Reads files of tables: local ones from the Parquet root, those in the bucket through the cache. */
import type { CatalogFile } from "../store/catalog-record.ts";
import type { FileAccess } from "../store/file-access.ts";
import type { FileCache } from "./file-cache.ts";
import type { ObjectContent } from "./object-store.ts";

/** Files of a Parquet root, and of the bucket. */
export function objectFileAccess(options: {
  readonly root: string;
  readonly cache: FileCache;
  readonly cacheDirectory: string;
}): FileAccess {
  const { root, cache, cacheDirectory } = options;
  return {
    directories: [root, cacheDirectory],
    async open(files, signal) {
      const lease = await cache.acquire(files.flatMap(contentIfObject), signal);
      return {
        pathOf: (file) => {
          const [content] = contentIfObject(file);
          return content === undefined ? `${root}/${file.path}` : lease.pathOf(content.sha256);
        },
        release: () => lease.release(),
      };
    },
  };
}

/** What is in the bucket of a file, or nothing when it is local. */
function contentIfObject({ place, key, sha256, bytes }: CatalogFile): readonly ObjectContent[] {
  if (place !== "object" || key === undefined || sha256 === undefined) return [];
  return [{ key, sha256, bytes }];
}
