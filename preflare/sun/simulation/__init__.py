"""The simulated Sun: observations with a known truth, the null against which effects are judged.

programme   when and how an observation was recorded
look        what all spectra of an observation share: nuisance
fields      smooth random fields over place and time
scene       what goes on where and when, as the shapes of line profiles
precursor   what a precursor, or a mere brightening, does to those shapes
profiles    shapes -> radiance as a function of wavelength
detector    radiance -> counts of a level-2 file
source      the observations of the catalog, block by block
"""
