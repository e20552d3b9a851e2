/**
 * Hugging Face's hub as the rest of aipc sees it: settings, listings, snapshots in the cache that Python's tools share, and
 * what that cache holds. Models only (no data sets, no Spaces), reading only. Files that the hub keeps in Xet storage come
 * over plain HTTP, which it offers for all of them.
 */
export { hubSettings, type HubSettings } from './settings.js';
export { listRepo, type HubFile, type ListRepoOptions, type RepoListing } from './listing.js';
export { fetchSnapshot, type Snapshot, type SnapshotOptions } from './fetch-snapshot.js';
export type { SnapshotProgress } from './transfer-progress.js';
export { scanHubCache, type CachedRepo, type CachedRevision } from './scan-cache.js';
export { removeCachedRepo, type RemoveCachedRepoOptions } from './remove-cached-repo.js';
export { isRepoId } from './names.js';
