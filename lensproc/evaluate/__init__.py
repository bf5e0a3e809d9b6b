"""What a stage does to sources whose truth is known: ``lensproc validate``.

Each experiment is one file: it measures trials on simulated scenes, system by system, and sums them up in a table.
A *system* is the stage, or a baseline held against it on the same scenes: the input itself, bicubic,
Richardson-Lucy. Everything follows from the seed.
"""
