// @ts-check

/** The page's own speech recognition, only where the user chose it: most browsers send the voice to their maker. */

/**
 * What is used of the browser's recogniser, which few type libraries know.
 *
 * @typedef {object} Recogniser
 * @property {boolean} continuous
 * @property {boolean} interimResults
 * @property {string} lang
 * @property {((event: { results: { isFinal: boolean, [index: number]: { transcript: string } }[], resultIndex: number }) => void) | null} onresult
 * @property {((event: { error: string }) => void) | null} onerror
 * @property {(() => void) | null} onend
 * @property {() => void} start
 * @property {() => void} stop
 */

/** @typedef {{ SpeechRecognition?: new () => Recogniser, webkitSpeechRecognition?: new () => Recogniser }} Recognisers */

/** Listens, one sentence after the other. */
export class Recognition {
  /** @type {Recogniser | null} */
  #active = null;
  #on;

  /** @param {{ heard: (text: string, final: boolean) => void, trouble: (sentence: string) => void }} on */
  constructor(on) {
    this.#on = on;
  }

  /** Listen; `continuous` until `end`, else for one sentence. */
  begin(/** @type {boolean} */ continuous) {
    if (this.#active) return;
    const { SpeechRecognition, webkitSpeechRecognition } = /** @type {Recognisers} */ (window);
    const Recogniser = SpeechRecognition || webkitSpeechRecognition;
    if (!Recogniser) {
      this.#on.trouble("This browser has no speech recognition of its own: choose another engine under “Listens”, or type.");
      return;
    }
    this.#listen(new Recogniser(), continuous);
  }

  /** Hand over what was heard and stop. */
  end() {
    const recogniser = this.#active;
    this.#active = null;
    recogniser?.stop();
  }

  #listen(/** @type {Recogniser} */ recogniser, /** @type {boolean} */ continuous) {
    recogniser.continuous = continuous;
    recogniser.interimResults = true;
    recogniser.lang = document.documentElement.lang || navigator.language;
    recogniser.onresult = ({ results, resultIndex }) => {
      for (let i = resultIndex; i < results.length; i++) this.#on.heard(results[i][0].transcript, results[i].isFinal);
    };
    recogniser.onerror = ({ error }) => {
      if (error === "no-speech" || error === "aborted") return;
      if (this.#active === recogniser) this.#active = null;
      this.#on.trouble(`The browser's recognition stopped (${error}): choose another engine under “Listens”, or type.`);
    };
    recogniser.onend = () => {
      // Browsers end it after a silence; hands-free goes on listening.
      if (this.#active === recogniser && continuous) recogniser.start();
    };
    this.#active = recogniser;
    recogniser.start();
  }
}
