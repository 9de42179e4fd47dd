"""The learner: ridge regression on additive sums, SquareCB exploration, exact merging and exact forgetting.

All that a model knows is a set of sums over rows (action, phi, reward r, weight w), r measured from the prior `base`:

    per block   gram = sum w phi phi',  moment = sum w r phi           (a block is one action, or all actions together)
    per action  count = sum w,  centre = sum w phi,  total = sum w r   (an intercept of its own, solved with the block)

phi, rewards and weights lie on dyadic grids, so these float64 sums have no rounding at all. Merging sites, subtracting a
person and replaying a log therefore give the same bits, and the same digest, as a fit that was never split, never saw
the person, or never stopped. Served weights lie on a grid too: a score is exact in every order of summation, and the
terms of an explanation add up to the score with `==`.
"""

from commonweal_runtime.models.learning.encoder import Encoder, Part
from commonweal_runtime.models.learning.grid import PHI, WEIGHT, Array
from commonweal_runtime.models.learning.learner import Learner
from commonweal_runtime.models.learning.policy import Decision, Exploration, draw, probabilities, squarecb
from commonweal_runtime.models.learning.space import Space
from commonweal_runtime.models.learning.sums import Row, Sums

__all__ = [
    "PHI",
    "WEIGHT",
    "Array",
    "Decision",
    "Encoder",
    "Exploration",
    "Learner",
    "Part",
    "Row",
    "Space",
    "Sums",
    "draw",
    "probabilities",
    "squarecb",
]
