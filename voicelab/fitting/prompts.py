"""What an agent wants to hear: its words read as a question, a menu of keys, a choice, or neither.

No language model: the forms in which agents ask are few, and a reading that is wrong costs no more than a few conversations,
since every answer is tried before it is believed (`exploring`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal[
    "keypad", "digits", "code", "choice", "yes or no", "scale", "number", "name", "phone", "email", "address", "postcode", "date",
    "birth", "time", "size", "colour", "city", "open", "wait", "farewell", "statement",
]  # fmt: skip

_SENTENCE = re.compile(r"[^.!?]+(?:[.!?]+(?=\s|$)|[.!?](?=\S)[^.!?]*)*[.!?]*")
_ASKS = re.compile(
    r"\?|\b(press|dial|enter|key in|type|say|tell|state|give|provide|choose|select|leave|describe|spell|rate|confirm|let me "
    r"know|(?:i|we)(?:'d| would| will|'ll)? need|once more|try again|please (?!hold|wait|stay|stand|bear))\b",
    re.IGNORECASE,
)
_WORD_NUMBERS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "star": "*", "asterisk": "*", "pound": "#", "hash": "#",
}  # fmt: skip
_KEY = r"(\d|\*|#|zero|one|two|three|four|five|six|seven|eight|nine|star|asterisk|pound|hash)"
_PRESS = re.compile(
    rf"\b(?:press|dial|hit|push|enter|key|type)\s+(?:the\s+)?(?:number\s+|key\s+)?{_KEY}(?![\w-])", re.IGNORECASE
)
_KEY_FOR = re.compile(rf"(?<![\w-]){_KEY}\s+(?:for|to)\s+(?!(?:\d|zero|one|two|five|nine|ten)\b)", re.IGNORECASE)
_LENGTH = re.compile(r"\b(\d{1,2}|three|four|five|six|seven|eight|nine|ten)[- ]digits?\b", re.IGNORECASE)
_DIGITS = re.compile(r"\b(enter|key in|type)\b.*\b(number|code|pin|id|digits|date)\b", re.IGNORECASE)
_SCALE = re.compile(
    r"\b(?:from|between|of|scale)?\s*(\d+|zero|one)\s*(?:to|and|through|-|–)\s*(\d+|five|six|seven|ten)\b",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"(^|[,;:]\s*|\b(?:and|so|okay|great|thanks|well|sorry|now)\s+)(is|are|am|was|were|do|does|did|would|will|can|could|shall|"
    r"should|may|might|have|has|had|isn't|aren't|don't|doesn't|didn't|won't|wouldn't)\b[^?]*\?|"
    r"\b(right|correct|okay|ok|yes or no|yes/no|agree|sound good|all right|alright)\s*\?|\b(say|answer)\s+yes\b",
    re.IGNORECASE,
)
_BY_WORD: tuple[tuple[Kind, str], ...] = (
    ("email", r"\be-?mail"),
    ("postcode", r"\b(zip|post(al)?\s?code|postcode)"),
    ("phone", r"\b(phone|mobile|cell|call(ed)? (you )?back|callback|reach you)\b"),
    ("address", r"\b(address|street|where (do you live|should|shall|do we))"),
    ("name", r"\b(name|who am i (speaking|talking)|who is (this|calling)|whom am i)\b"),
    ("birth", r"\b(birth|born)"),
    ("date", r"\b(date|what day|which day|when|day works|day would|day suits)\b"),
    ("time", r"\b(what time|which time|time works|time would|time suits|o'clock)\b"),
    ("size", r"\bsize\b"),
    ("colour", r"\bcolou?r\b"),
    ("city", r"\b(city|town)\b"),
    ("number", r"\b(how (many|much|old|long|often)|a number of|quantity|amount|count|age|rate)\b"),
    ("code", r"\b(number|digits|pin|code|reference|id)\b"),
)
_REQUESTS = re.compile(r"\b(tell|give|have|get|say) (me |us )?(your|the)\b", re.IGNORECASE)
_POLITELY = re.compile(
    r"\b(can|could|may|might|would|will) (you|i|we) (please |kindly )?(spell|provide|share|confirm|have|get|take|ask|know|say|"
    r"enter|type|tell|give)\b",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"\b(what|which|who|whom|whose|where|when|why|how|tell|describe|what's|how's|who's)\b", re.IGNORECASE
)
_NAMED = frozenset(kind for kind, _ in _BY_WORD)
_FAREWELL = re.compile(r"\b(good ?bye|bye|farewell|have a (nice|good|great|lovely)|take care|see you)\b", re.IGNORECASE)
_WAIT = re.compile(
    r"\b(one (moment|second)|just a (moment|second)|hold on|please (hold|wait|stay|stand by|bear)|let me (check|look|see)|"
    r"checking|looking (that|it) up|working on|placing|processing|connecting|transferring|hang on)\b",
    re.IGNORECASE,
)
_NOT_UNDERSTOOD = re.compile(
    r"\b(sorry|pardon|apolog\w+|invalid|didn'?t (get|catch|understand|hear|recogni[sz]e)|did not (get|catch|understand|hear)|"
    r"(don'?t|can'?t|cannot|couldn'?t|do not|could not) (understand|recogni[sz]e|help|find|process)|try again|once more|"
    r"say (that|it) again|repeat|doesn'?t look|that'?s not|(?:i|we) need an?\b|wrong|not (a )?valid|isn'?t (a )?valid|"
    r"not an option|please (choose|select) (one|from)|unknown|use (the|your) (key|tele|phone)\w*)\b",
    re.IGNORECASE,
)
_JOINING = re.compile(
    r"^((and|so|okay|ok|great|good|fine|well|now|then|alright|all right|thanks|sure|also)\b[,\s]+)+", re.IGNORECASE
)
# What stands before the first of several things to choose from, and behind the last.
_ENDING = re.compile(
    r"\s+(suits?|works?|fits?|be|is|are|better|best|please|today|tonight|then|instead|now|for you|do you|would you)\b.*$",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(
    r".*\b(?:would|shall|should|will|do|does|is|are|can|like|want|wants|prefer|need|about|for|say|saying|type|choose|select|"
    r"between|either|is it|is this|be|it|with|"
    r"have|get|order|calling|regarding|to|by|your|the|an?|us|options are|are)\s+",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"\b(?:we have|i have|there is|there are|we offer|i offer|help (?:you )?with|options are|choose from|pick from|such as|"
    r"including|i handle|we handle|we sell|we do|ask about|ask me about|i can|we can)\s+"
    r"([^.?!;:]*?(?:,|\band\b|\bor\b)[^.?!;:]*)",
    re.IGNORECASE,
)
_OR = re.compile(r"\s*,?\s+or\s+|\s*/\s*", re.IGNORECASE)
_REMINDER = re.compile(
    r"^(?:please |kindly )?(?:make (?:a|your) (?:selection|choice)|use (?:your|the) (?:key|tele|phone)\w*|answer|respond|"
    r"hello|are you (?:still )?(?:there|here|with me|on the line)|can you hear me)(?: now| please|,? please)?\W*$",
    re.IGNORECASE,
)
_MORE = re.compile(r"\b(anything|something|what) else\b", re.IGNORECASE)
_MOST_WORDS = 4


@dataclass(frozen=True)
class Prompt:
    """What the agent has said to be answered.

    Attributes:
        key: Tells it from other prompts, whatever numbers stand in it.
        text: The words that ask.
        kind: What it asks for.
        choices: What it offers: words to say, or keys to press.
        pattern: A regular expression that finds it at the end of what was heard.
        heard: All that was heard with it.
        also: What it asks for besides, in the same breath.
    """

    key: str
    text: str
    kind: Kind
    choices: tuple[str, ...]
    pattern: str
    heard: str = ""
    also: tuple[Kind, ...] = ()


def read_prompt(heard: str, echoed: Iterable[str] = ()) -> Prompt:
    """Return what the agent has said to be answered.

    Args:
        heard: Everything that it has said since the caller's last words.
        echoed: What the caller has said before, and parameters: where a question repeats it, another call repeats another.
    """
    text = _asking(heard)
    kind, choices = _kind(text)
    also = _named(text)[1:] if kind in _NAMED else ()
    pieces = _pieces(text, echoed if kind in {"yes or no", "statement"} else ())
    key = " ".join("…" if piece is None else re.sub(r"\W+", " ", piece.lower()).strip() for piece in pieces)
    return Prompt(" ".join(key.split()), text[:1].upper() + text[1:], kind, choices, _pattern(pieces), heard, also)


def sounds_lost(heard: str) -> bool:
    """Return whether the agent says that it has not understood."""
    return bool(_NOT_UNDERSTOOD.search(heard))


@lru_cache(maxsize=4096)  # an agent says the same in many conversations
def _asking(heard: str) -> str:
    """Return the last words that ask: from the first of the sentences at the end which all do; the last sentence if none does."""
    sentences: list[str] = [
        sentence.strip() for sentence in _SENTENCE.findall(heard) if re.search(r"\w|[*#]", sentence)
    ]
    if not sentences:
        return heard.strip()
    asking = [bool(_ASKS.search(sentence)) for sentence in sentences]
    last = max((at for at, asks in enumerate(asking) if asks), default=None)
    if last is None:
        return sentences[-1]
    if all(_REMINDER.search(sentence) for sentence, asks in zip(sentences, asking, strict=True) if asks):
        return sentences[last]  # "Please make a selection. Please make a selection."
    # A menu is several sentences; of questions only the last one waits for an answer.
    first = last
    while first and asking[first - 1] and (_PRESS.search(sentences[first - 1]) or "?" not in sentences[last]):
        first -= 1
    if "?" not in sentences[first] and first and "?" in sentences[first - 1]:
        first -= 1  # "Which department? Say sales or support."
    asked = sentences[first:]
    if any(_PRESS.search(sentence) for sentence in asked):
        # What stands before a menu is another each time: "Sorry. For sales press 1."
        asked = [sentence for sentence in asked if _PRESS.search(sentence) or _KEY_FOR.search(sentence)]
    return _JOINING.sub("", " ".join(asked))


@lru_cache(maxsize=4096)
def _kind(text: str) -> tuple[Kind, tuple[str, ...]]:
    if not text:
        return "open", ()  # the agent waits for the caller to begin
    keys = _keys(text)
    if keys and re.search(r"\b(press|dial|hit|push|key|type)\b", text, re.IGNORECASE):
        return "keypad", keys
    if re.search(r"\b(press|hit|push) any (key|button|number)\b", text, re.IGNORECASE):
        return "keypad", ("1",)
    length = _LENGTH.search(text)
    if re.search(r"\b(enter|key in|type|keypad|dial|press)\b", text, re.IGNORECASE) and (
        length or _DIGITS.search(text)
    ):
        end = ("#",) * bool(re.search(r"\b(pound|hash)\b|#", text, re.IGNORECASE))
        return "digits", (str(n_digits(text) or 4), *end)
    scale = _SCALE.search(text)
    if scale and (_ASKS.search(text) or re.search(r"\b(scale|number)\b", text, re.IGNORECASE)):
        return "scale", (str(_number(scale.group(1))), str(_number(scale.group(2))))
    choices = _choices(text)
    if choices:
        return "choice", choices
    if not _ASKS.search(text):
        return ("farewell" if _FAREWELL.search(text) else "wait" if _WAIT.search(text) else "statement"), ()
    named = _named(text)
    plain = text.endswith("?") and not _OPENS.search(text) and not named  # "Breakfast included?"
    if (plain or _YES_NO.search(text)) and not (_REQUESTS.search(text) or (named and _POLITELY.search(text))):
        return "yes or no", ()
    return next(iter(named), "open"), ()


def _named(text: str) -> tuple[Kind, ...]:
    """Return what the text asks for by name, at most two kinds."""
    found = [kind for kind, words in _BY_WORD if re.search(words, text, re.IGNORECASE)]
    if len(found) > 1 and not re.search(r"\band\b", text, re.IGNORECASE):
        found = found[:1]
    return tuple(found[:2])


def _keys(text: str) -> tuple[str, ...]:
    found = [*_PRESS.findall(text), *_KEY_FOR.findall(text)]
    # "press 1, 2 or 3"
    for more in re.findall(rf"\b(?:press|dial)\s+((?:{_KEY}\W+(?:or\s+)?)+{_KEY})", text, re.IGNORECASE):
        found += re.findall(_KEY, more[0], re.IGNORECASE)
    return tuple(dict.fromkeys(_WORD_NUMBERS.get(key.lower(), key) for key in found))


def _choices(text: str) -> tuple[str, ...]:
    """Return what the text offers: `small, medium or large`."""
    quoted = re.findall(r"['\"“‘]([^'\"”’]{1,30})['\"”’](?=[\s,.?!)]|$)", text)
    found = [words.strip() for words in quoted if words.strip()]
    for sentence in re.split(r"[.?!;:]\s*", text):
        parts = _OR.split(sentence)
        if len(parts) < 2:  # noqa: PLR2004 - one thing is no choice
            continue
        items = [item for part in parts[:-1] for item in part.split(",")] + [parts[-1].split(",")[0]]
        first = _LEAD_IN.sub("", items[0]).strip() or items[0].strip().rpartition(" ")[2]
        if len(first.split()) > _MOST_WORDS:
            first = first.rpartition(" ")[2]
        items[-1] = _ENDING.sub("", items[-1])
        found += [first, *(re.sub(r"^(?:an?|the|to|for|about|by)\s+", "", item.strip()) for item in items[1:])]
    cleaned = (re.sub(r"\s+", " ", item).strip(" ,()[]\"'").lower() for item in found)
    return tuple(dict.fromkeys(item for item in cleaned if item and len(item.split()) <= _MOST_WORDS and item != "not"))


def only_repeats(prompt: Prompt, last: Prompt) -> bool:
    """Return whether the agent asks nothing and names once more what there was to choose from: `We have soup and salad.`"""
    now, before = (set(said.choices or offered(said.heard)) for said in (prompt, last))
    return now == before and len(now) > 1 and not _ASKS.search(prompt.text)


def is_reminder(prompt: Prompt) -> bool:
    """Return whether the agent waits for the answer to what it asked before: `Please make a selection.`, `Hello?`"""
    return bool(prompt.text and _REMINDER.search(prompt.text))


def asks_for_more(prompt: Prompt) -> bool:
    """Return whether the agent asks what else it can do: `Anything else?`"""
    return prompt.kind in {"yes or no", "open"} and bool(_MORE.search(prompt.text))


def n_digits(text: str) -> int | None:
    """Return how many digits a text asks for, or None if it doesn't say."""
    length = _LENGTH.search(text)
    return _number(length.group(1)) if length else None


def offered(heard: str) -> tuple[str, ...]:
    """Return what the agent says that it has: `We have soup, salad and steak.`"""
    found = [
        item for things in _OFFERS.findall(heard) for item in re.split(r",\s*(?:and |or )?|\s+(?:and|or)\s+", things)
    ]
    bare = (re.sub(r"^(?:an?|the|your|our|my)\s+", "", item.strip(), flags=re.IGNORECASE).lower() for item in found)
    return tuple(dict.fromkeys(item for item in bare if item and len(item.split()) <= _MOST_WORDS))


def _number(word: str) -> int:
    return int(_WORD_NUMBERS.get(word.lower(), word))


def _pieces(text: str, echoed: Iterable[str]) -> list[str | None]:
    """Return the text word by word, None for what is another in each call: numbers, and what was said before."""
    own = {word for said in echoed for word in re.findall(r"[^\W\d_]{3,}", said.lower())} - _COMMON
    pieces: list[str | None] = []
    for word in text.split():
        bare = re.sub(r"\W", "", word.lower())
        varies = any(character.isdigit() for character in word) or bare in own
        if not varies:
            pieces.append(word)
        elif not pieces or pieces[-1] is not None:
            pieces.append(None)
    return pieces


_COMMON = frozenset(
    "the and for you your yes please that this with have want would like thank thanks okay not can could are was what".split()  # noqa: SIM905 - one line
)


def _pattern(pieces: list[str | None]) -> str:
    bodies = [r"\S.*?" if piece is None else re.escape(piece.rstrip(".,!?;:")) for piece in pieces]
    return r"\W+".join(bodies) + r"\W*$"
