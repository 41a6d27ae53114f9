// @ts-check

/** What every widget says when its kernel is gone. */
export const LOST = "The kernel has restarted or the connection is lost: run the cell again.";
