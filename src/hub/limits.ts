/**
 * How much of what a hub says is believed: a listing comes from a server, or from a file that another program wrote.
 * Far above what model repositories have, far below what would fill memory.
 */

/** The largest model repositories have some thousands. */
export const MAX_FILES = 20_000;
/** Hugging Face sends 1,000 entries a page, 50 where they are expanded. */
export const MAX_LISTING_PAGES = 1_000;
/** All pages together: some 300 bytes an entry. */
export const MAX_LISTING_BYTES = 32 * 2 ** 20;
/** The answer about one revision: it lists the names of all files, too. */
export const MAX_REVISION_BYTES = 8 * 2 ** 20;
/** Hugging Face takes files up to 500 GB. */
export const MAX_FILE_BYTES = 2 ** 40;
/** Of a whole path: what Linux opens within a cache folder of usual length. */
export const MAX_PATH_CHARACTERS = 1_024;
/** Of one name within a path, in UTF-8: what ext4, NTFS and APFS store. */
export const MAX_NAME_BYTES = 255;
/** A ref file holds 40 hexadecimal digits. */
export const MAX_REF_BYTES = 1_024;
