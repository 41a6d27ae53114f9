"""English as it is said: what people take for the same words is the same, and what sounds different isn't."""

import pytest

from voicelab.speech.spoken_english import as_said

SAME = [
    # numbers
    ("3", "three"), ("zero", "0"), ("30", "thirty"), ("twenty-one", "21"), ("a hundred and five", "105"),
    ("one hundred five", "105"), ("one thousand two hundred and thirty four", "1,234"), ("a thousand", "1000"),
    ("seventy five thousand", "75,000"), ("five million two hundred thousand", "5,200,000"),
    ("two point five million", "2.5 million"), ("three point five", "3.5"), ("three point one four", "3.14"),
    # digits and years
    ("one two three four", "1234"), ("twenty twenty six", "2026"), ("two thousand twenty six", "2026"),
    ("nineteen eighty-four", "1984"), ("double five", "55"), ("four five six, double seven", "45677"),
    ("oh seven seven one", "0771"), ("A B C 1 2 3", "ABC123"), ("A. B. C.", "abc"), ("Covid-19", "covid nineteen"),
    # money and shares
    ("$5", "five dollars"), ("$5.00", "five bucks"), ("$5.50", "five dollars fifty"),
    ("$5.50", "5 dollars and 50 cents"), ("£1,200", "twelve hundred pounds"), ("$3 million", "three million dollars"),
    ("50%", "fifty percent"), ("50 per cent", "fifty percent"),
    # times
    ("10:30", "ten thirty"), ("10:30", "half past ten"), ("9:45", "a quarter to ten"), ("quarter to one", "12:45"),
    ("10:15 a.m.", "quarter past ten AM"), ("10 o'clock", "ten"), ("10:00", "ten o'clock"), ("10:05", "ten oh five"),
    ("5p.m.", "five pm"),
    # ordinals and dates
    ("3rd", "third"), ("12th", "twelfth"), ("the 20th", "the twentieth"), ("21st", "twenty-first"),
    ("one hundredth", "100th"), ("May 3", "May third"), ("3 May", "third may"),
    ("May 3rd, 2026", "may third twenty twenty-six"), ("born in May nineteen eighty four.", "born in May 1984"),
    # contractions
    ("I'm", "I am"), ("don't", "do not"), ("can't", "cannot"), ("won't", "will not"), ("it's", "it is"),
    ("we'll", "we will"), ("they've", "they have"), ("you're", "you are"), ("gonna", "going to"), ("let’s", "let us"),
    # spelling and hesitation
    ("colour", "color"), ("organise", "organize"), ("OK", "okay"), ("café", "cafe"), ("e-mail", "email"),
    ("John's", "Johns"), ("Mr. Smith", "mister smith"), ("um, yes", "yes"), ("Mm-hmm", "mhm"), ("uh huh", "uh-huh"),
    ("I'd like twenty, please", "i would like 20 please"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_said_alike_is_the_same(one, other):
    assert as_said(one) == as_said(other)
    assert as_said(one)  # and not nothing at all


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fifteen", "fifty"), ("13", "30"), ("three", "third"), ("5.5", "55"), ("ten thirty", "ten forty"),
        ("$5", "£5"), ("can", "can't"), ("yes", "mm-hm"), ("no", "know"), ("size", "sise"), ("10 am", "10 pm"),
        ("quarter to ten", "quarter past ten"), ("two", "to"), ("a b", "a d"),
    ],
)  # fmt: skip
def test_what_is_said_differently_differs(one, other):
    assert as_said(one) != as_said(other)


@pytest.mark.parametrize("text", ["", "...", "  ", "日本語 です", "?!", "1" * 500, "one " * 300, "$$$ ,,, 10:99:00"])
def test_any_text_has_words_or_none(text):
    assert all(as_said(text))
    assert as_said(" ".join(as_said(text))) == as_said(text)


def test_how_many_words_a_number_is():
    assert as_said("a table for two at half past seven") == ["a", "table", "for", "2", "at", "730"]
    assert as_said("0 7 7 1, please") == ["0771", "please"]
