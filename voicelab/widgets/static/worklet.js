// @ts-check

/** What runs on the audio thread, as text: an AudioWorklet is loaded from an address, and a Blob's needs no server. */

import { Capture } from "./capture.js";

export const WORKLET_SOURCE = `${Capture}

registerProcessor("voicelab-capture", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.capture = new Capture(sampleRate, (heard, owned = []) => this.port.postMessage(heard, owned));
    this.port.onmessage = ({ data }) => this.capture.obey(data);
  }

  process([input]) {
    return this.capture.process(input ?? [], currentTime);
  }
});
`;
