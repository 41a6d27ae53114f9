/** The page's own speech recognition, only where the user chose it: most browsers send the voice to their maker. */

/** Whether this browser has a recognition of its own. */
export function canRecognise() {
  return Boolean(window.SpeechRecognition || window.webkitSpeechRecognition);
}

/** Make a recogniser; `on.heard(text, final)` and `on.trouble(sentence)` are called with what comes of it. */
export function createRecognition(on) {
  let active = null;

  function begin(continuous) {
    const Recognition = window.SpeechRecognition || window.webkitSpeechRecognition;
    if (!Recognition) {
      on.trouble("This browser has no speech recognition of its own: choose another engine under “Listens”, or type.");
      return;
    }
    const recognition = new Recognition();
    recognition.continuous = continuous;
    recognition.interimResults = true;
    recognition.lang = document.documentElement.lang || navigator.language;
    recognition.onresult = ({ results, resultIndex }) => {
      for (let i = resultIndex; i < results.length; i++) on.heard(results[i][0].transcript, results[i].isFinal);
    };
    recognition.onerror = ({ error }) => {
      if (error === "no-speech" || error === "aborted") return;
      if (active === recognition) active = null;
      on.trouble(`The browser's recognition stopped (${error}): choose another engine under “Listens”, or type.`);
    };
    recognition.onend = () => {
      // Browsers end it after a silence; hands-free goes on listening.
      if (active === recognition && continuous) recognition.start();
    };
    active = recognition;
    recognition.start();
  }

  return {
    /** Listen; `continuous` until `end`, else for one sentence. */
    begin(continuous) {
      if (!active) begin(continuous);
    },

    /** Hand over what was heard and stop. */
    end() {
      const recognition = active;
      active = null;
      recognition?.stop();
    },
  };
}
