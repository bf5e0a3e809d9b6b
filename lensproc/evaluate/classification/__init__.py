"""How well a classifier names the substructure of simulated lenses: ``lensproc evaluate`` for the kind classify.

`truth` has images with their true class, `stages` the classifiers, `answer` what they say of an image, `measures`
the figures on arrays, `score` those of a set with their intervals, `bins` how they depend on the lens, and `run`
goes through a set; `output`, `markdown` and `picture` write it down.
"""
