"""What classifiers share that knows arrays only: classes, calibration, answers, views, augmentation, saliency."""
