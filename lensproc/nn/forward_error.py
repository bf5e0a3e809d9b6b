"""How far H itself (`lensproc.nn.forward`) may be wrong: the checks and a network's own last step use the same."""

H_ERROR = {"same": 0.01, "image": 0.02, "width": 0.10, "unsampled": 0.05}
"""Relative error of H itself: on a finer grid of the same PSF (measured: up to 0.7 % of the peak of a star of FWHM
2 px), with a PSF image, with a Gaussian of the right width (both judgement); and of light in a pixel that no PSF
makes so sharp (measured: bicubic changes a lone bright pixel by 4.4 %)."""
