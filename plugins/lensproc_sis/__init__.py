"""Networks that are told what gravity does: a lens of learnt strength stands before a classifier."""
