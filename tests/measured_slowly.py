"""The measures once more, by another way: from a record's spans, moment by moment, as docs/measures.md says them in words.

Nothing of `voicelab.measures` takes part. The agent's sounds are the spans of the timeline that people look at; time is cut at
every boundary, and what lies between two of them is looked at in its middle.
"""

import itertools
import statistics

import numpy as np

from voicelab.base.pace import speech_seconds
from voicelab.callers.backchannels import interrupts
from voicelab.record.lanes import Lanes
from voicelab.speech.words import normalized, words_and_errors

CLOSE_S = 1e-6


class Slowly:
    """One session.

    Args:
        record: Its record.
    """

    def __init__(self, record):
        self.events = record.events
        self.length_s = record.duration_s
        self.imported = record.source == "imported"
        lanes = Lanes()
        for event in self.events:
            lanes.take(event)
        lanes.end(self.length_s)
        spans = [(event, span) for event in self.events for span in lanes.spans(event.seq) if span.kind == "span"]
        self.played = [(event, span.start_s, span.end_s) for event, span in spans if span.lane == "agent"]
        self.sounds = [one for one in self.played if one[0].name != "silence"]
        self.said = [self._said(event, lanes) for event in self.events if self._is_callers(event)]
        self.words = [one for one in self.said if one[0].kind == "input"]
        self.aloud = [one for one in self.said if one[2] > one[1] or self._is_aloud(one[0])]

    @staticmethod
    def _is_callers(event):
        if event.kind == "input":
            return event.name in ("text", "dtmf")
        return event.kind == "system" and event.name in ("unheard", "backchannel")

    @staticmethod
    def _is_aloud(event):
        return event.name != "dtmf" and (event.kind == "system" or event.data.get("source") == "speech")

    def _said(self, event, lanes):
        end_s = event.time_s
        if event.kind == "input":
            waited = [e.time_s for e in self.events if e.name == "input_held" and e.kind == "system"]
            came = [e for e in self.events if e.kind == "input" and e.name in ("text", "dtmf")]
            # Who came after a row that says that something waits was it: they come in in the order in which they waited.
            place = self._waited(came, waited)
            end_s = place.get(event.seq, end_s)
        if not self._is_aloud(event):
            return (event, end_s, end_s)
        data = event.data
        if data.get("audio_s"):
            over_s = end_s - data.get("end_of_turn_s", 0.0)
            return (
                event,
                max(0.0, over_s - data["speech_s"] if "speech_s" in data else end_s - data["audio_s"]),
                over_s,
            )
        if event.kind == "input" and event.seq not in self._held:
            begin_s, end_s = lanes_heard(lanes, event)
            return (event, begin_s, end_s)
        return (event, max(0.0, end_s - speech_seconds(data.get("said", data.get("text", "")))), end_s)

    def _waited(self, came, waited):
        self._held = {}
        for time_s in waited:
            later = next(
                (e for e in came if e.seq not in self._held and self._row(time_s) < e.seq and e.time_s >= time_s), None
            )
            if later is not None:
                self._held[later.seq] = time_s
        return self._held

    def _row(self, time_s):
        return next(e.seq for e in self.events if e.name == "input_held" and e.time_s == time_s)

    # --- the measures ---

    def measures(self):
        answers = self.answers()
        yields, then, n_false = self.interruptions()
        silences = [b - a for a, b in self.silent()]
        n_words, n_errors = self.counted()
        agent_s = sum(b - a for _, a, b in self.sounds)
        spoken_s = sum(b - a for _, a, b in self.aloud)
        typed_s = sum(
            speech_seconds(e.data.get("said", e.data["text"]))
            for e, *_ in self.words
            if e.name == "text" and not self._is_aloud(e)
        )
        texts = [(e, a, b) for e, a, b in self.sounds if normalized(str(e.data.get("text", "")))]
        n_heard = sum(len(normalized(self.heard(e))) for e, *_ in texts)
        both = bool(self.sounds and self.aloud)
        first = self.sounds[0][1] if self.sounds else None
        begins = first is not None and (not self.words or first <= self.words[0][1])
        text_s = sum(b - a for _, a, b in texts)
        aloud_words = sum(self.counts(e)[0] for e, *_ in self.aloud)
        talk_s = agent_s + spoken_s + typed_s
        return {
            "answer_s_median": statistics.median(answers) if answers else None,
            "answer_s_p95": float(np.quantile(answers, 0.95)) if answers else None,
            "n_answers": len(answers),
            "first_sound_s": first if begins else None,
            "dead_air_s": sum(silences) if self.length_s > 0 else None,
            "dead_air_s_longest": max(silences, default=0.0) if self.length_s > 0 else None,
            "talk_over_s": self.talk_over() if both else None,
            "yield_s_median": statistics.median(yields) if yields else None,
            "n_caller_interruptions": len(yields) if self.sounds else None,
            "n_agent_interruptions": len(self.cut_offs()) if both else None,
            "n_false_interruptions": n_false if self.sounds else None,
            **{
                f"n_interruptions_{what}": then.count(what) if yields else None
                for what in ("went_on", "repeated", "started_over", "ignored")
            },
            "n_agent_repeats": self.agent_repeats(texts) if texts else None,
            "n_caller_repeats": self.caller_repeats() if self.words else None,
            "words": n_words,
            "word_errors": n_errors,
            "talk_share": agent_s / talk_s if talk_s else None,
            "agent_talk_s": agent_s,
            "caller_talk_s": spoken_s + typed_s,
            "agent_words": n_heard,
            "agent_words_per_min": 60 * n_heard / text_s if text_s else None,
            "caller_words_per_min": 60 * aloud_words / spoken_s if spoken_s else None,
        }

    def answers(self):
        found = []
        for at, (event, _, end_s) in enumerate(self.words):
            until = self.words[at + 1][0].seq if at + 1 < len(self.words) else len(self.events)
            sounds = [start_s for e, start_s, _ in self.sounds if event.seq < e.seq < until]
            found += [max(0.0, min(sounds) - end_s)] if sounds else []
        return found

    def _pieces(self):
        """Return the stretches of time in which nothing begins or ends."""
        cuts = {0.0, self.length_s}
        for _, start_s, end_s in (*self.played, *self.said):
            cuts |= {start_s, end_s}
        ordered = sorted(cuts)
        return [(a, b) for a, b in itertools.pairwise(ordered) if b - a > CLOSE_S]

    @staticmethod
    def _any_at(heard, time_s):
        return any(start_s <= time_s < end_s for _, start_s, end_s in heard)

    def silent(self):
        found = []
        points = {start_s for _, start_s, end_s in (*self.played, *self.said) if end_s == start_s}
        for a, b in self._pieces():
            middle = (a + b) / 2
            if self._any_at(self.played, middle) or self._any_at(self.said, middle) or middle > self.length_s:
                continue
            joins = (
                found and abs(found[-1][1] - a) <= CLOSE_S and not any(abs(a - point) <= CLOSE_S for point in points)
            )
            if joins:
                found[-1] = (found[-1][0], b)
            else:
                found.append((a, b))
        return [(a, b) for a, b in found if b - a > 1.0 + 1e-6]

    def talk_over(self):
        total = 0.0
        for a, b in self._pieces():
            middle = (a + b) / 2
            n_callers = sum(start_s <= middle < end_s for _, start_s, end_s in self.aloud)
            total += (b - a) * n_callers if self._any_at(self.sounds, middle) else 0.0
        return total

    def cut_offs(self):
        spoken = [one for one in self.aloud if one[0].name == "text"]
        found = []
        for at, (event, start_s, _) in enumerate(self.sounds):
            onset = at == 0 or start_s - self.sounds[at - 1][2] > 0.2
            if onset and any(a + CLOSE_S < start_s < b - CLOSE_S for _, a, b in spoken):
                found.append(event.seq)
        return found

    def interruptions(self):
        yields, then, n_false = [], [], 0
        for at, (event, begin_s, _) in enumerate(self.words):
            before = self.words[at - 1][0].seq if at else -1
            stopped = self.stopped_by(event, before)
            held = stopped is None and event.seq in self._held
            if held:
                over = [s for s in self.sounds if s[0].seq < event.seq and s[1] <= begin_s < s[2] - CLOSE_S]
                stopped = over[0] if over else None
            if stopped is None or stopped[0].seq in self.cut_offs():
                continue
            sound, start_s, end_s = stopped
            whole_s = max(
                sound.data.get("duration_s") or speech_seconds(sound.data.get("text", ""), sound.data.get("speed")),
                end_s - start_s,
            )
            text = event.data.get("said", event.data.get("text"))
            if not held and text is not None and interrupts(0.0, text, whole_s - (end_s - start_s)) is False:
                n_false += 1
                continue
            silent_s = end_s
            for e, a, b in self.sounds:
                if sound.seq < e.seq < event.seq and a - silent_s <= 0.2:
                    silent_s = b
            yields.append(max(0.0, silent_s - begin_s))
            until = self.words[at + 1][0].seq if at + 1 < len(self.words) else len(self.events)
            then.append(self.followed(event, stopped, until))
        for event, *_ in self.said:
            if event.name == "unheard":
                before = max((e.seq for e, *_ in self.words if e.seq < event.seq), default=-1)
                others = [e.seq for e, *_ in self.said if e.name == "unheard" and before < e.seq < event.seq]
                n_false += self.stopped_by(event, max([before, *others])) is not None
        return yields, then, n_false

    def stopped_by(self, event, before):
        """Return the sound that the last row before an event stopped which says that the agent is interrupted."""
        rows = [e for e in self.events[before + 1 : event.seq] if e.name == "turn_interrupted" and e.kind == "system"]
        for row in rows[-1:]:
            cut = [s for s in self.sounds if s[0].seq < row.seq and s[0].data.get("interrupted")]
            last = [s for s in self.played if s[0].seq < row.seq]
            if cut and cut[-1] == last[-1] and row.time_s - cut[-1][2] <= 0.5:
                return cut[-1]
        return None

    def followed(self, event, stopped, until):
        answer = [e for e, *_ in self.sounds if event.seq < e.seq < until]
        if not answer:
            ends = [e for e in self.events if e.kind == "output" and e.name in ("stop", "transfer_session")]
            return "went_on" if ends and event.seq < ends[0].seq < until else "ignored"
        said = " ".join(normalized(" ".join(str(e.data.get("text", "")) for e in answer)))
        own = [e for e, *_ in self.sounds if e.turn == stopped[0].turn and e.seq <= stopped[0].seq]
        begun = next((words for e in own if (words := normalized(str(e.data.get("text", ""))))), [])
        start = " ".join(begun[:4])
        if start and (said + " ").startswith(start + " "):
            return "started_over"
        heard = normalized(" ".join(self.heard(e) for e in own))
        again = any(f" {' '.join(heard[i : i + 4])} " in f" {said} " for i in range(len(heard) - 3))
        return "repeated" if again else "went_on"

    @staticmethod
    def heard(event):
        text = str(event.data.get("text", ""))
        return event.data.get("heard", text) if event.data.get("interrupted") else text

    def agent_repeats(self, texts):
        words = [normalized(event.data["text"]) for event, *_ in texts]
        return sum(len(own) > 1 and own in words[:at] for at, own in enumerate(words))

    def caller_repeats(self):
        texts = [event.data.get("said", event.data["text"]) for event, *_ in self.words if event.name == "text"]
        words = [normalized(text) for text in texts]
        again = ("pardon", "say that again", "repeat that", "what did you say")
        return sum(
            (len(own) >= 3 and own in words[:at])
            or any(f" {phrase} " in f" {' '.join(own)} " for phrase in again)
            or own in (["what"], ["sorry"])
            for at, own in enumerate(words)
        )

    def counts(self, event):
        data = event.data
        if "words" in data and "word_errors" in data:
            return data["words"], data["word_errors"]
        text = data.get("text", "")
        if "said" in data:
            return words_and_errors(data["said"], text)
        if "engine" in data and "audio_s" in data:
            return 0, 0
        return words_and_errors(text, text)[0], None if "engine" in data or self.imported else 0

    def counted(self):
        counts = [self.counts(event) for event, *_ in self.said if event.name != "dtmf"]
        n_words = sum(words for words, _ in counts)
        known = all(errors is not None for _, errors in counts)
        return n_words, sum(errors for _, errors in counts) if n_words and known else None


def lanes_heard(lanes, event):
    """Return when a caller's words were spoken, as the timeline shows them."""
    [span] = [span for span in lanes.spans(event.seq) if span.lane == "caller"]
    return span.start_s, span.end_s if span.end_s is not None else span.start_s
