"""The mathematics of the decisions: arrays in, arrays out. No pandas, no session.

- `boundary`: a declared horizon watched continuously; the method where `max_iterations` is given.
- `stagewise`: the estimate of a test that stopped there, which flatters less; `forecast` how much longer one may take.
- `detectable`: what a declared number of sessions finds.
- `passage`: when Brownian motion with drift first leaves a band, which both rest on.
- `eprocess`: evidence without a horizon; the method where it is not.
- `scores`: how far two arms lie apart, as a normal score, also where they are small or skewed;
  `single_scores`: the same for one session at a time.
- `betting`: the same for means of outcomes with declared bounds, exact for every distribution.
- `interaction`: whether what one test does hangs on the variant of another.
- `closed`: closed testing over pairs of variants; `criteria` says which pairs a rule asks for.
- `moments`: what the values of an arm come to; `compare`: two arms by their moments, over epochs; `fixed` has the
  companions for one look.
- `sample_ratio`: whether the variants got the shares that their weights promise.
- `values`: what a session counts as; `snapshots` keeps a long path small.
"""
