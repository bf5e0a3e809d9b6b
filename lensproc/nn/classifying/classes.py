"""What a lens can be told to be, and what of a simulated one a classifier learns that from."""

from __future__ import annotations

CLASSES = ("no", "sphere", "vortex")
"""Labels 0, 1, 2 of the simulator: no substructure, subhalos, a superfluid vortex."""
SUBSTRUCTURE = ("no", "substructure")
"""Labels of the detector that tells only whether there is any."""
UNDECIDED = "undecided"
"""The answer where the 90 % set does not hold exactly one class, or the image is unlike those of the training."""
FIELDS = ("image", "label", "sky", "sigma", "fwhm")
"""Fields of a simulated lens: raw pixels, class, level and noise of the sky, FWHM of the PSF."""
