"""The result card, what a notebook shows of a result: a result in, one piece of HTML out.

- `result_card` puts the card together: verdict, variants, how much longer.
- `pairs` has the pairs that decide.
- `other_tables` has what stands below: other outcomes, guardrails, segments, the platform's own numbers.
- `markup` draws: escaped text, tables, intervals on a scale, the style sheet.
- `text_card` is the same as plain text.
- `formats` writes numbers for people, in both.
"""
