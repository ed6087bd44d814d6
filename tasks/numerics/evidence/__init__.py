"""How sure a number is: resamples of a data set's samples, and the intervals made from them."""
