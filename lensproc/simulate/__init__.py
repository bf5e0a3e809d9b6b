"""Truth for training and for judging."""
