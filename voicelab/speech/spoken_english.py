r"""English as it is said: one spelling for everything that sounds alike, so that "3" and "three" are the same word.

The rules are the tables below, and `_RULES` puts them in order. Both texts of a comparison go through them, so a rule may be
wrong about a word ("second" is an ordinal here, also of time) as long as it is wrong about it on both sides.

What counts as one word in the end: a number however many digits or words it is written with ("twenty twenty six", "2026",
"2 0 2 6"), a time of day ("half past ten", "10:30"), a sum of money's number, letters that are spelled ("A B C", "ABC").
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

HESITATIONS = "ah|eh|erm?|hm+|mm+|uh+m*|um+"
"""What says nothing; "mm-hm" and "uh-huh" say yes, and stay."""

SPELLINGS = {
    "alright": "all right", "canceled": "cancelled", "canceling": "cancelling", "catalog": "catalogue",
    "center": "centre", "centers": "centres", "cheque": "check", "cheques": "checks", "color": "colour",
    "colors": "colours", "cozy": "cosy", "defense": "defence", "dialog": "dialogue", "doctor": "dr", "e mail": "email",
    "e mails": "emails", "favor": "favour", "favorite": "favourite", "flavor": "flavour", "flavors": "flavours",
    "fulfill": "fulfil", "good bye": "goodbye", "gray": "grey", "harbor": "harbour", "health care": "healthcare",
    "honor": "honour", "jewelry": "jewellery", "kilometer": "kilometre", "kilometers": "kilometres", "labor": "labour",
    "license": "licence", "liter": "litre", "liters": "litres", "meter": "metre", "meters": "metres", "mhm+": "mmhm",
    "missus": "mrs", "mister": "mr", "mm hm+": "mmhm", "mold": "mould", "neighbor": "neighbour",
    "neighbors": "neighbours", "ok": "okay", "on line": "online", "per cent": "percent", "practise": "practice",
    "program": "programme", "programs": "programmes", "rumor": "rumour", "theater": "theatre", "tire": "tyre",
    "tires": "tyres", "traveled": "travelled", "traveler": "traveller", "travelers": "travellers",
    "traveling": "travelling", "uh huh": "uhhuh", "voice mail": "voicemail", "web site": "website",
    "week end": "weekend", "yoghurt": "yogurt",
    r"(\w{3,})iz(e|es|ed|er|ers|ing|ation|ations)": r"\1is\2",  # "organize"
}  # fmt: skip
"""Two ways to write a word."""

CONTRACTIONS = {
    "ain't": "is not", "can't": "can not", "cannot": "can not", "'cause": "because", "dunno": "do not know",
    "gimme": "give me", "gonna": "going to", "gotta": "got to", "i'm": "i am", "kinda": "kind of", "lemme": "let me",
    "let's": "let us", "shan't": "shall not", "wanna": "want to", "won't": "will not", "y'all": "you all",
    "'em": "them", "'til": "until", "till": "until",
    "(he|she|it|that|this|there|here|what|when|where|who|how)'s": r"\1 is",
    r"(\w+)n't": r"\1 not", r"(\w+)'re": r"\1 are", r"(\w+)'ve": r"\1 have", r"(\w+)'ll": r"\1 will",
    r"(\w+)'d": r"\1 would",
}  # fmt: skip

SIGNS = {"%": "percent", "&": "and", "@": "at", "+": "plus", "=": "equals", "#": "number", "°": "degrees"}
CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros", "¥": "yen"}
MONEY = {"dollar": "dollars", "bucks?": "dollars", "pound": "pounds", "quid": "pounds", "euro": "euros"}
HUNDREDTHS = ("cents?", "pence", "penny", "p")

UNITS = dict(zip(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], range(1, 10), strict=True))
TEENS = dict(
    zip(
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
        range(10, 20),
        strict=True,
    )
)
TENS = dict(
    zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10), strict=True)
)
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
ORDINALS = {
    "first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine",
    "twelfth": "twelve",
}  # fmt: skip
"""Those that aren't the number's word with "th", or with "ieth" in place of "y"."""
REPEATS = {"double": 2, "triple": 3}
"""How often the digit after it is said."""
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
"""Beside them a number is an ordinal: "May 3" is said "May third"."""
PAST = {"half": "30", "quarter": "15"}


def as_said(text: str) -> list[str]:
    """Return the words of an English text as it is said, each in one spelling."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    said = plain.lower().replace("\u2019", "'").replace("\u2018", "'")
    for pattern, replacement in _RULES:
        said = pattern.sub(replacement, said)
    return said.split()


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(words)})"


_VALUES = {**UNITS, **TEENS, **TENS}
_SMALL = rf"(?:{_any(TENS)}(?: {_any(UNITS)})?|{_any(TEENS)}|{_any(UNITS)}|\d{{1,2}})"
_MIDDLE = rf"(?:(?:a|{_any(TEENS)}|{_any(UNITS)}|\d{{1,2}}) hundred(?:(?: and)? {_SMALL})?|{_SMALL})"
# "2.5 million" and "a thousand" too; what comes after a scale may be joined by "and".
_SCALED = rf"(?:a|{_MIDDLE}|\d+(?:\.\d+)?) {_any(SCALES)}"
_NUMBER = rf"(?<![\w.])(?:{_SCALED}(?: {_SCALED})*(?:(?: and)? {_MIDDLE})?|{_MIDDLE})(?![\w.])"
_DIGIT = _any([*UNITS, "zero", "oh", r"\d"])


def _valued(found: re.Match[str]) -> str:
    """Return the digits of a number in words."""
    words = found[0].split()
    if len(words) == 1 and words[0].isdecimal():
        return words[0]  # as it is: "05" keeps its zero
    whole, part = 0.0, 0.0
    for word in words:
        if word == "hundred":
            part = 100 * (part or 1)
        elif word in SCALES:
            whole += (part or 1) * SCALES[word]
            part = 0
        elif word not in {"a", "and"}:
            part += _VALUES[word] if word in _VALUES else float(word)
    return str(round(whole + part))


def _decimal(found: re.Match[str]) -> str:
    """Return "three point one four" as "3.14"."""
    decimals = "".join(str(UNITS.get(digit, digit if digit.isdecimal() else 0)) for digit in found[2].split())
    return f"{re.sub('.+', _valued, found[1])}.{decimals}"


def _half_past(found: re.Match[str]) -> str:
    """Return "half past ten" as "10 30", and "quarter to ten" as "9 45"."""
    name, past, hour = found["name"], found["past"] in {"past", "after"}, int(found["hour"])
    if past:
        return f"{hour} {PAST[name]}"
    return f"{hour - 1 or 12} {60 - int(PAST[name])}"


def _cents(found: re.Match[str]) -> str:
    return f"{found[1]}.{int(found[3]):02} {found[2]}"


_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _words(table: Mapping[str, str]) -> list[_Rule]:
    """Return the rules of a table of words, each where it stands for itself: one for all words, one for each pattern."""
    words = {written: said for written, said in table.items() if re.fullmatch(r"[\w ']+", written)}
    patterns = {written: said for written, said in table.items() if written not in words}
    longest_first = sorted(words, key=len, reverse=True)
    alone = r"(?<![\w'])%s(?![\w'])"
    of_words = [(re.compile(alone % _any(longest_first)), lambda found: words[found[0]])] if words else []
    return [*of_words, *((re.compile(alone % written), said) for written, said in patterns.items())]


_RULES: list[_Rule] = [
    # What signs say, while they are there.
    *(
        (re.compile(rf"{re.escape(sign)}\s?(\d[\d,]*(?:\.\d+)?(?: {_any(SCALES)}\b)?)"), rf"\1 {said} ")
        for sign, said in CURRENCIES.items()
    ),
    (re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))"), ""),
    (re.compile(r"\b(\d{1,2}):00\b"), r"\1"),
    (re.compile(r"(?<![a-z])([ap])\.?\s?m\b\.?"), r" \1m "),
    (re.compile(f"[{''.join(SIGNS)}]"), lambda found: f" {SIGNS[found[0]]} "),
    *_words(CONTRACTIONS),
    (re.compile(r"\bo'? ?clock\b"), " "),
    # From here on words with one space between them.
    (re.compile(r"'"), ""),  # a recogniser writes possessives as it likes
    (re.compile(r"(?<=\d)(?:st|nd|rd|th)\b"), " th"),
    (re.compile(r"\.(?!\d)|(?<!\d)\.|[^\w.]|_"), " "),
    (re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])"), " "),
    (re.compile(r"\s+"), " "),
    *_words(SPELLINGS),
    *_words({f"(?:{HESITATIONS})": ""}),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\b(?:[a-z] )+[a-z]\b(?! th\b)"), lambda found: found[0].replace(" ", "")),
    # Numbers in words, then their parts.
    *_words({ordinal: f"{number} th" for ordinal, number in ORDINALS.items()}),
    *_words({f"{ten[:-1]}ieth": f"{ten} th" for ten in TENS}),
    *_words({f"({_any([*UNITS, *TEENS, 'hundred', *SCALES])})th": r"\1 th"}),
    (
        re.compile(rf"\b({_any(REPEATS)}) ({_DIGIT})\b"),
        lambda found: " ".join([found[2]] * REPEATS[found[1]]),
    ),
    (re.compile(rf"({_NUMBER}) point ({_DIGIT}(?: {_DIGIT})*)\b"), _decimal),
    (re.compile(_NUMBER), _valued),
    *_words({"zero": "0"}),
    (re.compile(r"(?<=\d )oh(?= \d)|\boh(?= \d+ \d)"), "0"),
    (
        re.compile(r"(?:\ba )?\b(?P<name>half|quarter) (?P<past>past|after|to|of) (?P<hour>\d{1,2})\b"),
        _half_past,
    ),
    # But not the first half of a year: "May nineteen eighty four".
    (re.compile(rf"\b({_any(MONTHS)}) (\d{{1,2}})(?= |$)(?! th\b| \d\d(?:$| (?!\d)))"), r"\1 \2 th"),
    (re.compile(rf"(?<![\d.] )\b(\d{{1,2}}) (?={_any(MONTHS)}\b)"), r"\1 th "),
    (re.compile(r"(?<=\d) th\b"), "th"),
    (re.compile(r"(?<=\d) (?=\d)"), ""),
    *_words(MONEY),
    (re.compile(rf"\b(\d+) ({_any(CURRENCIES.values())})(?: and)? (\d{{1,2}})(?: {_any(HUNDREDTHS)})?(?= |$)"), _cents),
    (re.compile(r"(\d)\.00?(?= |$)"), r"\1"),
]
