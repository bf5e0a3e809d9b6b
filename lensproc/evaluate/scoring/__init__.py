"""How near a stage comes to a known truth: ``lensproc evaluate``.

`example` has one image with the references it is compared with, `dataset` and `truth_files` where sets come
from, `methods` the stages and baselines, `metrics` the figures on arrays, `score` one image's scores, `summary`
those of a set with their intervals, `points` the fluxes of point sources, and `run` goes through a set.
"""
