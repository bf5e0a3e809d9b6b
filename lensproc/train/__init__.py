"""Training of a stage's network: simulated data, the loop, checkpoints, and the files that it leaves."""
