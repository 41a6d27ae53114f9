// @ts-check

/** The link between one console's page and the kernel: what is sent, what comes, and what happens when it breaks. */

/** @import { ConsoleToKernel, ConsoleToPage } from "./protocol.d.ts" */
/** @import { Store } from "./store.js" */
/** @import { Bytes, Model } from "./types.d.ts" */

/**
 * What is done with each of the kernel's messages.
 *
 * @typedef {{ [K in ConsoleToPage["k"]]: (message: Extract<ConsoleToPage, { k: K }>, buffer?: Bytes) => void }} Handlers
 */

/** One link, under an id that the kernel tells pages apart by. */
export class KernelLink {
  id = Math.random().toString(36).slice(2) + Date.now().toString(36);
  #closed = false;
  #model;
  #store;
  #lost;

  /**
   * @param {Model<ConsoleToKernel, ConsoleToPage>} model
   * @param {Store} store
   * @param {() => void} lost Called when the kernel is gone.
   */
  constructor(model, store, lost) {
    this.#model = model;
    this.#store = store;
    this.#lost = lost;
  }

  /** Do what the kernel's messages ask for. */
  listen(/** @type {Handlers} */ handlers) {
    this.#model.on("msg:custom", (message, buffers = []) => this.#receive(handlers, message, buffers[0]));
    this.#model.on("comm:close", () => this.lose());
    // A connection that came back answers; one that is gone throws at the first word.
    this.#model.on("comm_live_update", () => this.hello());
  }

  /**
   * Send a message; returns whether that was possible.
   *
   * @param {ConsoleToKernel} message
   * @param {ArrayBuffer} [buffer]
   */
  send(message, buffer) {
    if (this.#closed || this.#store.local.lost) return false;
    try {
      this.#model.send(message, undefined, buffer ? [buffer] : []);
      return true;
    } catch {
      this.lose();
      return false;
    }
  }

  /** Say that this page is there: the kernel sends everything. */
  hello() {
    this.send({ k: "hello", engine: this.id });
  }

  /** The kernel is gone: nothing listens and nothing speaks. */
  lose() {
    if (this.#store.local.lost) return;
    this.#store.set({ lost: true, partial: "" });
    this.#lost();
  }

  /** Send no more. */
  close() {
    this.#closed = true;
  }

  #receive(/** @type {Handlers} */ handlers, /** @type {ConsoleToPage} */ message, /** @type {Bytes | undefined} */ buffer) {
    if (this.#store.local.lost) this.#store.set({ lost: false });
    const forAnother = "engine" in message && message.engine !== null && message.engine !== undefined && message.engine !== this.id;
    if (forAnother) return;
    const handle = /** @type {((message: ConsoleToPage, buffer?: Bytes) => void) | undefined} */ (handlers[message.k]);
    handle?.(message, buffer);
  }
}
